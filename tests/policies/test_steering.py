"""Policies that say where steps start and what frames leave, in every way to run one."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recurrences import Heavy, TinyModel, recurrence

import rsf_jax as rsf
from rsf_jax.policies import ChangeGate, SteeringPolicy, Stepwise
from rsf_jax.policies.steering import steers
from rsf_jax.streaming.tick import Tick

MODEL = TinyModel()
SIZE = (8, 10)


@flax.struct.dataclass
class Moving(Stepwise):
    """Steps while a state moves by more than a share of its size."""

    share: Any
    max_steps: int = flax.struct.field(pytree_node=False, default=5)
    singles_out_first_frame = False

    def should_continue(self, n, before, after, state, first):
        moved, size = (jnp.abs(x).mean((1, 2, 3)) for x in (after - before, after))
        return (moved > self.share * size) & (n < self.max_steps), state


HEAVY = Heavy(Moving(0.3))
DISTANCE = Heavy(rsf.DistanceHalting("l2", 1e-9, 6, rtol=0.3, min_first_steps=3))


@pytest.fixture(scope="module")
def variables():
    found = MODEL.init(jax.random.key(3), jnp.zeros((1, 1, *SIZE, 1)))
    return rsf.prepare(MODEL, found, SIZE)


@pytest.fixture(scope="module")
def frames():
    """Videos of different contrast, and so of different numbers of steps."""
    rng = np.random.default_rng(0)
    contrast = np.array([0.02, 0.3, 1.0], np.float32).reshape(-1, 1, 1, 1, 1)
    return np.float32(rng.random((3, 3, *SIZE, 1)) * contrast)


def _by_hand(weight, frame, start, policy):
    """States left by each step of a frame of one video, [C, H, W], as `Heavy` says."""
    drive = frame[None, :, :, 0] / np.arange(1.0, 4.0)[:, None, None]
    speed, states = 0.0, []
    for _ in range(policy.max_steps):
        after = np.tanh(np.einsum("ij,jhw->ihw", weight, start) + drive)
        speed = 0.5 * speed + after - start
        states.append((after + start) / 2)
        if np.abs(after - start).mean() <= policy.inner.share * np.abs(after).mean():
            break
        start = after + policy.beyond * speed
    return states


def test_steps_start_where_it_says_and_frames_leave_what_it_says(variables, frames):
    out = rsf.run_video(MODEL, variables, frames, HEAVY, record_states=True)
    assert len(np.unique(out.steps)) > 1
    weight = np.asarray(variables.variables["params"]["weight"], np.float64)
    for b, video in enumerate(frames):
        carry = np.zeros((3, *SIZE))
        for t, frame in enumerate(video):
            states = _by_hand(weight, frame, carry, HEAVY)
            assert len(states) == out.steps[b, t]
            carry = states[-1]
            recorded = np.moveaxis(np.asarray(out.states[b, t]), -1, 1)
            np.testing.assert_allclose(recorded[: len(states)], states, atol=1e-5)
            np.testing.assert_allclose(out.logits[b, t], np.moveaxis(carry[:2], 0, -1), atol=1e-5)


def test_a_sample_that_has_stopped_stays_bitwise(variables, frames):
    out = rsf.run_video(MODEL, variables, frames, HEAVY, record_states=True)
    states, steps = np.asarray(out.states), np.asarray(out.steps)
    waited = [(b, t) for b, t in np.ndindex(steps.shape) if steps[b, t] < steps[:, t].max()]
    assert waited
    for b, t in waited:
        for n in range(steps[b, t], states.shape[2]):
            np.testing.assert_array_equal(states[b, t, n], states[b, t, steps[b, t] - 1])


@pytest.mark.parametrize("policy", [HEAVY, DISTANCE], ids=["own", "halting"])
def test_frames_and_streams_get_the_same(variables, frames, policy):
    """Bitwise, where the shapes are those of the engine: samples side by side, one a slot."""
    engine = rsf.StreamEngine(MODEL, variables, policy, SIZE, slots=3, queue=3)
    streams = [engine.open(str(i)) for i in range(3)]
    for t in range(3):
        for stream, video in zip(streams, frames):
            engine.submit(stream, video[t])
    results = {(int(r.stream), r.index): r for r in engine.results()}
    whole = rsf.run_video(MODEL, variables, frames, policy)
    state = MODEL.initial_state(3, SIZE)
    for t in range(3):
        state, out = rsf.run_frame(MODEL, variables, state, frames[:, t], policy)
        np.testing.assert_array_equal(out.steps, whole.steps[:, t])
        np.testing.assert_allclose(out.logits, whole.logits[:, t], atol=1e-5)
        for i in range(3):
            assert results[i, t].steps == out.steps[i]
            # Bitwise before JAX 0.12, which compiles the two programs otherwise.
            np.testing.assert_allclose(results[i, t].outputs, out.logits[i], rtol=0, atol=1e-6)


def test_a_frame_that_is_cut_leaves_what_it_would_have_left(variables, frames):
    now = [0.0]
    policy = Heavy(rsf.FixedSchedule(5, 5))
    engine = rsf.StreamEngine(MODEL, variables, policy, SIZE, slots=2, clock=lambda: now[0])
    stream = engine.open(budget=1.0)
    engine.submit(stream, frames[1, 0])
    engine.tick()
    now[0] = 2.0
    (cut,) = engine.results()
    assert cut.status == "cut"
    assert 1 <= cut.steps < 5
    here = Heavy(rsf.FixedSchedule(cut.steps, cut.steps))
    state, expected = rsf.run_frame(
        MODEL, variables, MODEL.initial_state(1, SIZE), frames[1:2, 0], here
    )
    np.testing.assert_allclose(cut.outputs, expected.logits[0], atol=1e-5)
    kept = engine.snapshot(stream).streams[0].carry
    np.testing.assert_allclose(kept[0], np.asarray(state.carry)[0], atol=1e-5)


def test_streams_move_and_change_policy_under_it(variables, frames):
    plain = rsf.FixedSchedule(2, 2)
    engine = rsf.StreamEngine(MODEL, variables, HEAVY, SIZE, slots=2, queue=4)
    stream = engine.open("a")
    engine.submit(stream, frames[2, 0])
    (first,) = engine.results()
    engine.submit(stream, frames[2, 1])
    engine.change(policy=plain)
    (second,) = engine.results()
    engine.change(policy=HEAVY)
    moved = rsf.StreamEngine(MODEL, variables, HEAVY, SIZE, slots=1)
    (stream,) = moved.restore(engine.snapshot(stream, remove=True))
    moved.submit(stream, frames[2, 2])
    (third,) = moved.results()
    state = MODEL.initial_state(1, SIZE)
    for t, (result, policy) in enumerate(zip((first, second, third), (HEAVY, plain, HEAVY))):
        state, out = rsf.run_frame(MODEL, variables, state, frames[2:, t], policy)
        assert result.steps == out.steps[0]
        np.testing.assert_allclose(result.outputs, out.logits[0], atol=1e-5)


def test_a_gate_around_it_leaves_out_frames_and_steers_the_others(variables, frames):
    video = np.stack([frames[2, 0], frames[2, 0], frames[2, 1]])[None]
    gate = ChangeGate(0.01, 1.0, HEAVY)
    out = rsf.run_video(MODEL, variables, video, gate)
    bare = rsf.run_video(MODEL, variables, video[:, [0, 2]], HEAVY)
    assert out.steps[0].tolist() == [bare.steps[0, 0], 0, bare.steps[0, 1]]
    np.testing.assert_array_equal(out.logits[0, 1], out.logits[0, 0])
    np.testing.assert_allclose(out.logits[0, 2], bare.logits[0, 1], atol=1e-5)
    engine = rsf.StreamEngine(MODEL, variables, gate, SIZE, slots=2, queue=3)
    stream = engine.open()
    for frame in video[0]:
        engine.submit(stream, frame)
    for t, result in enumerate(engine.results()):
        assert result.steps == out.steps[0, t]
        np.testing.assert_allclose(result.outputs, out.logits[0, t], atol=1e-5)


@jax.tree_util.register_static
class _Without:
    """A user's policy from before there was steering: it has no word of it."""

    max_steps, singles_out_first_frame = 3, False
    init_memory, begin, observe, init_state, unroll = (
        getattr(Stepwise, name)
        for name in ("init_memory", "begin", "observe", "init_state", "unroll")
    )

    def should_continue(self, n, before, after, state, first):
        return jnp.broadcast_to(n < 3, after.shape[:1]), state


