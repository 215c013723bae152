import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rsf_jax.measures.losses import (
    IGNORED,
    Objective,
    focal_loss,
    is_labeled,
    mean_over_labeled,
)


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


@pytest.mark.parametrize("loss", ["focal", "evidential"])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32"])
@pytest.mark.parametrize("classes", [2, 200])
def test_labels_of_every_type_count_alike(loss, dtype, classes):
    logits = jax.random.normal(jax.random.key(0), (2, 3, 4, classes))
    labels = jax.random.randint(jax.random.key(1), (2, 3, 4), 0, 2)
    objective = Objective(loss=loss, class_weights=(1.0, 2.0) + (3.0,) * (classes - 2))
    expected = objective(logits, labels)
    assert (expected > 0).all()
    for given in (labels.astype(dtype), np.asarray(labels, dtype)):
        assert is_labeled(given).all()
        assert is_labeled(given, classes).all()
        np.testing.assert_array_equal(objective(logits, given), expected)
        np.testing.assert_array_equal(mean_over_labeled(jnp.ones((2, 3, 4)), given), [1, 1])


def test_negative_labels_of_few_bits_name_no_class():
    assert is_labeled(jnp.int8([-128, -1, 0, 127])).tolist() == [False, False, True, True]


def test_pixels_without_a_label_count_nowhere():
    logits, labels = _random()
    unlabeled = labels.at[0, 1].set(IGNORED).at[1].set(IGNORED)
    loss, gradient = jax.value_and_grad(lambda x: Objective()(x, unlabeled[:, None]).sum())(
        logits[:, None]
    )
    assert gradient.shape == (2, 1, 3, 4)
    assert not gradient[0, 0, 1].any()
    assert not gradient[1].any()
    assert gradient[0, 0, 0].any()
    assert float(loss) == pytest.approx(float(focal_loss(logits, labels)[0, [0, 2]].mean()))


def test_a_mean_by_class_weights_is_a_mean():
    losses = jnp.array([[[1.0, 2.0, 4.0]]])
    labels = jnp.array([[[0, 1, IGNORED]]])
    assert mean_over_labeled(losses, labels, (1.0, 3.0)) == pytest.approx((1 + 3 * 2) / 4)
    assert mean_over_labeled(losses, labels) == pytest.approx(1.5)
    assert mean_over_labeled(losses, jnp.full((1, 1, 3), IGNORED)) == 0


@pytest.mark.parametrize("other", [-1, 4, 7, IGNORED])
def test_a_label_that_names_no_class_counts_nowhere(other):
    logits, labels = _random()
    spoiled = labels.at[0, 1].set(other)
    values, gradient = jax.value_and_grad(lambda x: focal_loss(x, spoiled).sum())(logits)
    expected = focal_loss(logits, labels).at[0, 1].set(0)
    np.testing.assert_allclose(values, expected.sum(), rtol=1e-6)
    assert np.isfinite(gradient).all()
    assert not gradient[0, 1].any()
    for weights in (None, (1.0, 2.0, 3.0, 4.0)):
        ours = Objective(class_weights=weights)(logits[:, None], spoiled[:, None])
        ignored = labels.at[0, 1].set(IGNORED)
        theirs = Objective(class_weights=weights)(logits[:, None], ignored[:, None])
        np.testing.assert_array_equal(ours, theirs)
