"""Halting by the readout: the rules against NumPy, and a model under them everywhere it runs."""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config
from recurrences import recurrence

import rsf_jax as rsf
from rsf_jax.policies import from_spec, policy_name, to_spec
from rsf_jax.policies.readout import mean_of_most

SIZE = (8, 9)
MODEL = rsf.build_model(tiny_config())
TEXTS = {
    "readout:flips:0.002:12": rsf.ReadoutHalting("flips", 0.002, 12),
    "readout:news:0.0:12": rsf.ReadoutHalting("news", 0.0, 12),
    "readout:entropy:0.1:6:min_first_steps=3:share=0.25": rsf.ReadoutHalting(
        "entropy", 0.1, 6, min_first_steps=3, share=0.25
    ),
    "readout:change:0.0:9:min_steps=2": rsf.ReadoutHalting("change", 0.0, 9, min_steps=2),
}


@pytest.mark.parametrize("text", TEXTS)
def test_texts_and_specs_stand_for_rules(text):
    policy = TEXTS[text]
    assert rsf.parse_policy(text) == policy
    assert str(policy) == policy_name(policy) == text
    assert from_spec(json.loads(json.dumps(to_spec(policy)))) == policy
    gated = f"gate:0.01:0.4+{text}"
    assert policy_name(rsf.parse_policy(gated)) == gated


