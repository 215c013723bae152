"""Derivatives of models beyond training: forward mode, second ones, and those that cannot be."""

import inspect
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config
from marks import slow

import rsf_jax as rsf
from rsf_jax.cells import HGRUCell
from rsf_jax.data.batch import Batch
from rsf_jax.gradients import BPTT, RBP, LipschitzPenalty
from rsf_jax.training.diagnostics import diagnose

FRAMES = jax.random.uniform(jax.random.key(0), (2, 2, 8, 8, 1))
HALTING = rsf.DistanceHalting(threshold=0.9, max_steps=4)


def _model(name="hgru", kernel_size=5, **settings):
    return rsf.build_model(tiny_config(model=name, kernel_size=kernel_size, **settings))


def _loss(model, policy, frames=FRAMES):
    def loss(variables):
        logits = rsf.run_video(model, variables, frames, policy).logits
        return (jax.random.normal(jax.random.key(9), logits.shape) * logits).mean()

    return loss


def _direction(variables):
    return jax.tree.map(lambda x: jax.random.normal(jax.random.key(3), x.shape), variables)


def _dot(a, b):
    return sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.vdot(x, y), a, b)))


@pytest.mark.parametrize("name", [slow("hgru"), "clstm"])
def test_forward_and_reverse_mode_agree_and_so_do_products_with_the_hessian(name):
    model = _model(name)
    variables = jax.jit(model.init)(jax.random.key(1), FRAMES)
    loss, v = _loss(model, rsf.FixedSchedule(2, 1)), _direction(variables)

    @jax.jit
    def derivatives(variables):
        gradient = jax.grad(loss)
        forward = jax.jvp(loss, (variables,), (v,))[1]
        forward_over_reverse = jax.jvp(gradient, (variables,), (v,))[1]
        twice_reverse = jax.grad(lambda x: _dot(gradient(x), v))(variables)
        return forward, _dot(gradient(variables), v), forward_over_reverse, twice_reverse

    forward, reverse, ours, theirs = derivatives(variables)
    np.testing.assert_allclose(forward, reverse, rtol=1e-3)
    largest = max(np.abs(x).max() for x in jax.tree.leaves(theirs))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-4 * largest), ours, theirs)


def test_halting_has_the_forward_derivative_of_the_steps_that_were_made():
    model = _model()
    frames = FRAMES[:1, :1]
    variables = jax.jit(model.init)(jax.random.key(1), frames)
    v = _direction(variables)
    steps = int(rsf.run_video(model, variables, frames, HALTING).steps[0, 0])
    ours, theirs = (
        jax.jit(lambda x, policy=policy: jax.jvp(_loss(model, policy, frames), (x,), (v,))[1])(
            variables
        )
        for policy in (HALTING, rsf.FixedSchedule(steps, steps))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def _run_frame(policy, **options):
    model = _model(kernel_size=3)
    variables = jax.jit(model.init)(jax.random.key(1), FRAMES)
    state = model.initial_state(2, (8, 8))

    def loss(variables):
        frame = FRAMES[:, 0]
        _, out = rsf.run_frame(model, variables, state, frame, policy, **options)
        return out.logits.mean()

    return loss, variables


REFUSED = {
    "halting": lambda: (_loss(_model(kernel_size=3), HALTING), None, jax.grad, "reverse-mode"),
    "a live frame": lambda: (*_run_frame(rsf.FixedSchedule(3, 2)), jax.grad, "first=True"),
    "halting of a live frame": lambda: (*_run_frame(HALTING), jax.grad, "reverse-mode"),
    "RBP twice": lambda: (
        _loss(_model(kernel_size=3), rsf.FixedSchedule(2, 2, RBP(2))),
        None,
        lambda f: jax.grad(lambda x: _dot(jax.grad(f)(x), x)),
        "no second derivative",
    ),
    "RBP forward": lambda: (
        _loss(_model(kernel_size=3), rsf.FixedSchedule(2, 2, RBP(2))),
        None,
        lambda f: lambda x: jax.jvp(f, (x,), (x,)),
        "no forward-mode derivative",
    ),
}


@pytest.mark.parametrize("jit", [False, True], ids=["plain", "jit"])
@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_derivative_says_so(case, jit):
    loss, variables, transform, message = case()
    if variables is None:
        variables = jax.jit(_model(kernel_size=3).init)(jax.random.key(1), FRAMES)
    derivative = transform(loss)
    with pytest.raises(rsf.InputError, match=message) as error:
        (jax.jit(derivative) if jit else derivative)(variables)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("first", [True, False])
def test_a_live_frame_that_is_told_its_place_is_differentiated(first):
    policy = rsf.FixedSchedule(3, 2)
    same = rsf.FixedSchedule(3, 3) if first else rsf.FixedSchedule(2, 2)
    (ours, variables), (theirs, _) = _run_frame(policy, first=first), _run_frame(same)
    for a, b in zip(*(jax.tree.leaves(jax.grad(f)(variables)) for f in (ours, theirs))):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)


def test_a_place_that_is_no_place_is_refused():
    model = _model(kernel_size=3)
    state = model.initial_state(2, (8, 8))
    with pytest.raises(rsf.InputError, match="first is 1: True or False"):
        inspect.unwrap(rsf.run_frame)(model, {}, state, FRAMES[:, 0], HALTING, first=1)


class Counted(NamedTuple):
    """A state that counts its steps."""

    hidden: jax.Array
    count: jax.Array


class CountingCell(HGRUCell):
    """An hGRU whose carry has integers."""

    def initial_carry(self, batch_size, height, width):
        h = super().initial_carry(batch_size, height, width)
        return Counted(h, jnp.zeros((batch_size,), jnp.int32))

    def __call__(self, carry, drive):
        return Counted(super().__call__(carry.hidden, drive), carry.count + 1)

    def hidden(self, carry):
        return carry.hidden


@pytest.mark.parametrize("estimator", [BPTT(), RBP(2)], ids=str)
def test_integers_in_a_carry_change_no_derivative(estimator):
    policy = rsf.FixedSchedule(3, 3, estimator)
    cells = [cell(channels=3, kernel_size=3) for cell in (HGRUCell, CountingCell)]
    plain, counting = (rsf.RecurrentModel(cell) for cell in cells)
    variables = jax.jit(plain.init)(jax.random.key(1), FRAMES)
    ours, theirs = (jax.jit(jax.grad(_loss(m, policy)))(variables) for m in (counting, plain))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), ours, theirs)
    batch = Batch(FRAMES, jnp.zeros(FRAMES.shape[:4], jnp.uint8), jnp.ones(2))
    ours, theirs = (diagnose(m, variables, batch, policy, terms=2) for m in (counting, plain))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4), ours, theirs)


def test_the_penalty_of_a_state_that_counts_is_that_of_its_numbers():
    def step(carry):
        return Counted(2 * carry.hidden, carry.count + 1)

    start = Counted(jnp.ones((3, 2)), jnp.zeros(3, jnp.int32))
    np.testing.assert_allclose(LipschitzPenalty(bound=0.9)(step, start), 1.1**2, rtol=1e-5)
