"""What is recorded changes neither a value nor a derivative, whatever the estimator."""

import dataclasses
import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config
from marks import slow
from recurrences import recurrence

import rsf_jax as rsf
from rsf_jax.gradients import BPTT, RBP, Reached


@dataclasses.dataclass(frozen=True)
class HalfGradient:
    """A user's estimator, which cannot be watched: half of the derivative of the last step."""

    def unroll(self, step, carry, length):
        before = carry
        for _ in range(length - 1):
            before = step(before)
        before = jax.lax.stop_gradient(before)
        after = step(before)
        return Reached(before, jax.tree.map(lambda x: (x + jax.lax.stop_gradient(x)) / 2, after))


RECORDINGS = [
    True,
    rsf.Recording(steps=(1, 3), dtype="float16"),
    rsf.Recording(projection=lambda h: h.mean((1, 2))),
]
ONE_FRAME = rsf.Recording(frames=(1,))


@pytest.fixture(scope="module")
def video():
    config = tiny_config()
    model = rsf.build_model(config)
    frames = jax.random.uniform(jax.random.key(0), (2, 2, 8, 8, 1))
    return model, jax.jit(model.init)(jax.random.key(1), frames), frames


def _differentiate(run, variables):
    """Value and gradient of a loss of the logits, in which every pixel has its own weight."""

    def loss(variables):
        logits = run(variables).logits
        return (jax.random.normal(jax.random.key(9), logits.shape) * logits).sum()

    return jax.jit(jax.value_and_grad(loss))(variables)


def _assert_same(ours, theirs):
    def compare(a, b):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))

    jax.tree.map(compare, ours, theirs)


@pytest.fixture(scope="module")
def differentiated(video):
    """Value and gradient under an estimator, with a recording or without; each compiled once."""
    model, variables, frames = video

    @functools.cache
    def find(estimator, recording):
        policy = rsf.FixedSchedule(4, 3, estimator)
        run = partial(rsf.run_video, model, frames=frames, policy=policy, record_states=recording)
        return _differentiate(run, variables)

    return find


# Live frames, below, are recorded under "sqrt" and RBP in the two ways that are left out here.
@pytest.mark.parametrize(
    ("estimator", "recordings"),
    [
        (BPTT(), [*RECORDINGS, ONE_FRAME]),
        slow(BPTT("sqrt"), [True, ONE_FRAME]),
        slow(RBP(0), [True, ONE_FRAME]),
        slow(HalfGradient(), [True, RECORDINGS[2], ONE_FRAME]),
    ],
    ids=lambda given: str(given) if dataclasses.is_dataclass(given) else "",
)
def test_recording_a_video_changes_no_derivative(differentiated, estimator, recordings):
    for recording in recordings:
        _assert_same(differentiated(estimator, recording), differentiated(estimator, False))


@pytest.mark.parametrize("estimator", [BPTT("sqrt"), RBP(0)], ids=str)
def test_recording_a_live_frame_changes_no_derivative(video, estimator):
    model, variables, frames = video
    state, policy = model.initial_state(2, (8, 8)), rsf.FixedSchedule(4, 4, estimator)

    def run(variables, **options):
        return rsf.run_frame(model, variables, state, frames[:, 0], policy, **options)[1]

    expected = _differentiate(run, variables)
    for recording in RECORDINGS[1:]:
        _assert_same(_differentiate(partial(run, record_states=recording), variables), expected)


def test_the_estimators_differ(differentiated):
    found = [
        differentiated(estimator, True)[1]["params"]["cell"]["inhibition"]
        for estimator in (BPTT(), RBP(0), HalfGradient())
    ]
    for i, one in enumerate(found):
        assert all(np.abs(one - other).max() > 1e-2 for other in found[:i])


@pytest.mark.parametrize("estimator", [BPTT(), BPTT("sqrt"), RBP(2)], ids=str)
def test_recorded_states_have_the_estimators_derivative(estimator):
    start = jnp.linspace(0.1, 0.8, 2).reshape(2, 1, 1, 1)

    def state(w, n):
        schedule = rsf.FixedSchedule(5, 5, estimator)
        step = lambda h: jnp.tanh(w * h + 0.3)  # noqa: E731
        out = schedule.unroll(recurrence(step, start), True, (), rsf.Recording())
        return out.states[:, n].sum()

    def ended(w, length):
        return estimator.unroll(lambda h: jnp.tanh(w * h + 0.3), start, length).after.sum()

    last, middle = (jax.grad(state)(0.7, n) for n in (4, 2))
    np.testing.assert_allclose(last, jax.grad(ended)(0.7, 5), rtol=1e-5)
    expected = 0.0 if isinstance(estimator, RBP) else jax.grad(ended)(0.7, 3)
    np.testing.assert_allclose(middle, expected, rtol=1e-5)


@pytest.mark.parametrize("remat", ["step", "sqrt"])
def test_rematerialization_saves_its_memory_while_recording(video, remat):
    model = video[0]
    frames = jnp.zeros((1, 1, 32, 32, 1))
    variables = jax.jit(model.init)(jax.random.key(0), frames)

    def temporary(estimator, record):
        def loss(v):
            policy = rsf.FixedSchedule(40, 40, estimator)
            return rsf.run_video(model, v, frames, policy, record_states=record).logits.sum()

        compiled = jax.jit(jax.grad(loss)).lower(variables).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    recording = rsf.Recording(steps=(40,))
    assert temporary(BPTT(remat), recording) < 1.2 * temporary(BPTT(remat), False)
    assert temporary(BPTT(remat), recording) < 0.7 * temporary(BPTT(), recording)
