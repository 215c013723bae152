"""Programs of any number of videos under policies of all kinds, those of halting heads too."""

import jax.numpy as jnp
import pytest
from configs import untrained
from marks import slow

import rsf_jax as rsf
from rsf_jax import programs
from tests.programs.sample import SIZE, frames_of


def _trained(head):
    """A model whose head, if it has one, goes by how far the pattern of the state has moved."""
    trained = untrained(SIZE, halting_head=head)
    if head:
        halting = trained.variables["params"]["halting"]
        dense = {"kernel": jnp.zeros((18, 16)).at[17, 0].set(-1), "bias": jnp.eye(16)[0]}
        out = {"kernel": jnp.zeros((16, 1)).at[0].set(5), "bias": jnp.full(1, -2.5)}
        trained.variables["params"]["halting"] = {**halting, "dense": dense, "out": out}
    return trained


@pytest.mark.parametrize(
    ("policy", "head", "format"),
    [
        ("readout:entropy:0.3:5:share=0.3", "", "onnx"),
        slow("gate:0.01:0.9+readout:flips:0.01:5", "", "onnx"),
        ("gate:0.01:0.9+readout:news:0.01:5", "", "onnx"),
        slow("readout:change:0.01:5", "", "stablehlo"),
        ("ponder:0.6:5", "ponder", "onnx"),
        slow("gate:0.01:0.9+act:0.05:5", "act", "onnx"),
        ("act:0.05:5", "act", "stablehlo"),
        ("gate:0.01:0.9:pool=5+anderson:2+l2:rtol=0.2:5", "", "onnx"),
    ],
)
def test_a_program_and_the_library_agree(policy, head, format, tmp_path):
    if format == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    trained, policy = _trained(head), rsf.parse_policy(policy)
    options = {"format": format, "frame_shape": SIZE, "platforms": ["cpu"], "batch": 0}
    programs.export_program(trained, policy, tmp_path, **options)
    found = programs.compare(tmp_path, trained, policy, frames_of(8))
    assert found.difference < 1e-4
    assert found.other_steps == 0
    assert 0 < found.steps <= 5
