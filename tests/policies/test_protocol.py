"""A policy that uses all that the protocol offers, in every way a model can be run."""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.ops.select import select
from rsf_jax.policies.base import Begun, Stepwise, StepwisePolicy

MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=4, kernel_size=5))
SIZE = (12, 10)


@flax.struct.dataclass
class Watching(Stepwise):
    """Skips frames that have not changed, begins anew at cuts, and stops by the logits.

    It compares with the frame of its last step, which it carries along.
    """

    threshold: float
    max_steps: int = flax.struct.field(pytree_node=False, default=4)
    singles_out_first_frame = True

    def init_memory(self, frame):
        return jnp.zeros_like(frame)

    def begin(self, recurrence, first, memory):
        changed = (jnp.abs(recurrence.frame - memory) > self.threshold).mean((1, 2, 3))
        first = first | (changed > 0.5)
        active = first | (changed > 0)
        start = select(first, recurrence.fresh, recurrence.start)
        return Begun(start, first, active, select(active, recurrence.frame, memory))

    def observe(self, recurrence, carry):
        return recurrence.readout(carry).argmax(-1)

    def should_continue(self, n, before, after, state, first):
        moved = (before != after).any((1, 2))
        return (moved | (first & (n < 2))) & (n < self.max_steps), state


POLICY = Watching(0.1)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(MODEL.init)(jax.random.key(0), jnp.zeros((1, 1, *SIZE, 1)))


@pytest.fixture(scope="module")
def frames():
    """Two videos: a pause, a small change and a cut, at other times in each."""
    rng = np.random.default_rng(0)
    one, two = rng.random((2, 2, *SIZE, 1), np.float32)
    changed = one.copy()
    changed[:, :3, :3] = 1 - changed[:, :3, :3]
    return np.stack(
        [
            np.stack([one[0], one[0], changed[0], two[0], two[0]]),
            np.stack([one[1], changed[1], changed[1], changed[1], two[1]]),
        ]
    )


def test_steps_logits_and_states_are_those_of_what_was_decided(variables, frames):
    assert isinstance(POLICY, StepwisePolicy)
    out = rsf.run_video(MODEL, variables, frames, POLICY)
    steps = np.asarray(out.steps)
    assert (steps[0, [1, 4]] == 0).all()
    assert (steps[1, [2, 3]] == 0).all()
    assert (steps[0, [0, 3]] >= 2).all()  # first frames, and what follows a cut
    assert (steps[0, 2], steps[1, 1]) > (0, 0)
    np.testing.assert_array_equal(out.logits[0, 1], out.logits[0, 0])
    np.testing.assert_array_equal(out.logits[1, 3], out.logits[1, 1])
    anew = rsf.run_video(MODEL, variables, frames[:1, 3:4], POLICY)
    np.testing.assert_allclose(out.logits[0, 3], anew.logits[0, 0], atol=1e-5)


def test_frame_by_frame_it_is_the_same(variables, frames):
    expected = rsf.run_video(MODEL, variables, frames, POLICY)
    state = MODEL.initial_state(2, SIZE)
    for t in range(frames.shape[1]):
        state, out = rsf.run_frame(MODEL, variables, state, frames[:, t], POLICY)
        np.testing.assert_array_equal(out.steps, expected.steps[:, t])
        np.testing.assert_allclose(out.logits, expected.logits[:, t], atol=1e-5)


def test_streams_get_the_same(variables, frames):
    expected = rsf.run_video(MODEL, variables, frames, POLICY)
    engine = rsf.StreamEngine(MODEL, variables, POLICY, SIZE, slots=2, queue=5)
    streams = [engine.open(str(i)) for i in range(2)]
    for t in range(frames.shape[1]):
        for i, stream in enumerate(streams):
            engine.submit(stream, frames[i, t])
    results = sorted(engine.results(), key=lambda r: (r.stream, r.index))
    assert [r.steps for r in results] == np.asarray(expected.steps).ravel().tolist()
    for result in results:
        logits = expected.logits[int(result.stream), result.index]
        np.testing.assert_allclose(result.outputs, logits, atol=1e-5)


def test_its_numbers_are_traced(variables, frames):
    @jax.jit
    def steps(threshold):
        return rsf.run_video(MODEL, variables, frames, Watching(threshold)).steps

    assert (np.asarray(steps(2.0)[:, 1:]) == 0).all()
    assert (np.asarray(steps(-1.0)) > 0).all()


def test_the_state_of_one_policy_is_not_taken_for_anothers(variables, frames):
    state, _ = rsf.run_frame(MODEL, variables, MODEL.initial_state(2, SIZE), frames[:, 0], POLICY)
    later, _ = rsf.run_frame(MODEL, variables, state, frames[:, 1], rsf.FixedSchedule(1, 1))
    assert later.memory == ()

    class Other(Watching):
        def init_memory(self, frame):
            return jnp.zeros((frame.shape[0],))

    other = flax.struct.dataclass(Other)(0.1)
    with pytest.raises(rsf.InputError, match="the state was left by another policy than"):
        rsf.run_frame(MODEL, variables, state, frames[:, 1], other)