def test_rules_of_arrays_are_compared_and_hashed():
    one, same, other = (
        rsf.ReadoutHalting("flips", np.array([0.1, t], np.float32), 4) for t in (0.2, 0.2, 0.3)
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != str(one)


BAD = [
    ("readout:flip:0.1:4", "rule is 'flip': choose one of entropy, flips, news, change; did"),
    ("readout:flips:-0.1:4", "threshold is -0.1: a finite number at least 0"),
    ("readout:flips:nan:4", "threshold is nan"),
    ("readout:flips:0.1:0", "max_steps is 0: a whole number"),
    ("readout:flips:0.1:4:min_steps=5", "max_steps is 4, below min_steps 5"),
    ("readout:entropy:0.1:4:share=0", "share is 0.0: a finite number above 0 and at most 1"),
    ("readout:entropy:0.1:4:share=1.5", "share is 1.5"),
    ("readout:flips:0.1:4:share=0.5", "share is 0.5: the rule flips is of all pixels, leave it"),
    ("readout:flips:0.1", "max_steps is missing: the arguments are rule:threshold:max_steps"),
    ("readout:flips:0.1:4+s1f1", "takes no policy inside"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_values_are_named_in_a_line(text, message):
    with pytest.raises(rsf.InputError) as error:
        rsf.parse_policy(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def logits():
    """What is read out after each of 6 steps, [N+1, B, H, W, K]: it settles, some sooner."""
    rng = np.random.default_rng(0)
    end, noise = 3 * rng.normal(size=(2, 3, 4, 5, 3)).astype(np.float32)
    rate = np.array([0.2, 0.6, 0.9], np.float32).reshape(3, 1, 1, 1)
    return np.stack([end * (1 - rate**n) + 2 * noise * rate**n for n in range(7)])


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _measures(rule, logits, share):
    """Of each step, [N, B], in NumPy, by sorting."""
    p = _softmax(logits.astype(np.float64))
    if rule == "entropy":
        entropy = -(p * np.log(p)).sum(-1)[1:] / np.log(3)
        ordered = np.sort(entropy.reshape(*entropy.shape[:2], -1))[..., ::-1]
        count = share * ordered.shape[-1]
        weights = np.clip(count - np.arange(ordered.shape[-1]), 0, 1)
        return (ordered * weights).sum(-1) / count
    if rule == "news":
        found = logits.argmax(-1)
        had = [(found[:n] == found[n]).any(0) for n in range(1, len(found))]
        return 1 - np.mean(had, (2, 3))
    if rule == "flips":
        return (logits[1:].argmax(-1) != logits[:-1].argmax(-1)).mean((2, 3))
    return np.abs(p[1:] - p[:-1]).sum(-1).mean((2, 3)) / 2


def _played(logits):
    """A recurrence whose n-th state is read out as the n-th logits."""
    shown = jnp.moveaxis(jnp.asarray(logits), 0, 1)  # [B, N+1, H, W, K]

    def readout(n):
        index = jnp.minimum(n[:, 0, 0, 0], 6).astype(jnp.int32)
        return jnp.take_along_axis(shown, index[:, None, None, None, None], 1)[:, 0]

    start = jnp.zeros((3, 1, 1, 1))
    return recurrence(lambda n: n + 1, start, readout=readout)


@pytest.mark.parametrize(
    ("rule", "share"),
    [("entropy", 1.0), ("entropy", 0.13), ("flips", 1.0), ("news", 1.0), ("change", 1.0)],
)
def test_a_sample_halts_when_its_measure_is_at_most_the_threshold(logits, rule, share):
    expected = _measures(rule, logits, share)
    # Off the values themselves, which NumPy has in float64.
    for threshold in np.quantile(expected, [0.2, 0.5, 0.8]) + 1e-4:
        for first in (True, False):
            policy = rsf.ReadoutHalting(rule, threshold, 6, min_first_steps=3, share=share)
            is_counted = np.arange(1, 7) >= (3 if first else 1)
            below = (expected <= threshold) & is_counted[:, None]
            steps = np.where(below.any(0), below.argmax(0) + 1, 6)
            found = _steps(policy, jnp.full(3, first), logits)
            np.testing.assert_array_equal(found, steps)


@jax.jit
def _steps(policy, first, logits):
    return policy.unroll(_played(logits), first, ()).steps


def test_the_mean_of_the_largest_is_that_of_sorted_values():
    values = np.random.default_rng(0).random((4, 101), np.float32)
    shares = np.array([1.0, 0.5, 0.1, 0.003])
    counts = shares * 101
    weights = np.clip(counts[:, None] - np.arange(101), 0, 1)
    expected = (np.sort(values)[:, ::-1] * weights).sum(1) / counts
    np.testing.assert_allclose(mean_of_most(values, shares), expected, rtol=1e-6)
    np.testing.assert_allclose(mean_of_most(values, 1.0), values.mean(1), rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-9, 2.4e-4, 0.5003, 0.9998, 1.0])
@pytest.mark.parametrize("share", [0.003, 0.01, 0.5, 1.0])
def test_the_mean_of_the_largest_of_equal_values_is_that_value(value, share):
    found = mean_of_most(jnp.full((2, 2500), value), share)
    np.testing.assert_allclose(found, [value, value], rtol=1e-6)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_mean_of_the_largest_is_exact_where_most_are_near_to_nothing(share):
    values = 2.4e-4 * np.random.default_rng(0).random((1, 2500), np.float32)
    values[0, 7] = 1
    expected = np.sort(values[0])[-int(share * 2500) :].astype(np.float64).mean()
    np.testing.assert_allclose(mean_of_most(values, share), [expected], rtol=1e-5)


def test_each_sample_may_have_a_threshold_of_its_own(logits):
    alike = np.repeat(logits[:, 1:2], 3, 1)
    measures = _measures("change", alike, 1.0)[:, 0]
    thresholds = np.float32(measures[[0, 2, 4]] + 1e-4)
    policy, later = rsf.ReadoutHalting("change", thresholds, 6), jnp.zeros(3, bool)
    assert _steps(policy, later, alike).tolist() == [1, 3, 5]
    with pytest.raises(rsf.InputError, match=r"threshold has shape \[2\]"):
        rsf.ReadoutHalting("change", thresholds[:2], 6).unroll(_played(alike), False, ())


@pytest.mark.parametrize("rule", ["entropy", "flips", "news", "change"])
def test_what_is_not_finite_runs_to_the_cap(logits, rule):
    spoiled = logits.copy()
    spoiled[:, 1, 0, 0, 0] = np.nan
    found = _steps(rsf.ReadoutHalting(rule, 1.0, 6, min_first_steps=3), jnp.zeros(3, bool), spoiled)
    assert found.tolist() == [1, 6, 1]


def test_thresholds_and_shares_are_traced(logits):
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def steps(policy):
        return policy.unroll(_played(logits), False, ()).steps

    seen = {
        tuple(steps(rsf.ReadoutHalting("entropy", t, 6, share=s)).tolist())
        for t in (0.0, 0.3, np.float64(0.5))
        for s in (1.0, 0.1)
    }
    assert len(seen) > 2


def test_one_output_is_no_class():
    single = recurrence(lambda h: h, jnp.ones((2, 4, 4, 1)))
    with pytest.raises(rsf.InputError, match=r"reads out \[2, 4, 4, 1\].* needs two classes"):
        rsf.ReadoutHalting("flips", 0.1, 3).unroll(single, False, ())


@pytest.fixture(scope="module")
def variables():
    return jax.jit(MODEL.init)(jax.random.key(2), jnp.zeros((1, 1, *SIZE, 1)))


@pytest.fixture(scope="module")
def frames():
    """Two videos of squares, of which one stands still for a while."""
    videos = np.full((2, 4, *SIZE, 1), 0.2, np.float32)
    for b, t in np.ndindex(2, 4):
        videos[b, t, 2 * t : 2 * t + 3, b + t : b + t + 4] = 0.9 - 0.1 * t
    videos[1, 2] = videos[1, 1]
    return videos


@pytest.mark.parametrize("rule", ["change", "news"])
def test_frames_streams_and_videos_are_the_same_under_a_gate(variables, frames, rule):
    text = f"gate:0.01:0.9+readout:{rule}:0.01:5:min_first_steps=2"
    policy = rsf.parse_policy(text)
    expected = rsf.run_video(MODEL, variables, frames, policy)
    steps = np.asarray(expected.steps)
    assert steps[1, 2] == 0
    assert len(set(steps.ravel().tolist())) > 3
    state = MODEL.initial_state(2, SIZE)
    engine = rsf.StreamEngine(MODEL, variables, policy, SIZE, slots=2, queue=4)
    streams = [engine.open(str(i)) for i in range(2)]
    for t in range(frames.shape[1]):
        state, out = rsf.run_frame(MODEL, variables, state, frames[:, t], policy)
        np.testing.assert_array_equal(out.steps, steps[:, t])
        np.testing.assert_allclose(out.logits, expected.logits[:, t], atol=1e-5)
        for i, stream in enumerate(streams):
            engine.submit(stream, frames[i, t])
    results = sorted(engine.results(), key=lambda r: (r.stream, r.index))
    assert [r.steps for r in results] == steps.ravel().tolist()
