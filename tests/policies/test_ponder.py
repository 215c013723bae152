"""Halting as it was learned: by the cumulative probability, with a model and without."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from recurrences import TinyHalting, TinyModel, recurrence

import rsf_jax as rsf
from rsf_jax.policies import from_spec, policy_name, to_spec
from rsf_jax.policies.base import Halting

SIZE = (8, 9)
MODEL = TinyHalting()


def _told(probabilities, head="ponder"):
    """A recurrence whose head gives, after step n, the n-th of some probabilities [B, N]."""
    logits = jnp.log(probabilities) - jnp.log1p(-probabilities)

    def logit(before, after):
        n = after[:, 0, 0, 0].astype(jnp.int32)
        return jnp.take_along_axis(logits, n[:, None] - 1, 1)[:, 0]

    start = jnp.zeros((len(logits), 1, 1, 1))
    return recurrence(lambda n: n + 1, start, halting=Halting(head, logit))


def _unrolled(policy, first, probabilities):
    return policy.unroll(_told(probabilities), first, ()).steps


_steps = jax.jit(_unrolled)


def test_a_sample_halts_where_the_cumulative_probability_says():
    rng = np.random.default_rng(0)
    p = jnp.asarray(rng.uniform(0.02, 0.6, (7, 9)), jnp.float32)
    halted = 1 - np.cumprod(1 - np.asarray(p, np.float64), 1)
    for threshold in (0.25, 0.5, 0.9):
        for first, least in ((True, 4), (False, 2)):
            policy = rsf.PonderHalting(threshold, 9, min_steps=2, min_first_steps=4)
            reached = (halted >= threshold) & (np.arange(1, 10) >= least)[None]
            expected = np.where(reached.any(1), reached.argmax(1) + 1, 9)
            np.testing.assert_array_equal(_steps(policy, jnp.full(7, first), p), expected)


def test_thresholds_are_traced_and_may_be_of_each_sample():
    p = jnp.full((3, 9), 0.2)
    chex.clear_trace_counter()
    steps = jax.jit(chex.assert_max_traces(n=1)(_unrolled))
    later = jnp.zeros(3, bool)
    # 1 - .8^n: .2, .36, .488, .59, .672, .738, .79, .832, .866
    for threshold, expected in ((0.1, 1), (0.5, 4), (0.8, 8), (1.0, 9)):
        assert steps(rsf.PonderHalting(threshold, 9), later, p).tolist() == [expected] * 3
    thresholds = np.array([0.3, 0.6, 0.7], np.float32)
    assert _steps(rsf.PonderHalting(thresholds, 9), later, p).tolist() == [2, 5, 6]
    with pytest.raises(rsf.InputError, match=r"threshold has shape \[2\]"):
        _steps(rsf.PonderHalting(thresholds[:2], 9), later, p)


def test_texts_and_specs_stand_for_it():
    policy = rsf.PonderHalting(0.5, 12, min_first_steps=3)
    text = "ponder:0.5:12:min_first_steps=3"
    assert rsf.parse_policy(text) == policy
    assert str(policy) == policy_name(policy) == text
    assert from_spec(json.loads(json.dumps(to_spec(policy)))) == policy
    gated = rsf.parse_policy(f"refresh:9+gate:0.01:0.4+{text}")
    assert gated.inner.inner == policy
    assert policy_name(gated).endswith(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ponder:0:12", "threshold is 0.0: a finite number above 0 and at most 1"),
        ("ponder:1.1:12", "threshold is 1.1"),
        ("ponder:0.5:0", "max_steps is 0"),
        ("ponder:0.5:3:min_first_steps=4", "max_steps is 3, below min_first_steps 4"),
        ("ponder:0.5", "max_steps is missing"),
    ],
)
def test_bad_values_are_named(text, message):
    with pytest.raises(rsf.InputError) as error:
        rsf.parse_policy(text)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["ponder:0.5:4", "gate:0.01:0.4+ponder:0.5:4"])
def test_a_model_without_a_head_is_an_error_in_a_line(text):
    model = TinyModel()
    frames = np.zeros((1, 2, *SIZE, 1), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    policy = rsf.parse_policy(text)
    message = "halting head, which this model has not: train one with config.halting_head=ponder"
    for run in (
        lambda: rsf.run_video(model, variables, frames, policy),
        lambda: rsf.StreamEngine(model, variables, policy, SIZE),
    ):
        with pytest.raises(rsf.InputError) as error:
            run()
        assert message in str(error.value)
        assert "\n" not in str(error.value)
        assert "Tracer" not in str(error.value)
    with pytest.raises(rsf.InputError, match="that of this model is for act: use act:"):
        rsf.PonderHalting(0.5, 4).unroll(_told(jnp.full((2, 4), 0.5), "act"), False, ())


@pytest.fixture(scope="module")
def variables():
    """Weights whose head goes by how far the pattern of the state has moved."""
    frames = jnp.zeros((1, 1, *SIZE, 1))
    params = jax.jit(MODEL.init)(jax.random.key(2), frames)["params"]
    head = params["halting"]
    # logit = 5 relu(1 - movement) - 2.5
    dense = {"kernel": jnp.zeros((18, 16)).at[17, 0].set(-1), "bias": jnp.eye(16)[0]}
    out = {"kernel": jnp.zeros((16, 1)).at[0].set(5), "bias": jnp.full(1, -2.5)}
    return {"params": {**params, "halting": {**head, "dense": dense, "out": out}}}


@pytest.fixture(scope="module")
def frames():
    """Two videos of squares, of which one stands still for a while."""
    videos = np.full((2, 4, *SIZE, 1), 0.2, np.float32)
    for b, t in np.ndindex(2, 4):
        videos[b, t, 2 * t : 2 * t + 3, b + t : b + t + 4] = 0.9 - 0.1 * t
    videos[1, 2] = videos[1, 1]
    return videos


GATED = rsf.parse_policy("gate:0.01:0.9+ponder:0.6:5")


def test_a_model_halts_by_its_own_probabilities(variables, frames):
    """Frame by frame, step by step, in Python."""
    policy = rsf.PonderHalting(0.6, 5)
    out = rsf.run_video(MODEL, variables, frames, policy)
    prepared = rsf.prepare(MODEL, variables, SIZE)
    step, head = jax.jit(prepared.step), jax.jit(prepared.halting.logit)
    counts = []
    for b in range(2):
        carry = prepared.initial_carry(1)
        for t in range(4):
            drive, alive, n = prepared.drive(frames[b : b + 1, t]), 1.0, 0
            while n < 5 and (n == 0 or alive > 0.4):
                before, carry, n = carry, step(carry, drive), n + 1
                alive *= 1 - float(jax.nn.sigmoid(head(before, carry))[0])
            counts.append(n)
    assert out.steps.ravel().tolist() == counts
    assert len(set(counts)) > 1


def test_frames_streams_and_videos_are_the_same_under_a_gate(variables, frames):
    expected = rsf.run_video(MODEL, variables, frames, GATED)
    steps = np.asarray(expected.steps)
    assert steps[1, 2] == 0
    assert len(set(steps.ravel().tolist())) > 2
    state = MODEL.initial_state(2, SIZE)
    engine = rsf.StreamEngine(MODEL, variables, GATED, SIZE, slots=2, queue=4)
    streams = [engine.open(str(i)) for i in range(2)]
    for t in range(frames.shape[1]):
        state, out = rsf.run_frame(MODEL, variables, state, frames[:, t], GATED)
        np.testing.assert_array_equal(out.steps, steps[:, t])
        for i, stream in enumerate(streams):
            engine.submit(stream, frames[i, t])
    results = sorted(engine.results(), key=lambda r: (r.stream, r.index))
    assert [r.steps for r in results] == steps.ravel().tolist()
    for result in results:
        logits = expected.logits[int(result.stream), result.index]
        np.testing.assert_allclose(result.outputs, logits, atol=1e-5)
