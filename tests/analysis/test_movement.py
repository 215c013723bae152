"""Movement between steps against NumPy, and trajectories whose behavior is known."""

import jax
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.analysis import (
    classify,
    distance_ratios,
    follow_frame,
    long_run,
    relative_movement,
    step_distances,
)
from rsf_jax.analysis.movement import FollowedFrame

STEPS = np.arange(1, 51)


@pytest.fixture(scope="module", params=["quickstart", "quickstart_clstm"])
def video(request):
    config = rsf.get_config(request.param).replace(channels=3, kernel_size=3)
    model = rsf.build_model(config)
    frames = np.asarray(jax.random.uniform(jax.random.key(0), (2, 3, 9, 8, 1)))
    return model, jax.jit(model.init)(jax.random.key(1), frames), frames


@pytest.mark.parametrize("stateful", [True, False])
def test_distances_are_those_of_recorded_states(video, stateful):
    options = {"stateful": stateful}
    found = step_distances(*video, 4, **options)
    out = rsf.run_video(*video, rsf.FixedSchedule(4, 4), record_states=True, **options)
    states = np.asarray(out.states)
    for t in range(3):
        start = states[:, t - 1, -1:] if stateful and t else np.zeros_like(states[:, 0, :1])
        path = np.concatenate([start, states[:, t]], axis=1)
        expected = np.linalg.norm(np.diff(path, axis=1).reshape(2, 4, -1), axis=2)
        np.testing.assert_allclose(found[:, t], expected, rtol=1e-3)


def test_a_frame_starts_from_what_the_model_resumes():
    model = rsf.models.RecurrentUNet(channels=2, classes=2, input_channels=1, carry_output=False)
    frames = np.asarray(jax.random.uniform(jax.random.key(0), (1, 2, 32, 32, 1)))
    variables = jax.jit(model.init)(jax.random.key(1), frames)
    out = rsf.run_video(model, variables, frames, rsf.FixedSchedule(2, 2), record_states=True)
    first, later = np.asarray(out.states)[0]
    path = np.stack([first[-1], *later])
    expected = np.linalg.norm(np.diff(path, axis=0).reshape(2, -1), axis=1)
    found = step_distances(model, variables, frames, 2)[0, 1]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_a_followed_frame_is_a_first_frame_with_many_steps(video):
    model, variables, frames = video
    followed = follow_frame(model, variables, frames[:1, 0], 24)
    schedule = rsf.FixedSchedule(24, 1)
    out = rsf.run_video(model, variables, frames[:1, :1], schedule, record_states=True)
    assert followed.states.shape == (25, 9, 8, 3)
    np.testing.assert_array_equal(followed.states[0], 0)
    np.testing.assert_allclose(followed.states[1:], out.states[0, 0], atol=1e-4)
    np.testing.assert_array_equal(followed.predicted[-1], out.logits[0, 0].argmax(-1) > 0)


def test_the_long_run_scores_every_step(video):
    model, variables, frames = video
    followed = follow_frame(model, variables, frames[:1, 0], 24)
    truth = np.asarray(followed.predicted[3]).astype(np.int32)
    run = long_run(followed, truth)
    assert run.iou[3] == 1
    assert run.iou.shape == run.movement.shape == run.pattern_movement.shape == (24,)
    states = np.asarray(followed.states)
    assert run.movement[0] == pytest.approx(1)  # out of nothing
    expected = np.linalg.norm(states[7] - states[6]) / np.linalg.norm(states[7])
    assert run.movement[6] == pytest.approx(expected, rel=1e-4)


def test_what_overflows_diverges_without_a_warning():
    states = np.ones((30, 2, 2, 1), np.float32)
    states[20:, 0] = np.inf
    run = long_run(FollowedFrame(states, np.zeros((29, 2, 2), int)), np.zeros((2, 2), int))
    assert (run.behavior, run.pattern_behavior) == ("diverges", "diverges")
    assert run.movement[:18].tolist() == [0] * 18
    assert np.isnan(run.movement[-1])


def test_unfit_input_is_refused(video):
    model, variables, frames = video
    feedforward = rsf.build_model(rsf.get_config("quickstart_ff6"))
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        step_distances(feedforward, variables, frames, 4)
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        follow_frame(feedforward, variables, frames[:1, 0], 24)
    with pytest.raises(rsf.InputError, match="2 frames were given"):
        follow_frame(model, variables, frames[:, 0], 24)
    with pytest.raises(rsf.InputError, match="steps is 1"):
        step_distances(model, variables, frames, 1)


