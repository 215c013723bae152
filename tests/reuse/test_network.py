"""Truncation, refreshing, thresholds by calibration, and what cannot be reused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations

import rsf_jax as rsf
from rsf_jax.calibration.truncation import TIMES, calibrate
from rsf_jax.reuse import ReuseNetwork
from tests.reuse.test_exactness import Layers

NETWORK = Layers((nn.Conv(4, (3, 3)), nn.relu, nn.Conv(3, (3, 3))))
SHAPE = (1, 16, 18, 2)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(NETWORK.init)(jax.random.key(0), jnp.zeros(SHAPE))


def _drifting(count, by=0.01):
    """A frame that becomes brighter by a little each time."""
    frame = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return [frame + np.float32(by * t) for t in range(count)]


def test_small_changes_are_left_out_and_add_up_until_they_are_not_small(variables):
    frames = _drifting(6)
    reuse = ReuseNetwork(NETWORK, variables, thresholds={"frame": 0.025}, tile_side=8)
    state, shares = reuse.init(frames[0]), []
    for frame in frames[1:]:
        state, _ = reuse.step(state, frame)
        shares.append(float(state.computed[1]))
    assert shares == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("method", ["region", "residual"])
def test_a_refresh_ends_the_error_of_truncation(variables, method):
    frames = _drifting(5)
    reuse = ReuseNetwork(NETWORK, variables, method=method, thresholds=0.5, refresh_every=3)
    state, errors, ages = reuse.init(frames[0]), [], []
    for frame in frames[1:]:
        state, output = reuse.step(state, frame)
        errors.append(float(jnp.abs(output - NETWORK.apply(variables, frame)).max()))
        ages.append(int(state.age))
    assert ages == [1, 2, 0, 1]
    assert errors[2] < 1e-5
    assert min(errors[0], errors[1], errors[3]) > 1e-3


def test_states_belong_to_their_network_and_are_used_once(variables):
    frames = _drifting(2)
    mine = ReuseNetwork(NETWORK, variables, tile_side=8)
    tuned = ReuseNetwork(NETWORK, jax.tree.map(lambda x: 2 * x, variables), tile_side=8)
    state = mine.init(frames[0])
    for others in (tuned.step, tuned.maps):
        with pytest.raises(rsf.InputError, match="of another network, or of this one with other"):
            others(state, frames[1])
    new, _ = mine.step(state, frames[1])
    for again in (mine.step, mine.maps):
        with pytest.raises(rsf.InputError, match="used up by the step after it"):
            again(state, frames[1])
    mine.step(new, frames[1])


class Wide(nn.Module):
    """Slow enough to be worth saving of."""

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.relu(nn.Conv(96, (3, 3))(x))
        return nn.Conv(2, (1, 1))(x)


def test_what_is_not_worth_it_is_computed_plainly_until_frames_are_alike():
    network = Wide()
    rng = np.random.default_rng(0)
    scenes = rng.normal(size=(3, 1, 96, 96, 2)).astype(np.float32)
    moved = scenes.copy()
    moved[:, 0, 40:48, 40:48] = 0
    variables = jax.jit(network.init)(jax.random.key(0), scenes[0])
    reuse, apply = ReuseNetwork(network, variables), jax.jit(network.apply)
    state = reuse.init(scenes[0])
    # A part changes; scene cuts; the scene stays, which is stored; then it pays.
    frames = [moved[0], scenes[1], scenes[2], moved[2], scenes[2], moved[0]]
    plainly, shares = [], []
    for frame in frames:
        state, output = reuse.step(state, frame)
        np.testing.assert_allclose(output, apply(variables, frame), atol=1e-5)
        plainly.append(bool(state.is_plain))
        shares.append(float(state.computed[1]))
    assert plainly == [False, True, True, False, False, True]
    assert [share == 1 for share in shares] == [False, True, True, True, False, True]


def test_a_scene_seen_before_a_cut_is_still_known():
    network = Wide()
    rng = np.random.default_rng(0)
    scene, other = rng.normal(size=(2, 1, 96, 96, 2)).astype(np.float32)
    reuse = ReuseNetwork(network, jax.jit(network.init)(jax.random.key(0), scene))
    state, _ = reuse.step(reuse.init(scene), other)
    assert state.computed.all()
    state, _ = reuse.step(state, scene)
    assert not state.computed.any()


def test_other_thresholds_compile_nothing(variables):
    frames = _drifting(3)
    reuse = ReuseNetwork(NETWORK, variables)
    state = reuse.init(frames[0])
    for thresholds in (0.05, np.array([0.1, 0.1, 0.0])):
        state, _ = reuse.step(state, frames[1], thresholds)
    with compilations() as compiled:
        for thresholds in (0.1, np.array([0.1, 0.2, 0.3])):
            state, _ = reuse.step(state, frames[2], thresholds)
    assert not compiled


def test_nan_passes_and_is_gone_with_the_frame(variables):
    frames = _drifting(3)
    reuse = ReuseNetwork(NETWORK, variables, thresholds=0.1)
    broken = frames[1].copy()
    broken[0, 4, 4] = np.nan
    state, output = reuse.step(reuse.init(frames[0]), broken)
    assert np.isnan(output[0, 4, 4]).all()
    assert not np.isnan(output[0, 12:]).any()
    _, output = reuse.step(state, frames[0])
    assert not np.isnan(output).any()


def test_calibration_takes_the_largest_thresholds_that_keep_the_score(variables):
    rng = np.random.default_rng(1)
    clips = [
        np.stack([f + rng.normal(0, 0.02, SHAPE).astype(np.float32) for f in _drifting(3, 0.03)])
        for _ in range(60)
    ]
    truth = [np.asarray(NETWORK.apply(variables, clip[-1])) for clip in clips]

    def score(outputs, i):
        return float(np.mean(np.abs(outputs[-1] - truth[i]) < 0.1))

    reuse = ReuseNetwork(NETWORK, variables)
    scales = (0.0, 0.01, 0.3, 5.0)
    found = calibrate(reuse, clips, score, max_drop=0.08, confidence=0.9, scales=scales)
    assert found.scale in (0.01, 0.3)
    assert list(found.thresholds) == reuse.layers(clips[0][0])
    assert [c.scale for c in found.tested] == list(scales[: len(found.tested)])
    assert found.tested[0].drop == 0
    assert found.tested[-1].p_value > 0.1
    assert found.tested[-1].drop > 0.08
    shares = [c.work for c in found.tested]
    assert shares == sorted(shares, reverse=True)
    with pytest.raises(rsf.InputError, match=r"on 60 clips .* is the least"):
        calibrate(reuse, clips, score, max_drop=1e-4, scales=(0.3,))
    # As a search for each map has found them elsewhere.
    units = dict.fromkeys(found.thresholds, 1e-6) | {"frame": 0.2}
    found = calibrate(reuse, clips, score, max_drop=0.08, confidence=0.9, units=units)
    assert 0 < found.scale in TIMES
    assert found.thresholds == {name: found.scale * unit for name, unit in units.items()}
    assert 0 < found.tested[-1].work < 1
    with pytest.raises(rsf.InputError, match="units are of frame: the layers are frame, "):
        calibrate(reuse, clips, score, max_drop=0.08, units={"frame": 1.0})


@pytest.mark.parametrize("score", [97.0, -3.0, np.nan, None, np.ones(3), "1", True])
def test_scores_that_nothing_is_guaranteed_of_are_refused(variables, score):
    reuse = ReuseNetwork(NETWORK, variables)
    with pytest.raises(rsf.InputError, match=r"the score of clip 0 is .*: a number in 0..1 is"):
        calibrate(reuse, [np.stack(_drifting(3))], lambda *_: score, max_drop=0.5)


@pytest.mark.parametrize(
    "scales",
    [(), (np.nan,), ("0.1",), (0.1, 0.1), (0.2, 0.1), (-0.1, 0.1), (0.1, np.inf), 0.1, (True,)],
)
def test_scales_are_ascending_numbers(variables, scales):
    reuse = ReuseNetwork(NETWORK, variables)
    with pytest.raises(rsf.InputError, match=r"scales are .*: ascending numbers from 0 on are"):
        calibrate(reuse, [np.stack(_drifting(3))], lambda *_: 1.0, max_drop=0.5, scales=scales)


def test_scores_and_scales_may_be_arrays(variables):
    reuse, clips = ReuseNetwork(NETWORK, variables), [np.stack(_drifting(2))] * 8
    scales = np.array([0.0, 0.01])
    found = calibrate(reuse, clips, lambda *_: jnp.ones(()), max_drop=0.6, scales=scales)
    assert found.scale == 0.01


class SelfStatistics(nn.Module):
    """Normalizes a map by its own mean."""

    @nn.compact
    def __call__(self, x):
        y = nn.Conv(3, (3, 3), name="first")(x)
        return nn.GroupNorm(1, name="own_statistics")(y)


def test_the_layer_that_spreads_a_change_is_named():
    network, frame = SelfStatistics(), np.ones((1, 8, 8, 3), np.float32)
    reuse = ReuseNetwork(network, jax.jit(network.init)(jax.random.key(0), frame))
    said = "any change of a frame changes everything behind layer SelfStatistics/own_statistics"
    assert said in reuse.describe(frame)


BAD = [
    ({"method": "delta"}, "method is 'delta': choose one of region, residual"),
    ({"refresh_every": -1}, "refresh_every is -1: a whole number of at least 0 is needed"),
    ({"tile_side": 0}, "tile_side is 0: a whole number of at least 1 is needed"),
    ({"thresholds": float("nan")}, "threshold is nan: a finite number is needed"),
    ({"thresholds": "0.1"}, "threshold is '0.1': a finite number is needed"),
    ({"thresholds": None}, "threshold is None: a finite number is needed"),
    ({"thresholds": True}, "threshold is True: a finite number is needed"),
    ({"thresholds": [[1], [1, 2]]}, r"threshold is \[\[1\], \[1, 2\]\]: a finite number is needed"),
    ({"thresholds": {"frame": "0.1"}}, "threshold of 'frame' is '0.1': a finite number is needed"),
    ({"thresholds": {"frame": [0.1]}}, r"threshold of 'frame' is \[0\.1\]: one number is needed"),
    ({"thresholds": {"Layers/Conv_0": 1.0}}, "no layer is named 'Layers/Conv_0': there are frame"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings_are_named(variables, settings, message):
    with pytest.raises(rsf.InputError, match=message):
        ReuseNetwork(NETWORK, variables, **settings).init(jnp.zeros(SHAPE))


def test_frames_may_have_their_bytes_in_any_order(variables):
    """As files of other machines have them."""
    reuse = ReuseNetwork(NETWORK, variables)
    frame = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    state = reuse.init(frame)
    _, output = reuse.step(state, np.asfortranarray(frame).astype(">f4"))
    np.testing.assert_array_equal(output, reuse.whole(frame))


def test_frames_of_another_shape_are_named(variables):
    reuse = ReuseNetwork(NETWORK, variables)
    state = reuse.init(np.zeros(SHAPE, np.float32))
    with pytest.raises(rsf.InputError, match=r"frame has shape \(1, 8, 8, 2\), the sequence an"):
        reuse.step(state, np.zeros((1, 8, 8, 2), np.float32))
    with pytest.raises(rsf.InputError, match=r"frame has shape \(8, 8, 2\): \[B, H, W, C\] is ne"):
        reuse.init(np.zeros((8, 8, 2), np.float32))
    with pytest.raises(rsf.InputError, match="frame is of type uint8: give floats"):
        reuse.init(np.zeros(SHAPE, np.uint8))
    for empty in (0, 2):
        with pytest.raises(
            rsf.InputError, match=r"frame has shape .*: every axis must be non-empt"
        ):
            reuse.init(np.zeros([n * (axis != empty) for axis, n in enumerate(SHAPE)], np.float32))
    for nothing in (None, "frame"):
        with pytest.raises(
            rsf.InputError, match=r"frame is \w+: an array \[B, H, W, C\] is needed"
        ):
            reuse.init(nothing)


def test_a_frame_may_be_lists(variables):
    reuse, frame = ReuseNetwork(NETWORK, variables), np.full(SHAPE, 0.25, np.float32)
    _, expected = reuse.step(reuse.init(frame), frame)
    _, output = reuse.step(reuse.init(frame.tolist()), frame.tolist())
    jax.tree.map(np.testing.assert_array_equal, output, expected)


@pytest.mark.parametrize("thresholds", ["0.1", float("nan"), {"frame": 0.1}])
def test_thresholds_of_a_step_that_are_no_numbers_are_named(variables, thresholds):
    reuse, frame = ReuseNetwork(NETWORK, variables), np.zeros(SHAPE, np.float32)
    with pytest.raises(rsf.InputError, match="threshold"):
        reuse.step(reuse.init(frame), frame, thresholds)


def test_what_is_no_state_or_network_is_named(variables):
    reuse = ReuseNetwork(NETWORK, variables)
    with pytest.raises(rsf.InputError, match="state is NoneType: give what init or the last step"):
        reuse.step(None, np.zeros(SHAPE, np.float32))
    with pytest.raises(rsf.InputError, match="network is 'x': a Flax module or a function is need"):
        ReuseNetwork("x", variables)


@pytest.mark.parametrize("call", ["init", "step", "whole"])
def test_a_buffer_may_be_written_to_at_once(variables, call, monkeypatch):
    """JAX reads NumPy arrays where they are, while it computes."""
    taken, compile_of_jax = [], jax.jit

    def noting(function, **options):
        compiled = compile_of_jax(function, **options)

        def call(*args):
            taken.extend(x for x in jax.tree.leaves(args) if isinstance(x, np.ndarray))
            return compiled(*args)

        return call

    monkeypatch.setattr(jax, "jit", noting)
    reuse, (buffer,) = ReuseNetwork(NETWORK, variables, tile_side=8), _drifting(1)
    state = reuse.init(buffer.copy())
    taken.clear()
    {"init": reuse.init, "step": lambda x: reuse.step(state, x), "whole": reuse.whole}[call](buffer)
    assert taken
    assert not any(np.shares_memory(x, buffer) for x in taken)


def test_numbers_of_numpy_are_taken(variables):
    reuse = ReuseNetwork(NETWORK, variables, refresh_every=np.int64(2), tile_side=np.int32(8))
    assert reuse.init(np.zeros(SHAPE, np.float32)).age == 0
