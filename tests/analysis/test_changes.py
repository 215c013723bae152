"""Distances between frames, against NumPy on states that are recorded whole."""

import functools

import jax
import numpy as np
import pytest
from scipy import stats

import rsf_jax as rsf
from rsf_jax.analysis import correlate, measure_changes, steps_by_change

POLICIES = [rsf.FixedSchedule(3, 2), rsf.DistanceHalting(threshold=0.8, max_steps=4)]


@functools.cache
def _video(preset):
    config = rsf.get_config(preset).replace(channels=3, kernel_size=3)
    model = rsf.build_model(config)
    frames = np.asarray(jax.random.uniform(jax.random.key(0), (2, 5, 9, 8, 1)))
    return model, jax.jit(model.init)(jax.random.key(1), frames), frames


def _distances(x):
    return np.linalg.norm(np.diff(x, axis=1).reshape(len(x), x.shape[1] - 1, -1), axis=2)


@pytest.mark.parametrize(
    ("preset", "policy", "stateful"),
    [
        ("quickstart", POLICIES[0], True),
        ("quickstart", POLICIES[1], False),
        ("quickstart_clstm", POLICIES[1], True),
    ],
)
def test_distances_are_those_of_recorded_states(preset, policy, stateful):
    model, variables, frames = _video(preset)
    options = {"stateful": stateful}
    changes = measure_changes(model, variables, frames, policy, **options)
    out = rsf.run_video(model, variables, frames, policy, record_states=True, **options)
    # Past the steps spent the last state is repeated.
    last = np.asarray(out.states[:, :, -1])
    # Every frame as a sample of its own.
    stem = model.apply(variables, frames.reshape(10, 9, 8, 1), method=lambda m, x: m.stem(x))
    stem = np.asarray(stem).reshape(2, 5, -1)
    np.testing.assert_array_equal(changes.steps, out.steps)
    np.testing.assert_allclose(changes.frames, _distances(frames), rtol=1e-5)
    np.testing.assert_allclose(changes.drive, _distances(stem), rtol=1e-4)
    np.testing.assert_allclose(changes.hidden, _distances(last), rtol=1e-3)
    pattern = last - last.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(changes.pattern, _distances(pattern), rtol=1e-3)


def test_prepared_variables_will_do():
    model, variables, frames = _video("quickstart")
    prepared = rsf.prepare(model, variables, (9, 8))
    expected = measure_changes(model, variables, frames, POLICIES[0])
    found = measure_changes(model, prepared, frames, POLICIES[0])
    np.testing.assert_allclose(found.hidden, expected.hidden, rtol=1e-4)


def test_models_and_videos_without_anything_to_compare_are_refused():
    model, variables, frames = _video("quickstart")
    with pytest.raises(rsf.InputError, match="at least 2 frames"):
        measure_changes(model, variables, frames[:, :1], POLICIES[0])
    feedforward = rsf.build_model(rsf.get_config("quickstart_ff6"))
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        measure_changes(feedforward, variables, frames, POLICIES[0])


def test_correlation_leaves_out_first_pairs_and_normalizes_each_video():
    rng = np.random.default_rng(0)
    drive, hidden = rng.uniform(1, 2, (2, 6, 4))
    drive[:, 0] = 1e6  # must not matter
    found = correlate(drive, hidden)
    x, y = (d[:, 1:] / d[:, 1:].mean(1, keepdims=True) for d in (drive, hidden))
    assert found.pearson == pytest.approx(stats.pearsonr(x.ravel(), y.ravel()).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(x.ravel(), y.ravel()).statistic)
    raw = stats.pearsonr(drive[:, 1:].ravel(), hidden[:, 1:].ravel()).statistic
    assert found.pearson_unnormalized == pytest.approx(raw)
    x, y = x - x.mean(0), y - y.mean(0)
    expected = stats.pearsonr(x.ravel(), y.ravel()).statistic
    assert found.pearson_at_position == pytest.approx(expected)
    np.testing.assert_array_equal(found.frame, [2, 3, 4] * 6)
    scaled = correlate(drive * np.arange(1, 7)[:, None], hidden)
    assert scaled.pearson == pytest.approx(found.pearson)


def test_a_settling_state_correlates_at_the_same_position_only():
    drive = np.random.default_rng(0).uniform(1, 2, (50, 7))
    hidden = 0.01 * drive + np.exp(-np.arange(7.0))
    found = correlate(drive, hidden)
    assert abs(found.pearson) < 0.3
    assert found.pearson_at_position > 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_left_of_scaled_copies_is_rounding_and_correlates_with_nothing(dtype):
    rng = np.random.default_rng(0)
    drive = (rng.random(9) * (0.1 + rng.random((6, 1)))).astype(dtype)
    hidden = rng.random((6, 9)).astype(dtype)
    found = correlate(drive, hidden)
    assert np.isnan(found.pearson_at_position)
    assert np.isfinite(found.pearson)
    still = correlate((1 + 1e-8 * rng.random((6, 9))).astype(dtype), hidden)
    assert np.isnan([still.pearson, still.spearman, still.pearson_unnormalized]).all()


def test_videos_that_never_move_are_left_out():
    drive = np.array([[1.0, 1, 2, 3], [1, 0, 0, 0], [1, np.nan, 2, 3]])
    found = correlate(drive, drive)
    assert found.videos_left_out == 2
    assert found.pearson == pytest.approx(1)
    assert np.isnan(found.pearson_at_position)
    with pytest.raises(rsf.InputError, match="nothing to correlate"):
        correlate(drive[1:], drive[1:])
    with pytest.raises(rsf.InputError, match="videos have 3 frames: the correlation needs 4"):
        correlate(drive[:, :2], drive[:, :2])


def test_steps_are_averaged_in_bins_of_equal_size():
    change = np.concatenate([np.zeros(3), np.arange(1.0, 11)])[:, None]
    later = np.concatenate([[1, 1, 4], np.repeat([2, 3, 4, 5, 6], 2)])[:, None]
    steps = np.concatenate([np.full_like(later, 9), later], axis=1)
    found = steps_by_change(change, steps)
    np.testing.assert_array_equal(found.frames, [3, 2, 2, 2, 2, 2])
    np.testing.assert_allclose(found.change, [0, 1.5, 3.5, 5.5, 7.5, 9.5])
    np.testing.assert_allclose(found.steps, [2, 2, 3, 4, 5, 6])
    assert found.standard_error[0] == pytest.approx(stats.sem([1, 1, 4])) == pytest.approx(1)
    expected = stats.spearmanr(change.ravel(), later.ravel()).statistic
    assert found.spearman == pytest.approx(expected)


def test_steps_that_never_vary_have_no_correlation():
    found = steps_by_change(np.array([[0.0, 0, 0]]), np.full((1, 4), 2))
    assert np.isnan(found.spearman)
    np.testing.assert_array_equal(found.frames, [3])