def test_ratios_of_first_and_later_frames():
    first = [8.0, 4, 2, 1]
    later = [[1.0, 1, 1, 1], [1, 2, 4, 8], [3, 0, 0, 3]]
    found = distance_ratios(np.array([[first, *later]]))
    np.testing.assert_array_equal(found.step, [2, 3, 4])
    np.testing.assert_allclose(found.first, 0.5)
    # The last one's ratios are 0, then none: it did not move.
    np.testing.assert_allclose(found.later[1], [1, 1.5, 1.5])
    np.testing.assert_allclose(found.later[0], [0.5, 1.25, 1.25])
    still = distance_ratios(np.zeros((1, 2, 3)))
    assert np.isnan(still.first).all()


def _rotation(period, radius=1.0):
    angle = 2 * np.pi * STEPS / period
    return 3 + np.stack([np.cos(angle), np.sin(angle)], 1) * np.reshape(radius, (-1, 1))


DIRECTION = np.array([1.0, -2, 0.5])
RANDOM = np.random.default_rng(0)
TRAJECTORIES = [
    ("converges", "contraction", 1 - 0.7 ** STEPS[:, None] * DIRECTION),
    ("converges", "damped rotation", 3 + _rotation(5) * 0.7 ** STEPS[:, None]),
    ("converges", "standstill", np.ones((50, 3))),
    ("converges", "nothing at all", np.zeros((50, 3))),
    ("converges", "fast growth that ends", np.minimum(1.2**STEPS, 1e3)[:, None] * DIRECTION),
    ("oscillates", "flip", np.where(STEPS % 2, 1.0, 2.0)[:, None] * DIRECTION),
    *(("oscillates", f"rotation of {p} steps", _rotation(p)) for p in (2, 3, 5.5, 8, 12)),
    ("oscillates", "slowly damped rotation", _rotation(6, 0.98**STEPS)),
    ("oscillates", "rotation and drift", _rotation(6) + 0.02 * STEPS[:, None]),
    ("diverges", "growth", 1.1 ** STEPS[:, None] * DIRECTION),
    ("diverges", "growing rotation", (_rotation(6, 1.1**STEPS) - 3)),
    ("diverges", "norms beyond float32", 4.0 ** (STEPS[:, None] + 10) * DIRECTION),
    ("converges", "rest beyond float32", np.full((50, 3), 1e30)),
    ("diverges", "overflow", np.where(STEPS > 40, np.inf, 1.0)[:, None] * DIRECTION),
    ("diverges", "no numbers", np.where(STEPS > 3, np.nan, 1.0)[:, None] * DIRECTION),
    ("drifts", "straight drift", 100 + STEPS[:, None] * DIRECTION),
    ("drifts", "slow convergence", 1 - 0.95 ** STEPS[:, None] * DIRECTION),
    ("drifts", "rotation of 40 steps", _rotation(40)),
    ("drifts", "random walk", 100 + RANDOM.normal(size=(50, 300)).cumsum(0)),
    ("drifts", "noise", 1 + 0.1 * RANDOM.normal(size=(50, 300))),
]


@pytest.mark.parametrize(
    ("behavior", "name", "states"), TRAJECTORIES, ids=[t[1] for t in TRAJECTORIES]
)
def test_behaviors_are_told_apart(behavior, name, states):
    assert classify(states) == behavior
    assert classify(states.reshape(50, -1, 1).astype(np.float32)) == behavior


def test_a_short_run_is_refused():
    with pytest.raises(rsf.InputError, match="23 steps tell no long run: at least 24"):
        classify(np.ones((23, 2)))


def test_movement_of_large_states_is_relative_to_them():
    states = np.float32([[1e25, 0], [3e25, 4e25], [0, 4e25]])
    np.testing.assert_allclose(relative_movement(states), [20**0.5 / 5, 3 / 4], rtol=1e-6)


def test_movement_is_relative_to_the_state():
    states = np.array([[0.0, 0], [3, 4], [0, 4], [0, 0]])
    np.testing.assert_allclose(relative_movement(states), [1, 3 / 4, np.nan])
