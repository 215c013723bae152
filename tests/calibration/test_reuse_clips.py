"""Thresholds of reuse for video of one's own, by the library."""

import json

import filming
import jax
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.calibration import reuse_clips
from rsf_jax.reuse import ReuseNetwork, frame_network, load_thresholds
from rsf_jax.trained.model import Trained


@pytest.fixture(scope="module")
def trained():
    config = rsf.get_config("quickstart_ff6").replace(channels=2, kernel_size=3)
    model, frames = rsf.build_model(config), np.zeros((1, 1, 12, 12, 1), np.float32)
    rng = np.random.default_rng(0)  # readouts begin with zeros
    variables = jax.tree.map(
        lambda x: x + 0.3 * rng.random(x.shape, np.float32),
        jax.jit(model.init)(jax.random.key(0), frames),
    )
    return Trained(config, config, model, variables, 0)


@pytest.mark.slow
def test_thresholds_are_chosen_for_a_video(trained, tmp_path, capsys):
    film = filming.film(tmp_path / "door.mp4", filming.scenes(9))
    found, milliseconds = reuse_clips.calibrate_on(
        trained, [film], tmp_path, max_error=0.3, frames=8, frame_size=(12, 40)
    )
    assert found.held_out.error <= 0.3
    assert milliseconds.keys() == {"dense", "exact", "chosen"}
    assert min(milliseconds.values()) > 0
    path = tmp_path / "reuse_thresholds.json"
    told = json.loads(path.read_text())
    assert (told["inputs"], told["milliseconds"]) == ([str(film)], milliseconds)
    thresholds = load_thresholds(path)
    assert thresholds == found.thresholds
    reuse = ReuseNetwork(frame_network(trained.model), trained.variables, thresholds=thresholds)
    assert reuse.layers(np.zeros((1, 12, 40, 1), np.float32)) == list(thresholds)
    reuse_clips.print_choice(found, milliseconds)
    said = capsys.readouterr().out
    assert f"{found.held_out.error:.4f}" in said
    assert "outputs of different scenes" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": []}, "there are no inputs"),
        ({"inputs": "door.mp4"}, "inputs is 'door.mp4': a list of video files"),
        ({"frame_size": None}, "give frame_size"),
        ({"frames": 5}, "a clip has 5 frames: 6 are needed"),
        ({"frames": 0}, "frames is 0"),
    ],
)
def test_what_cannot_be_calibrated_on_is_named(trained, tmp_path, change, message):
    film = filming.film(tmp_path / "door.mp4", filming.scenes(6))
    given = {"inputs": [film], "max_error": 0.3, "frame_size": (12, 12)} | change
    with pytest.raises(rsf.InputError, match=message):
        reuse_clips.calibrate_on(trained, given.pop("inputs"), tmp_path, **given)
