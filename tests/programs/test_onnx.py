"""Programs of ONNX: the same logits and steps as the library's, frame after frame."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax import programs
from rsf_jax.trained.model import Trained
from tests.programs.sample import export, frames_of

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    return export(tmp_path_factory.mktemp("program"), "onnx")[1]


def test_the_manifest_names_what_the_model_has(gated):
    told = json.loads((gated / "manifest.json").read_text())
    graph = onnx.load(gated / "program.onnx").graph
    assert [one["name"] for one in told["inputs"]] == [x.name for x in graph.input]
    assert [one["name"] for one in told["outputs"]] == [x.name for x in graph.output]
    for one, x in zip(told["inputs"] + told["outputs"], [*graph.input, *graph.output]):
        kind = x.type.tensor_type
        assert one["shape"] == [d.dim_param or d.dim_value for d in kind.shape.dim]
        assert one["dtype"] == onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    assert (told["program"], told["platforms"], told["weights"]) == ("onnx", [], "float32")


@pytest.mark.parametrize(
    ("preset", "policy"),
    [
        ("quickstart_clstm", "anderson:2+s3f1"),
        pytest.param("camvid_s3f2_dru", "refresh:2+s3f2", marks=pytest.mark.slow),
    ],
)
def test_other_networks_and_color_are_models_of_onnx_too(tmp_path, preset, policy):
    config = rsf.get_config(preset).replace(channels=2, input_channels=3, classes=4)
    model, policy = rsf.build_model(config), rsf.parse_policy(policy)
    variables = model.init(jax.random.key(0), np.zeros((1, 1, 16, 18, 3), np.float32))
    trained = Trained(config, config, model, variables, 0)
    options = {"format": "onnx", "frame_shape": (16, 18)}
    programs.export_program(trained, policy, tmp_path, **options)
    found = programs.compare(tmp_path, trained, policy, frames_of(4, (16, 18), 3))
    assert found.difference < 1e-4
    assert found.other_steps == 0


def test_what_has_no_form_is_refused_by_name(tmp_path):
    class Sorting(rsf.RecurrentCell):
        def __call__(self, carry, drive):
            return jnp.sort(carry + drive, axis=-1)

    config = rsf.get_config("quickstart").replace(channels=2)
    model = rsf.RecurrentModel(Sorting(channels=2))
    variables = model.init(jax.random.key(0), np.zeros((1, 1, 8, 8, 1), np.float32))
    trained = Trained(config, config, model, variables, 0)
    options = {"format": "onnx", "frame_shape": (8, 8)}
    with pytest.raises(rsf.InputError, match="'sort', for which there is no form in ONNX"):
        programs.export_program(trained, rsf.FixedSchedule(1, 1), tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()


def test_the_library_runs_as_before_after_an_export(gated):
    """What was traced for ONNX is not taken for what XLA is to run, nor the other way round."""
    from rsf_jax.ops.activations import softplus
    from rsf_jax.ops.portable import portable

    def has_bits(function):
        return "bitcast" in str(jax.make_jaxpr(function)(np.float32(1)))

    jitted = jax.jit(softplus)
    assert has_bits(jitted)
    with portable():
        assert not has_bits(jitted)
    assert has_bits(jitted)
