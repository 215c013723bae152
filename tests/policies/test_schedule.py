"""Fixed schedules by themselves, on a cell that counts."""

import jax.numpy as jnp
import numpy as np
import pytest
from recurrences import recurrence

import rsf_jax as rsf


def _count(carry):
    return carry + 1


def _unroll(schedule, first, recording=None):
    start = jnp.zeros((3, 2, 1, 1))
    return schedule.unroll(recurrence(_count, start), first, (), recording)


@pytest.mark.parametrize(("first", "expected"), [(True, 5), (False, 2)])
def test_a_schedule_applies_its_number_of_steps(first, expected):
    out = _unroll(rsf.FixedSchedule(5, 2), first)
    np.testing.assert_array_equal(out.carry, np.full((3, 2, 1, 1), expected))
    np.testing.assert_array_equal(out.steps, [expected] * 3)
    assert out.states is None


def test_each_sample_may_be_at_its_own_frame():
    out = _unroll(rsf.FixedSchedule(5, 2), jnp.array([False, True, False]))
    np.testing.assert_array_equal(out.carry[:, :, 0, 0], [[2, 2], [5, 5], [2, 2]])
    np.testing.assert_array_equal(out.steps, [2, 5, 2])


def test_fast_may_exceed_slow():
    assert rsf.FixedSchedule(1, 3).max_steps == 3
    np.testing.assert_array_equal(_unroll(rsf.FixedSchedule(1, 3), False).steps, [3] * 3)


@pytest.mark.parametrize("first", [False, jnp.array([False, True, False])], ids=["all", "each"])
def test_recorded_states_repeat_the_last_one(first):
    out = _unroll(rsf.FixedSchedule(4, 2), first, rsf.Recording())
    trajectory = np.asarray(out.states[:, :, 0, 0, 0])
    np.testing.assert_array_equal(trajectory[0], [1, 2, 2, 2])
    second = [1, 2, 3, 4] if isinstance(first, jnp.ndarray) else [1, 2, 2, 2]
    np.testing.assert_array_equal(trajectory[1], second)


def test_recorded_states_repeat_the_last_one_when_no_sample_takes_all_steps():
    out = _unroll(rsf.FixedSchedule(4, 2), jnp.array([False, False, False]), rsf.Recording())
    np.testing.assert_array_equal(out.states[0, :, 0, 0, 0], [1, 2, 2, 2])


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "2"])
def test_schedules_without_steps_are_refused(steps):
    with pytest.raises(rsf.InputError, match="at least 1"):
        rsf.FixedSchedule(steps, 1)
    with pytest.raises(rsf.InputError, match="at least 1"):
        rsf.FixedSchedule(1, steps)
