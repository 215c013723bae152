"""Programs that run without the library: the same logits and steps, frame after frame."""

import json

import jax
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax import programs
from rsf_jax.trained.model import Trained
from tests.programs.sample import GATED, SIZE, export, frames_of


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    return export(tmp_path_factory.mktemp("program"), "stablehlo")[1]


def test_the_manifest_says_what_goes_in_and_out(gated):
    told = json.loads((gated / "manifest.json").read_text())
    assert told["platforms"] == ["cpu", "cuda", "tpu"]
    assert told["inputs"][-1] == {"name": "frame", "shape": ["B", 12, 14, 1], "dtype": "uint8"}
    names = [one["name"] for one in told["outputs"]]
    assert names[-2:] == ["logits", "steps"]
    assert told["inputs"][:-1] == told["outputs"][:-2]
    with np.load(gated / "state.npz") as state:
        for name, one in zip(state.files, told["inputs"]):
            assert [1, *one["shape"][1:]] == list(state[name].shape)
            assert one["dtype"] == str(state[name].dtype)
    assert rsf.parse_policy(told["policy"]) == GATED


def test_color_and_other_cells_are_programs_too(tmp_path):
    config = rsf.get_config("quickstart_clstm").replace(
        channels=3, kernel_size=3, input_channels=3, classes=4
    )
    model, policy = rsf.build_model(config), rsf.FixedSchedule(2, 1)
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 1, 8, 8, 3), np.float32))
    trained = Trained(config, config, model, variables, 0)
    programs.export_program(trained, policy, tmp_path, frame_shape=(8, 8), platforms=["cpu"])
    found = programs.compare(tmp_path, trained, policy, frames_of(4, (8, 8), 3))
    assert found.difference < 1e-4
    assert (found.other_steps, found.steps) == (0, 1.25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": -1}, "batch is -1"),
        ({"platforms": ["npu"]}, "platforms is 'npu'"),
        ({"platforms": []}, "platforms is empty"),
        ({"frame_shape": None}, "give frame_shape"),
    ],
)
def test_what_cannot_be_exported_is_refused(tmp_path, options, words):
    trained = untrained(SIZE)
    options = {"frame_shape": SIZE, **options}
    with pytest.raises(rsf.InputError, match=words):
        programs.export_program(trained, rsf.FixedSchedule(1, 1), tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()
