import jax
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax.analysis import project_trajectory

STEPS = np.array([3, 1, 2])


def _states(seed=0):
    return np.random.default_rng(seed).normal(size=(3, 3, 4, 5, 2)).astype(np.float32)


def test_components_are_those_of_the_covariance():
    states = _states()
    path = project_trajectory(states, STEPS)
    spent = np.concatenate([states[t, :n] for t, n in enumerate(STEPS)]).reshape(6, -1)
    values = np.linalg.eigvalsh(np.cov(spent.astype(np.float64).T))[::-1]
    np.testing.assert_allclose(path.shares, values[:2] / values.sum(), rtol=1e-4)
    np.testing.assert_allclose(path.coordinates.var(0, ddof=1), values[:2], rtol=1e-4)
    np.testing.assert_array_equal(path.frame, [0, 0, 0, 1, 2, 2])
    flat = path.components.reshape(2, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(2), atol=1e-5)
    assert (path.coordinates[-1] >= 0).all()


def test_entries_past_the_steps_spent_do_not_matter():
    states, other = _states(), _states()
    other[1, 1:] = other[2, 2:] = np.nan
    expected = project_trajectory(states, STEPS).coordinates
    np.testing.assert_array_equal(project_trajectory(other, STEPS).coordinates, expected)


def test_a_path_in_a_plane_is_found_again():
    angle = np.linspace(0, 5, 9).reshape(3, 3)
    plane = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 2)))[0]
    flat = np.stack([5 * np.cos(angle), np.sin(angle)], -1) @ plane.T + 7
    path = project_trajectory(flat.reshape(3, 3, 4, 5, 2).astype(np.float32), np.full(3, 3))
    assert path.shares.sum() == pytest.approx(1, abs=1e-5)
    between = np.linalg.norm(np.diff(path.coordinates, axis=0), axis=1)
    expected = np.linalg.norm(np.diff(flat.reshape(9, -1), axis=0), axis=1)
    np.testing.assert_allclose(between, expected, rtol=1e-3)


def test_other_states_are_projected_while_they_run():
    config = tiny_config()
    model = rsf.build_model(config)
    frames = jax.random.uniform(jax.random.key(0), (1, 4, 9, 8, 1))
    variables = jax.jit(model.init)(jax.random.key(1), frames)
    policy = rsf.FixedSchedule(3, 2)
    out = rsf.run_video(model, variables, frames, policy, record_states=True)
    path = project_trajectory(np.asarray(out.states[0]), np.asarray(out.steps[0]))
    np.testing.assert_allclose(path.project(out.states[0])[0], path.coordinates[:3], atol=1e-3)
    recording = rsf.Recording(projection=path.project)
    kept = rsf.run_video(model, variables, frames, policy, record_states=recording).states
    np.testing.assert_allclose(kept[0, 0], path.coordinates[:3], atol=1e-3)
    assert kept.shape == (1, 4, 3, 2)


def test_states_that_span_no_plane_are_refused():
    with pytest.raises(rsf.InputError, match="at least 3 finite states, these are 2"):
        project_trajectory(_states()[:2], np.array([1, 1]))
    with pytest.raises(rsf.InputError, match="some not finite"):
        project_trajectory(np.full_like(_states(), np.nan), STEPS)


def test_a_state_that_stands_still_has_no_variance():
    path = project_trajectory(np.ones((3, 3, 4, 5, 2), np.float32), STEPS)
    np.testing.assert_array_equal(path.shares, 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_states_of_half_precision_have_a_plane_too(dtype):
    states = np.random.default_rng(0).normal(size=(4, 2, 2, 2, 2)).astype(np.float32)
    steps = np.full(4, 2)
    half = np.asarray(jax.numpy.asarray(states, dtype))
    ours, theirs = (project_trajectory(x, steps) for x in (half, states))
    np.testing.assert_allclose(ours.coordinates, theirs.coordinates, atol=0.05)
    np.testing.assert_allclose(ours.project(half), ours.project(half.astype(np.float32)), atol=1e-6)
