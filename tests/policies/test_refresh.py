"""A fresh state every so many frames."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations

import rsf_jax as rsf
from rsf_jax.policies.base import may_leave_out_frames

SIZE = (12, 10)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=4, kernel_size=5))
FRAMES = np.random.default_rng(0).random((2, 7, *SIZE, 1), np.float32)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(MODEL.init)(jax.random.key(0), jnp.zeros((1, 1, *SIZE, 1)))


@pytest.mark.parametrize(
    "inner", [rsf.FixedSchedule(3, 1), rsf.DistanceHalting("l2", 0.9, 5)], ids=str
)
def test_every_part_is_a_video_of_its_own(variables, inner):
    out = rsf.run_video(MODEL, variables, FRAMES, rsf.Refresh(3, inner))
    for start in (0, 3, 6):
        part = slice(start, start + 3)
        alone = rsf.run_video(MODEL, variables, FRAMES[:, part], inner)
        np.testing.assert_array_equal(out.steps[:, part], alone.steps)
        np.testing.assert_allclose(out.logits[:, part], alone.logits, atol=1e-4)


def test_it_counts_on_from_frame_to_frame_and_for_each_sample(variables):
    policy = rsf.Refresh(np.int32([1, 4]), rsf.FixedSchedule(3, 1))
    expected = rsf.run_video(MODEL, variables, FRAMES, policy).steps
    assert expected.tolist() == [[3] * 7, [3, 1, 1, 1, 3, 1, 1]]
    state = MODEL.initial_state(2, SIZE)
    for t in range(FRAMES.shape[1]):
        state, out = rsf.run_frame(MODEL, variables, state, FRAMES[:, t], policy)
        np.testing.assert_array_equal(out.steps, expected[:, t])


def test_frames_count_that_are_left_out_only_outside_of_a_gate(variables):
    still = FRAMES[:1, [0, 0, 0, 0, 1, 2, 3]]
    schedule = rsf.FixedSchedule(3, 1)
    outside = rsf.Refresh(3, rsf.ChangeGate(0, 1, schedule))
    inside = rsf.ChangeGate(0, 1, rsf.Refresh(3, schedule))
    for policy, steps in ((outside, [3, 0, 0, 3, 1, 1, 3]), (inside, [3, 0, 0, 0, 1, 1, 3])):
        assert rsf.run_video(MODEL, variables, still, policy).steps.tolist() == [steps]


def test_a_cut_that_a_gate_inside_sees_begins_the_count(variables):
    cut = FRAMES[:1, [0, 0, 1, 1, 1, 1, 1]]
    policy = rsf.Refresh(3, rsf.ChangeGate(0, 0.1, rsf.FixedSchedule(3, 1)))
    assert rsf.run_video(MODEL, variables, cut, policy).steps.tolist() == [[3, 0, 3, 0, 0, 3, 0]]


def test_the_number_is_traced(variables):
    @jax.jit
    def steps(policy):
        return rsf.run_video(MODEL, variables, FRAMES, policy).steps.sum()

    with compilations() as compiled:
        seen = [int(steps(rsf.Refresh(n, rsf.FixedSchedule(2, 1)))) for n in (1, 2, 3, np.int64(7))]
    assert seen == [28, 22, 20, 16]
    assert sum("steps" in name for name in compiled) == 1


def test_what_it_is_of():
    policy = rsf.Refresh(64, rsf.FixedSchedule(3, 1))
    assert str(policy) == "refresh:64+s3f1"
    assert policy == rsf.Refresh(np.float32(64), rsf.FixedSchedule(3, 1))
    assert policy.max_steps == 3
    assert not may_leave_out_frames(policy)
    assert may_leave_out_frames(policy.replace(inner=rsf.ChangeGate(0, 1, policy)))


# As int32 2**40 is 0, and every frame would begin anew.
@pytest.mark.parametrize(
    "every", [0, -3, 1.5, True, "64", float("nan"), [3], 2**31, 2**40, np.array([4, 2**33])]
)
def test_what_is_no_number_of_frames_is_refused(every):
    with pytest.raises(rsf.InputError, match="every is"):
        rsf.Refresh(every, rsf.FixedSchedule(3, 1))
