"""Thresholds for a clip and an allowed error: they keep it, save time, and are kept in a file."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.reuse import ReuseNetwork, load_thresholds, save_thresholds
from rsf_jax.reuse.judging import Judge, pieces
from tests.reuse.test_exactness import Layers

NETWORK = Layers((nn.Conv(64, (3, 3)), nn.relu, nn.Conv(16, (3, 3))))
SHAPE = (1, 96, 96, 2)
NOISE = 0.01
FRAMES = 12  # of which four are held out


def _clip(faint=0.0):
    """A bright square walks through a scene, half of which becomes brighter in the last third."""
    rng = np.random.default_rng(0)
    scene = rng.random(SHAPE)
    clip = []
    for t in range(FRAMES):
        frame = scene.copy()
        frame[:, 40:50, 4 * t : 4 * t + 10] = 2
        frame[:, :48] += faint * (t >= 8)
        clip.append(frame + NOISE * rng.standard_normal(SHAPE))
    return np.array(clip, np.float32)


@pytest.fixture(scope="module")
def reuse():
    return ReuseNetwork(NETWORK, jax.jit(NETWORK.init)(jax.random.key(0), jnp.zeros(SHAPE)))


@pytest.fixture(scope="module")
def found(reuse):
    return reuse.calibrate(_clip(), max_error=0.1)


def _error(network, found, clip):
    """On the held-out frames: what outputs deviate by, computed here."""
    dense = np.array([network.whole(frame) for frame in clip[8:]])
    scenes = np.array([network.whole(piece) for piece in pieces(clip[0])])
    state, outputs = network.init(clip[7]), []
    for frame in clip[8:]:
        state, output = network.step(state, frame)
        outputs.append(np.asarray(output))
    return np.square(outputs - dense).mean() ** 0.5 / scenes.std(0).mean()


def test_noise_no_longer_wakes_what_it_need_not(reuse, found):
    assert found.noise == pytest.approx(NOISE, rel=0.1)
    assert found.exact.work == 1
    assert found.held_out.work < 0.5
    assert found.held_out.time < 0.75 * found.exact.time
    assert 0 < found.held_out.error <= found.held_out.worst
    assert found.held_out.error <= found.max_error == 0.1
    assert 3 * NOISE < found.thresholds["frame"] < 1
    assert _error(found.network, found, _clip()) == pytest.approx(found.held_out.error, rel=1e-3)
    assert _error(reuse, found, _clip()) < 1e-5  # which keeps its own thresholds


def test_what_fails_on_held_out_frames_is_not_chosen(reuse, found):
    # Below the threshold that was right before.
    faint = reuse.calibrate(_clip(faint=0.012), max_error=0.056)
    assert faint.given_up > 0
    assert faint.held_out.error <= 0.056
    assert _error(found.network, found, _clip(faint=0.012)) > 0.056


def test_of_several_clips_all_are_looked_at(reuse, found):
    tried = []
    both = reuse.calibrate(
        [_clip(), _clip()[::-1]],
        max_error=0.1,
        scenes=list(np.random.default_rng(1).random((4, *SHAPE), np.float32)),
        on_trial=lambda number, trial: tried.append((number, trial)),
    )
    assert [number for number, _ in tried] == list(range(1, len(both.trials) + 1))
    assert both.deviations != found.deviations
    assert both.held_out.error <= 0.1


def test_thresholds_are_kept_in_a_file(found, tmp_path):
    path = tmp_path / "thresholds.json"
    found.save(path, inputs=["door.mp4"])
    assert load_thresholds(path) == found.thresholds
    told = json.loads(path.read_text())
    assert (told["held_out"]["error"], told["inputs"]) == (found.held_out.error, ["door.mp4"])
    again = found.network.with_thresholds(load_thresholds(path))
    assert _error(again, found, _clip()) == _error(found.network, found, _clip())
    said = str(found)
    assert f"{found.held_out.work:.1%}" in said
    assert "frame" in said
    save_thresholds(path, {"frame": 0.5})
    assert load_thresholds(path) == {"frame": 0.5}


def test_a_file_of_thresholds_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_thresholds("~/thresholds.json", {"frame": 0.5})
    assert load_thresholds("~/thresholds.json") == {"frame": 0.5}
    assert (tmp_path / "thresholds.json").is_file()
    with pytest.raises(
        rsf.InputError, match=r"x\.json cannot be written: No such file or directory"
    ):
        save_thresholds("~/away/x.json", {"frame": 0.5})


@pytest.mark.parametrize("text", ["", "[]", '{"thresholds": 3}', '{"thresholds": {"a": "b"}}'])
def test_a_file_without_thresholds_is_named(text, tmp_path):
    path = tmp_path / "thresholds.json"
    path.write_text(text)
    with pytest.raises(rsf.InputError, match=r"thresholds\.json"):
        load_thresholds(path)


@pytest.mark.parametrize(
    ("clips", "max_error", "message"),
    [
        (np.zeros((5, *SHAPE)), 0.1, "a clip has 5 frames: 6 are needed"),
        (np.zeros((8, *SHAPE[1:])), 0.1, r"shape \[8, 96, 96, 2\]: \[T, B, H, W, C\] is"),
        ([], 0.1, "no clips"),
        ([np.zeros((6, *SHAPE)), np.zeros((6, 1, 8, 8, 2))], 0.1, "those of one shape"),
        (np.zeros((6, *SHAPE), np.float32), 0.1, "outputs of the scenes do not differ"),
        (_clip(), 0.0, "max_error is 0"),
        ([_clip().tolist()], 0.1, r"a clip is list: an array \[T, B, H, W, C\] is needed"),
        (5, 0.1, "clips is 5: give an array"),
    ],
)
def test_what_cannot_be_calibrated_on_is_named(reuse, clips, max_error, message):
    with pytest.raises(rsf.InputError, match=message):
        reuse.calibrate(clips, max_error=max_error)


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        (5, "scenes is 5: give several frames"),
        ([], "there are 0 scenes"),
        (np.zeros((3, *SHAPE[1:]), np.float32), r"scene has shape \(96, 96, 2\)"),
        ([np.zeros(SHAPE), np.zeros((1, 8, 8, 2))], "scenes have shapes .* those of one"),
    ],
)
def test_scenes_that_cannot_be_told_apart_are_named(reuse, scenes, message):
    with pytest.raises(rsf.InputError, match=message):
        reuse.calibrate(_clip(), max_error=0.1, scenes=scenes)


def test_what_has_no_error_but_on_held_out_frames_ends_in_thresholds_of_zero():
    """Noise where the network sees nothing, and a faint change where it does in the last third."""
    rng = np.random.default_rng(1)
    kernel = np.zeros((3, 3, 2, 64), np.float32)
    kernel[:, :, 0] = rng.normal(size=(3, 3, 64))
    clip = np.repeat(rng.random((1, *SHAPE)), FRAMES, 0).astype(np.float32)
    clip[..., 1] += 0.02 * rng.standard_normal(clip.shape[:-1], np.float32)
    clip[8:, ..., 0] += 0.05 * np.arange(4)[:, None, None, None]

    def network(kernel, frame):
        return jax.lax.conv_general_dilated(
            frame, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    reuse = ReuseNetwork(network, kernel)
    scenes = clip[[0, 11]]  # as one array
    found = reuse.calibrate(clip, max_error=0.001, scenes=scenes)
    assert not any(found.thresholds.values())
    assert found.given_up == 1
    assert any(trial.error == 0 and trial.time < found.exact.time for trial in found.trials)


def test_pieces_are_parts_of_the_frame_and_their_mirror_images():
    frame = np.arange(7.0).reshape(1, 1, 7, 1)
    assert [p.ravel().tolist() for p in pieces(frame)[:3]] == [
        [0, 1, 2, 2, 1, 0, 0],
        [2, 3, 4, 4, 3, 2, 2],
        [4, 5, 6, 6, 5, 4, 4],
    ]


def test_errors_are_those_of_the_worst_output():
    outputs = {"small": 1e-3, "large": 1.0}

    def network(frame):
        return {k: np.float32(v * np.asarray(frame)) for k, v in outputs.items()} | {"index": 3}

    scenes = [np.array([0.0, 2.0]), np.array([2.0, 0.0])]  # of deviation 1
    judge = Judge(lambda x: jax.tree.map(jnp.asarray, network(x)), scenes)
    assert judge.deviations == pytest.approx([1, 1e-3])
    expected = jax.tree.map(jnp.asarray, network(np.zeros(2)))
    output = expected | {"small": jnp.array([3e-3, 4e-3])}
    assert judge.error(output, expected) == pytest.approx(12.5**0.5)
    with pytest.raises(rsf.InputError, match="hold no floats"):
        Judge(lambda x: jnp.int32(x[0]), scenes)
    with pytest.raises(rsf.InputError, match="there are 1 scenes"):
        Judge(network, scenes[:1])
