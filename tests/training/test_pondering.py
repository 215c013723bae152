"""Learned halting in training: against equations in NumPy, a dense implementation, and the test."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from configs import tiny_config
from recurrences import TinyHalting, recurrence

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.gradients import BPTT
from rsf_jax.measures.losses import FOCAL, Objective
from rsf_jax.parallel.devices import Devices
from rsf_jax.policies.base import Halting
from rsf_jax.training.pondering import ACT, PonderNet, build_pondering
from rsf_jax.training.state import create_state
from rsf_jax.training.step import make_train_step, video_gradients
from rsf_jax.unroll import begin_frame
from tests.policies.test_act import graves

SIZE = (8, 8)
MODEL = TinyHalting()
PONDER = PonderNet(0.3, 0.5)
SCHEDULE = rsf.FixedSchedule(3, 3)
CROSS_ENTROPY = Objective(0.0)


def _told(logits):
    """A recurrence whose n-th state has the n-th logit of halting of [B, N], and n as its logit."""
    logits = jnp.asarray(logits, jnp.float32)

    def logit(before, after):
        n = after[:, 0, 0, 0].astype(jnp.int32)
        return jnp.take_along_axis(logits, n[:, None] - 1, 1)[:, 0]

    def readout(carry):
        return jnp.concatenate([jnp.zeros_like(carry), carry], -1)  # [B, 1, 1, K]

    start = jnp.zeros((len(logits), 1, 1, 1))
    halting = Halting("ponder", logit)
    return recurrence(lambda n: n + 1, start, readout=readout, halting=halting)


def _probabilities(logits, prior):
    """The halting distribution and its prior, [B, N] each, in NumPy."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    both = []
    for halts in (p, np.full_like(p, prior)):
        alive = np.cumprod(np.concatenate([np.ones((len(p), 1)), 1 - halts[:, :-1]], 1), 1)
        both.append(alive * np.concatenate([halts[:, :-1], np.ones((len(p), 1))], 1))
    return both


