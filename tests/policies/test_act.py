"""Adaptive computation time: against Graves' algorithm as a loop in Python, and with a model."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recurrences import TinyHalting, recurrence

import rsf_jax as rsf
from rsf_jax.policies import from_spec, policy_name, to_spec
from rsf_jax.policies.base import Halting

SIZE = (8, 9)
MODEL = TinyHalting(halting_head="act")


def graves(scores, states, epsilon, most, least=1):
    """Steps, remainder and mean state of one sample.

    Args:
        scores: of each step.
        states: after each step.
        epsilon: what may be missing to one.
        most: steps.
        least: steps.
    """
    total, mean = 0.0, 0.0
    for n, (score, state) in enumerate(zip(scores[:most], states), start=1):
        if n == most or (total + score >= 1 - epsilon and n >= least):
            return n, 1 - min(total, 1), mean + (1 - min(total, 1)) * state
        mean = mean + min(score, 1 - min(total, 1)) * state
        total += score
    raise AssertionError("a frame has a last step")


def _told(scores):
    """A recurrence of states 1, 4, 9, ... whose head gives the n-th of some scores [B, N]."""
    logits = jnp.log(scores) - jnp.log1p(-scores)

    def step(state):
        return jnp.square(jnp.sqrt(state) + 1)

    def logit(before, after):
        n = jnp.sqrt(after[:, 0, 0, 0]).round().astype(jnp.int32)
        return jnp.take_along_axis(logits, n[:, None] - 1, 1)[:, 0]

    return recurrence(step, jnp.zeros((len(logits), 1, 1, 1)), halting=Halting("act", logit))


def _unrolled(policy, first, scores):
    out = policy.unroll(_told(scores), first, ())
    return out.steps, out.carry.ravel()


_run = jax.jit(_unrolled)


def test_it_is_graves_algorithm():
    scores = np.random.default_rng(0).uniform(0.02, 0.6, (9, 8)).astype(np.float32)
    states = np.arange(1.0, 9) ** 2
    seen = set()
    for epsilon in (0.0, 0.01, 0.3):
        for first, least in ((True, 4), (False, 1)):
            policy = rsf.ActHalting(epsilon, 8, min_first_steps=4)
            steps, left = _run(policy, jnp.full(9, first), scores)
            by_hand = [graves(s, states, epsilon, 8, least) for s in scores.astype(np.float64)]
            np.testing.assert_array_equal(steps, [n for n, _, _ in by_hand])
            np.testing.assert_allclose(left, [mean for _, _, mean in by_hand], rtol=1e-4)
            seen.update(steps.tolist())
    assert len(seen) > 3


def test_epsilons_are_traced_and_may_be_of_each_sample():
    scores = jnp.full((3, 9), 0.2)
    chex.clear_trace_counter()
    run = jax.jit(chex.assert_max_traces(n=1)(_unrolled))
    later = jnp.zeros(3, bool)
    for epsilon, expected in ((0.01, 5), (0.25, 4), (0.5, 3), (0.9, 1)):
        assert run(rsf.ActHalting(epsilon, 9), later, scores)[0].tolist() == [expected] * 3
    epsilons = np.array([0.9, 0.5, 0.01], np.float32)
    assert _run(rsf.ActHalting(epsilons, 9), later, scores)[0].tolist() == [1, 3, 5]
    with pytest.raises(rsf.InputError, match=r"epsilon has shape \[2\]"):
        _run(rsf.ActHalting(epsilons[:2], 9), later, scores)


def test_texts_and_specs_stand_for_it():
    policy, text = rsf.ActHalting(0.01, 12, min_steps=2), "act:0.01:12:min_steps=2"
    assert rsf.parse_policy(text) == policy
    assert str(policy) == policy_name(policy) == text
    assert from_spec(json.loads(json.dumps(to_spec(policy)))) == policy
    for wrong, message in (("act:1:4", "epsilon is 1.0"), ("act:0.01:0", "max_steps is 0")):
        with pytest.raises(rsf.InputError, match=message):
            rsf.parse_policy(wrong)


@pytest.fixture(scope="module")
def variables():
    """Weights whose head goes by how far the state has moved."""
    params = MODEL.init(jax.random.key(2), jnp.zeros((1, 1, *SIZE, 1)))["params"]
    # logit = 9 relu(1 - movement of the pattern) - 4
    dense = {"kernel": jnp.zeros((18, 16)).at[17, 0].set(-1), "bias": jnp.eye(16)[0]}
    out = {"kernel": jnp.zeros((16, 1)).at[0].set(9), "bias": jnp.full(1, -4.0)}
    return {"params": {**params, "halting": {**params["halting"], "dense": dense, "out": out}}}


@pytest.fixture(scope="module")
def frames():
    """Two videos of squares, of which one stands still for a while."""
    videos = np.full((2, 4, *SIZE, 1), 0.2, np.float32)
    for b, t in np.ndindex(2, 4):
        videos[b, t, 2 * t : 2 * t + 3, b + t : b + t + 4] = 0.9 - 0.1 * t
    videos[1, 2] = videos[1, 1]
    return videos


GATED = rsf.parse_policy("gate:0.01:0.9+act:0.05:6")


def test_a_model_leaves_the_mean_of_its_states(variables, frames):
    """Frame by frame, step by step, in Python."""
    out = rsf.run_video(MODEL, variables, frames, rsf.ActHalting(0.05, 6))
    prepared = rsf.prepare(MODEL, variables, SIZE)
    step, head = jax.jit(prepared.step), jax.jit(prepared.halting.logit)
    counts = []
    for b in range(2):
        start = prepared.initial_carry(1)
        for t in range(4):
            drive, states, scores = prepared.drive(frames[b : b + 1, t]), [start], []
            for _ in range(6):
                states.append(step(states[-1], drive))
                scores.append(float(jax.nn.sigmoid(head(states[-2], states[-1]))[0]))
            n, _, start = graves(scores, states[1:], 0.05, 6)
            counts.append(n)
            np.testing.assert_allclose(out.logits[b, t], prepared.readout(start)[0], atol=1e-5)
    assert out.steps.ravel().tolist() == counts
    assert len(set(counts)) > 1


def test_frames_streams_and_videos_are_the_same_under_a_gate(variables, frames):
    expected = rsf.run_video(MODEL, variables, frames, GATED)
    steps = np.asarray(expected.steps)
    assert steps[1, 2] == 0
    np.testing.assert_array_equal(expected.logits[1, 2], expected.logits[1, 1])
    assert len(set(steps.ravel().tolist())) > 2
    state = MODEL.initial_state(2, SIZE)
    engine = rsf.StreamEngine(MODEL, variables, GATED, SIZE, slots=2, queue=4)
    streams = [engine.open(str(i)) for i in range(2)]
    for t in range(frames.shape[1]):
        state, out = rsf.run_frame(MODEL, variables, state, frames[:, t], GATED)
        np.testing.assert_array_equal(out.steps, steps[:, t])
        np.testing.assert_allclose(out.logits, expected.logits[:, t], atol=1e-5)
        for i, stream in enumerate(streams):
            engine.submit(stream, frames[i, t])
    results = sorted(engine.results(), key=lambda r: (r.stream, r.index))
    assert [r.steps for r in results] == steps.ravel().tolist()
    for result in results:
        logits = expected.logits[int(result.stream), result.index]
        np.testing.assert_allclose(result.outputs, logits, atol=1e-5)


def test_a_head_for_ponder_is_refused(variables, frames):
    model = TinyHalting(halting_head="ponder")
    with pytest.raises(rsf.InputError, match=r"trained for act, and that .* is for ponder"):
        rsf.run_video(model, variables, frames, rsf.ActHalting(0.01, 4))
