"""Logits as evidence: the loss against NumPy and SciPy, and what training does with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config
from scipy import special

import rsf_jax as rsf
from rsf_jax.config.build import build_objective
from rsf_jax.measures.evidence import divergence_from_uniform, evidential_loss, vacuity
from rsf_jax.measures.losses import IGNORED, Objective


def _random():
    logits = 3 * jax.random.normal(jax.random.key(0), (2, 3, 4))
    labels = jax.random.randint(jax.random.key(1), (2, 3), 0, 4)
    return logits, labels


def _divergence(alpha):
    total, classes = alpha.sum(-1), alpha.shape[-1]
    spread = (alpha - 1) * (special.digamma(alpha) - special.digamma(total)[..., None])
    norm = special.gammaln(total) - special.gammaln(classes) - special.gammaln(alpha).sum(-1)
    return norm + spread.sum(-1)


def test_the_loss_is_what_its_equations_say():
    logits, labels = _random()
    alpha = np.log1p(np.exp(np.asarray(logits, np.float64))) + 1
    truth, total = np.eye(4)[np.asarray(labels)], alpha.sum(-1, keepdims=True)
    p = alpha / total
    error = ((truth - p) ** 2 + p * (1 - p) / (total + 1)).sum(-1)
    misleading = _divergence(truth + (1 - truth) * alpha)
    for weight in (0.0, 0.5):
        found = evidential_loss(logits, labels, weight)
        np.testing.assert_allclose(found, error + weight * misleading, rtol=1e-4)
    np.testing.assert_allclose(vacuity(logits), 4 / total[..., 0], rtol=1e-5)


def test_the_error_is_the_expected_one():
    """Of probabilities drawn from the Dirichlet distribution."""
    logits, labels = jnp.array([[0.3, 2.0, -1.0]]), jnp.array([1])
    alpha = np.log1p(np.exp(np.asarray(logits[0]))) + 1
    drawn = np.random.default_rng(0).dirichlet(alpha, 200_000)
    expected = ((np.array([0, 1, 0]) - drawn) ** 2).sum(-1).mean()
    assert float(evidential_loss(logits, labels, 0.0)[0]) == pytest.approx(expected, rel=5e-3)


def test_nothing_is_known_without_evidence_and_uniform_is_uniform():
    assert vacuity(jnp.full((1, 3), -50.0))[0] == pytest.approx(1)
    assert vacuity(jnp.array([[50.0, -50.0]]))[0] == pytest.approx(2 / 52)
    np.testing.assert_allclose(divergence_from_uniform(jnp.ones((2, 5))), 0, atol=1e-5)


@pytest.mark.parametrize("other", [-1, IGNORED])
def test_what_has_no_label_has_neither_loss_nor_gradient(other):
    logits, labels = _random()
    spoiled = labels.at[0, 1].set(other)
    loss, gradient = jax.value_and_grad(lambda x: evidential_loss(x, spoiled).sum())(logits)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert not gradient[0, 1].any()
    assert gradient[0, 0].any()
    ours = Objective(loss="evidential")(logits[:, None], spoiled[:, None])
    kept = evidential_loss(logits, labels)[0, jnp.array([0, 2])].mean()
    assert float(ours[0]) == pytest.approx(float(kept), rel=1e-5)


def test_training_makes_it_small_and_evidence_large_where_it_is_right():
    logits, labels = _random()
    step = jax.jit(jax.grad(lambda x: evidential_loss(x, labels).sum()))
    logits = jnp.zeros_like(logits)
    for _ in range(200):
        logits = logits - step(logits)
    assert (logits.argmax(-1) == labels).all()
    assert (vacuity(logits) < 0.5).all()


def test_the_divergence_rises_with_the_updates_of_training():
    config = tiny_config(loss="evidential", evidence_divergence=0.4, evidence_annealing=10)
    objective = build_objective(config)
    logits, labels = (x[:, None] for x in _random())
    for update, weight in ((0, 0.0), (5, 0.2), (10, 0.4), (99, 0.4)):
        found = jax.jit(lambda n: objective.at(n)(logits, labels))(update)
        expected = Objective(loss="evidential", divergence=weight)(logits, labels)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    whole = Objective(loss="evidential", divergence=0.4)(logits, labels)
    np.testing.assert_array_equal(objective(logits, labels), whole)
    focal = build_objective(tiny_config())
    assert focal.at(3) is focal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "evident"}, "config.loss is 'evident': choose one of focal, evidential"),
        ({"evidence_divergence": -1.0}, "config.evidence_divergence is -1.0: it must be at least"),
        ({"evidence_annealing": -1}, "config.evidence_annealing is -1"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(rsf.InputError) as error:
        tiny_config(**changes)
    assert message in str(error.value)
    with pytest.raises(rsf.InputError, match="divergence is -1"):
        Objective(loss="evidential", divergence=-1)