@flax.struct.dataclass
class _Silent(Stepwise):
    """The same with all defaults."""

    max_steps, singles_out_first_frame = 3, False
    should_continue = _Without.should_continue


@flax.struct.dataclass
class _Asked(_Silent):
    """The same, which is asked and says what holds without asking."""

    steers = True


def _unrolled(policy):
    def run(carry, weight):
        frame = recurrence(lambda carry: jnp.tanh(carry * weight + 1), carry)
        return policy.unroll(frame, jnp.zeros(2, bool), ()).carry

    return run


def test_whoever_does_not_steer_pays_nothing():
    arguments = jnp.ones((2, 3, 4, 4)), jnp.float32(0.5)
    texts = [str(jax.make_jaxpr(_unrolled(p))(*arguments)) for p in (_Without(), _Silent())]
    assert texts[0] == texts[1]
    traced = jax.make_jaxpr(_unrolled(rsf.FixedSchedule(3, 2)))(*arguments)
    (loop,) = (e for e in traced.eqns if e.primitive.name == "while")
    # Number of the step, active samples, their steps and the carry: no second one, no history.
    assert len(loop.outvars) == 4
    found = [jax.jit(_unrolled(p))(*arguments) for p in (_Silent(), _Asked())]
    np.testing.assert_array_equal(*found)


