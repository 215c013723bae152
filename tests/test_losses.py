import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rsf_jax.losses import focal_loss


def _random():
    logits = jax.random.normal(jax.random.key(0), (2, 3, 4))
    labels = jax.random.randint(jax.random.key(1), (2, 3), 0, 4)
    return logits, labels


def test_values_follow_the_equation():
    logits, labels = _random()
    p = np.take_along_axis(np.asarray(jax.nn.softmax(logits)), np.asarray(labels)[..., None], -1)
    expected = -((1 - p[..., 0]) ** 2) * np.log(p[..., 0])
    np.testing.assert_allclose(focal_loss(logits, labels), expected, rtol=1e-5)


def test_gamma_zero_is_cross_entropy():
    logits, labels = _random()
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(focal_loss(logits, labels, 0.0), expected, rtol=1e-6)


def test_the_focal_weight_carries_no_gradient():
    logits, labels = _random()
    p = jax.nn.softmax(logits)
    true = jnp.take_along_axis(p, labels[..., None], -1)
    expected = (1 - true) ** 2 * (p - jax.nn.one_hot(labels, 4))
    gradient = jax.grad(lambda x: focal_loss(x, labels).sum())(logits)
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_it_stays_finite_for_certain_predictions():
    logits = jnp.array([[200.0, -200.0], [-200.0, 200.0]])
    labels = jnp.zeros(2, jnp.int32)
    values, gradient = jax.value_and_grad(lambda x: focal_loss(x, labels).sum())(logits)
    assert np.isfinite(values)
    assert np.isfinite(gradient).all()


def test_labels_of_another_shape_are_an_error():
    logits, labels = _random()
    with pytest.raises(Exception, match=r"shape|type"):
        focal_loss(logits, labels[:1])