@pytest.mark.parametrize("length", [1, 5])
def test_loss_divergence_and_steps_are_what_the_equations_say(length):
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(4, length))
    labels = jnp.asarray([0, 1, 1, 0]).reshape(4, 1, 1)
    taken = PONDER(_told(logits), BPTT(), length, labels, CROSS_ENTROPY)
    p, q = _probabilities(logits, 0.3)
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(q.sum(1), 1)
    n = np.arange(1, length + 1)[None]
    of_step = np.where(np.asarray(labels)[:, 0] == 1, np.log1p(np.exp(-n)), np.log1p(np.exp(n)))
    np.testing.assert_allclose(taken.losses, (p * of_step).sum(1), rtol=1e-5)
    np.testing.assert_allclose(taken.costs, (p * np.log(p / q)).sum(1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(taken.steps, (p * n).sum(1), rtol=1e-5)
    assert (np.asarray(taken.steps) <= length).all()
    halted = np.cumsum(p, 1)
    median = (halted >= 0.5 - 1e-9).argmax(1) + 1
    np.testing.assert_array_equal(taken.left.ravel(), median)
    np.testing.assert_array_equal(taken.reached.after.ravel(), length)


def test_the_prior_costs_nothing_and_a_sure_head_stays_finite():
    prior = np.full((2, 6), np.log(0.3 / 0.7))
    labels = jnp.zeros((2, 1, 1), jnp.int32)
    np.testing.assert_allclose(PONDER(_told(prior), BPTT(), 6, labels, FOCAL).costs, 0, atol=1e-6)

    def total(shift):
        taken = PONDER(_told(prior + shift), BPTT(), 6, labels, FOCAL)
        return (taken.losses + taken.costs).sum()

    for shift in (300.0, -300.0):
        value, gradient = jax.value_and_grad(total)(shift)
        assert np.isfinite([value, gradient]).all()


def _batch(videos, seed=0):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, size=(videos, 2, *SIZE, 1), dtype=np.uint8)
    frames[1, 1] = frames[1, 0]  # in front of which the state moves less
    masks = (frames[..., 0] > 200).astype(np.uint8)
    return Batch(frames, masks, np.ones(videos, np.float32))


@pytest.fixture(scope="module")
def state():
    return create_state(MODEL, optax.sgd(1.0), 0, SIZE)


@pytest.fixture(scope="module")
def params(state):
    """Parameters whose head tells samples apart, most of all by the movement of the pattern."""
    rng = np.random.default_rng(1)
    head = state.params["halting"]
    kernel, bias = (head["dense"][name] for name in ("kernel", "bias"))
    dense = {"kernel": kernel.at[:, 0].set(0).at[17, 0].set(-1), "bias": bias.at[0].set(1)}
    out = jnp.asarray(0.3 * rng.normal(size=(16, 1)), jnp.float32).at[0].set(6)
    out = {"kernel": out, "bias": jnp.full(1, -2.5)}
    return {**state.params, "halting": {**head, "dense": dense, "out": out}}


def _dense(params, batch):
    """Mean loss, cost and steps, frame by frame, step by step; and the states that are left."""
    frames = jnp.asarray(batch.frames, jnp.float32) / 255
    count, length = frames.shape[:2]
    prepared = rsf.prepare(MODEL, {"params": params}, SIZE)
    state = MODEL.initial_state(count, SIZE)
    sums = jnp.zeros(3)
    for t in range(length):
        recurrence = begin_frame(prepared, jax.lax.stop_gradient(state), frames[:, t])
        carry, alive, halted, steps = recurrence.start, 1.0, [], SCHEDULE.length(t == 0)
        for n in range(1, steps + 1):
            before, carry = carry, recurrence.step(carry)
            halts = 1.0 if n == steps else jax.nn.sigmoid(recurrence.halting.logit(before, carry))
            loss = CROSS_ENTROPY(recurrence.readout(carry), jnp.int32(batch.masks[:, t]))
            p, q = alive * halts, 0.7 ** (n - 1) * (1.0 if n == steps else 0.3)
            sums += jnp.stack([(p * x).mean() for x in (loss, jnp.log(p / q), jnp.full(count, n))])
            halted.append((p, carry))
            alive = alive * (1 - halts)
        left, total = halted[-1][1], 1.0
        for p, carry in reversed(halted):  # the first whose cumulative probability is a half
            total = total - p
            there = jnp.asarray(total + p >= 0.5 - 1e-6)
            left = jnp.where(there[:, None, None, None], carry, left)
        state = state.replace(carry=left)
    return sums[0] / length + PONDER.weight * sums[1] / length, (sums / length, state.carry)


_gradients = jax.jit(
    video_gradients,
    static_argnums=0,
    static_argnames=("objective", "pondering", "penalty", "gradient_frames"),
)
OPTIONS = {"objective": CROSS_ENTROPY, "pondering": PONDER}


@pytest.fixture(scope="module")
def found(params):
    shares = jnp.full(2, 0.5)
    return _gradients(MODEL, {"params": params}, _batch(2), shares, SCHEDULE, **OPTIONS)


def _assert_alike(ours, theirs):
    floor = 1e-3 * max(float(np.linalg.norm(x)) for x in jax.tree.leaves(theirs))
    jax.tree.map(
        lambda a, b: np.testing.assert_array_less(
            np.linalg.norm(a - b), 1e-3 * max(float(np.linalg.norm(b)), floor) + 1e-12
        ),
        ours,
        theirs,
    )


def test_gradients_are_those_of_a_dense_implementation(params, found):
    (_, (means, carry)), gradients = jax.jit(jax.value_and_grad(_dense, has_aux=True))(
        params, _batch(2)
    )
    np.testing.assert_allclose(found.loss, means[0], rtol=1e-5)
    np.testing.assert_allclose(found.pondering, means[1:], rtol=1e-4)
    _assert_alike(found.gradients, gradients)
    np.testing.assert_allclose(found.carry, carry, atol=1e-5)
    assert np.linalg.norm(gradients["halting"]["kernel"]) > 0


def test_states_go_on_as_in_a_test(params, found):
    """From frame to frame, and from chunk to chunk of a stream."""
    later, shares = _batch(2, 1), jnp.full(2, 0.5)
    options = {"start": found.carry, **OPTIONS}
    after = _gradients(MODEL, {"params": params}, later, shares, SCHEDULE, **options)
    state, steps, policy = MODEL.initial_state(2, SIZE), [], rsf.PonderHalting(0.5, 3)
    for left, batch in ((found, _batch(2)), (after, later)):
        for t in range(2):
            state, out = rsf.run_frame(
                MODEL, {"params": params}, state, batch.frames[:, t], policy, first=False
            )
            steps += out.steps.tolist()
        np.testing.assert_allclose(left.carry, state.carry, atol=1e-5)
    assert len(set(steps)) > 1


def test_several_devices_do_what_one_does(state, params, found):
    descent, devices = optax.sgd(1.0), Devices(2)
    step = devices.compile(
        make_train_step(MODEL, SCHEDULE, descent, axis_name=devices.axis_name, **OPTIONS)
    )
    before = state.replace(params=params, opt_state=descent.init(params))
    after, metrics = map(
        devices.unreplicate, step(devices.replicate(before), devices.shard(_batch(2)))
    )
    alone = dict(zip(("loss", "ponder_cost", "expected_steps"), (found.loss, *found.pondering)))
    for name, value in alone.items():
        assert float(metrics[name]) == pytest.approx(float(value), rel=1e-5), name
    _assert_alike(jax.tree.map(jnp.subtract, params, after.params), found.gradients)


def test_updates_lower_the_loss_and_lead_to_the_prior(state):
    optimizer, params, seen = optax.adam(3e-2), state.params, []
    opt_state = optimizer.init(params)
    for _ in range(20):
        made = _gradients(
            MODEL, {"params": params}, _batch(2), jnp.full(2, 0.5), SCHEDULE, **OPTIONS
        )
        updates, opt_state = optimizer.update(made.gradients, opt_state)
        params = optax.apply_updates(params, updates)
        seen.append((float(made.loss), *made.pondering.tolist()))
    loss, cost, steps = zip(*seen)
    assert loss[-1] < 0.85 * loss[0]
    # From the prior of 0.2 that the head began with towards that of 0.3: fewer steps.
    assert steps[-1] < steps[0] - 0.05
    assert cost[-1] < 0.8 * cost[0]


ACTING = ACT(0.1)


@pytest.mark.parametrize("length", [1, 6])
def test_adaptive_computation_time_is_graves(length):
    scores = np.random.default_rng(0).uniform(0.02, 0.6, (7, length))
    labels = jnp.asarray([0, 1, 1, 0, 1, 0, 1]).reshape(7, 1, 1)
    told = _told(np.log(scores / (1 - scores)))
    taken = ACTING(told, BPTT(), length, labels, CROSS_ENTROPY)
    found = [graves(s, np.arange(1.0, length + 1), 0.01, length) for s in scores]
    steps, remainder, mean = np.array(found).T
    np.testing.assert_allclose(taken.left.ravel(), mean, rtol=1e-5)
    np.testing.assert_array_equal(taken.steps, steps)
    np.testing.assert_allclose(taken.costs, steps + remainder, rtol=1e-5)
    expected = CROSS_ENTROPY(taken.logits, labels)
    np.testing.assert_array_equal(taken.losses, expected)
    np.testing.assert_allclose(taken.logits[:, 0, 0, 1], mean, rtol=1e-5)
    np.testing.assert_array_equal(taken.reached.after.ravel(), length)


def test_gradients_of_the_mean_state_are_those_of_a_plain_loop(params):
    model, batch, policy = TinyHalting(halting_head="act"), _batch(2), rsf.ActHalting(0.01, 4)
    variables, frames = {"params": params}, jnp.asarray(batch.frames, jnp.float32) / 255
    state, counts = model.initial_state(2, SIZE), []
    for t in range(2):
        state, out = rsf.run_frame(model, variables, state, batch.frames[:, t], policy)
        counts.append(out.steps.tolist())
    assert len({n for of_frame in counts for n in of_frame}) > 1

    @jax.jit
    def plain(params):
        prepared = rsf.prepare(model, {"params": params}, SIZE)
        carry, sums = prepared.initial_carry(2)[1:], jnp.zeros(3)
        for t in range(2):
            start = model.initial_state(1, SIZE).replace(carry=jax.lax.stop_gradient(carry))
            recurrence, (_, steps) = begin_frame(prepared, start, frames[1:, t]), counts[t]
            state, carry, total = recurrence.start, 0.0, 0.0
            for n in range(steps):
                before, state = state, recurrence.step(state)
                score = jax.nn.sigmoid(recurrence.halting.logit(before, state))[0]
                weight = 1 - total if n == steps - 1 else score
                carry, total = carry + weight * state, total + score
            loss = CROSS_ENTROPY(recurrence.readout(carry), jnp.int32(batch.masks[1:, t]))[0]
            sums += jnp.stack([loss, steps + weight, jnp.float32(steps)]) / 2
        return sums[0] + 0.1 * sums[1], (sums, carry)

    (_, (means, carry)), gradients = jax.value_and_grad(plain, has_aux=True)(params)
    shares, schedule = jnp.array([0.0, 1.0]), rsf.FixedSchedule(4, 4)
    options = {"objective": CROSS_ENTROPY, "pondering": ACTING}
    found = _gradients(model, variables, batch, shares, schedule, **options)
    np.testing.assert_allclose(found.loss, means[0], rtol=1e-5)
    np.testing.assert_allclose(found.pondering, means[1:], rtol=1e-5)
    np.testing.assert_allclose(found.carry[1:], carry, atol=1e-5)
    np.testing.assert_allclose(found.carry, state.carry, atol=1e-5)
    _assert_alike(found.gradients, gradients)
    assert np.linalg.norm(gradients["halting"]["kernel"]) > 0


def test_a_configuration_says_how():
    assert build_pondering(tiny_config()) is None
    config = tiny_config(halting_head="ponder", ponder_prior=0.1, ponder_cost=0.02)
    assert build_pondering(config) == PonderNet(0.1, 0.02)
    assert build_pondering(config.replace(halting_head="act")) == ACT(0.02, 0.01)