def test_who_steers():
    told = {
        _Without(): False,
        _Silent(): False,
        rsf.DistanceHalting(): False,
        ChangeGate(0.0, 1.0, rsf.FixedSchedule(2, 1)): False,
        HEAVY: True,
        ChangeGate(0.0, 1.0, HEAVY): True,
    }
    assert [steers(policy) for policy in told] == list(told.values())
    assert isinstance(HEAVY, SteeringPolicy)
    assert not isinstance(_Without(), SteeringPolicy)


def test_slots_hold_nothing_of_it_unless_it_steers(variables):
    tick = Tick(2, 1, True, lambda logits: logits)
    shapes = {
        name: jax.eval_shape(tick.empty, variables, policy).ahead
        for name, policy in (("plain", rsf.DistanceHalting()), ("gate", ChangeGate(0, 1, HEAVY)))
    }
    assert shapes["plain"] == ()
    assert [x.shape for x in jax.tree.leaves(shapes["gate"])] == 2 * [(2, 3, *SIZE)]


def test_a_schedule_that_steers_is_not_scanned(variables, frames):
    class Steering(rsf.FixedSchedule):
        init_history = Heavy.init_history
        steer = Heavy.steer
        beyond = 0.25

    own = flax.struct.dataclass(Steering)(3, 3)
    around = Heavy(rsf.FixedSchedule(3, 3))
    found = [rsf.run_video(MODEL, variables, frames[:1], p).logits for p in (own, around)]
    np.testing.assert_array_equal(*found)
    plain = rsf.run_video(MODEL, variables, frames[:1], rsf.FixedSchedule(3, 3)).logits
    assert np.abs(np.asarray(found[0] - plain)).max() > 1e-3


def test_it_can_be_differentiated_forward(variables, frames):
    state, frame = MODEL.initial_state(1, SIZE), jnp.asarray(frames[2:, 0])

    @jax.jit
    def total(beyond):
        policy = Heavy(rsf.FixedSchedule(2, 2), beyond)
        return rsf.run_frame(MODEL, variables, state, frame, policy)[1].logits.sum()

    slope = jax.jacfwd(total)(0.25)
    high, low = total(0.25 + 1e-2), total(0.25 - 1e-2)
    np.testing.assert_allclose(slope, (high - low) / 2e-2, rtol=2e-2)
    assert abs(slope) > 0.1
