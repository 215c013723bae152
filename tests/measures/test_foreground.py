import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.measures.foreground import (
    foreground,
    foreground_iou,
    foreground_scores,
    is_scored,
    mean_of_labeled,
)


def _mask(*pixels):
    return jnp.zeros((3, 3), bool).at[tuple(np.array(pixels, int).reshape(-1, 2).T)].set(True)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (_mask((0, 0), (0, 1)), _mask((0, 1), (0, 2)), 1 / 3),
        (_mask((0, 0)), _mask((0, 0)), 1.0),
        (_mask((0, 0)), _mask((2, 2)), 0.0),
        (_mask(), _mask((2, 2)), 0.0),
        (_mask(), _mask(), 1.0),
    ],
)
def test_iou_of_one_image(predicted, truth, expected):
    assert foreground_iou(predicted, truth) == pytest.approx(expected)


def test_every_image_has_its_own():
    predicted = jnp.stack([_mask((0, 0)), _mask((1, 1))])
    truth = jnp.stack([_mask((0, 0)), _mask((1, 1), (1, 2))])
    np.testing.assert_allclose(foreground_iou(predicted, truth), [1, 0.5])


def test_scores_of_the_foreground_follow_their_definitions():
    rng = np.random.default_rng(0)
    predicted, truth = rng.random((2, 5, 6, 7)) < 0.4
    ours = foreground_scores(predicted, truth)
    for i, (p, t) in enumerate(zip(predicted, truth)):
        hits, wrong, missed = (p & t).sum(), (p & ~t).sum(), (~p & t).sum()
        precision, recall = hits / (hits + wrong), hits / (hits + missed)
        assert ours.precision[i] == pytest.approx(precision)
        assert ours.recall[i] == pytest.approx(recall)
        assert ours.f1[i] == pytest.approx(2 * precision * recall / (precision + recall))
        background = (~p & ~t).sum() / (~t).sum()
        assert ours.balanced_accuracy[i] == pytest.approx((recall + background) / 2)
    np.testing.assert_allclose(ours.iou, foreground_iou(predicted, truth), rtol=1e-6)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (_mask(), _mask(), (1, 1, 1, 1)),
        (_mask(), _mask((0, 0)), (0, 0, 0, 0.5)),
        (_mask((0, 0)), _mask(), (0, 0, 0, 8 / 18)),
        (jnp.ones((3, 3), bool), jnp.ones((3, 3), bool), (1, 1, 1, 1)),
    ],
)
def test_scores_where_there_is_nothing(predicted, truth, expected):
    scores = foreground_scores(predicted, truth)
    found = (scores.precision, scores.recall, scores.f1, scores.balanced_accuracy)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_names_neither_class_is_no_foreground():
    labels = np.array([[1, 0, -1, 2, 255]])
    np.testing.assert_array_equal(foreground(np.ones_like(labels), labels)[0], [1, 1, 0, 0, 0])


def test_an_image_without_a_label_has_no_score():
    labels = jnp.full((2, 3, 3), 255).at[0, 0].set(jnp.array([0, 1, 1]))
    labeled = is_scored(labels)
    predicted = jnp.zeros((2, 3, 3), bool).at[:, :, 2].set(True)  # beside labels too
    scores = foreground_scores(predicted, labels == 1, labeled)
    assert scores.iou[0] == 0.5
    assert scores.precision[0] == 1
    assert scores.recall[0] == 0.5
    assert all(np.isnan(value[1]) for value in vars(scores).values())
    np.testing.assert_array_equal(foreground_iou(predicted, labels == 1, labeled), scores.iou)


def test_means_leave_out_what_has_no_score():
    scores = np.array([[0.5, np.nan, np.nan], [1.0, 0.25, np.nan]])
    assert mean_of_labeled(scores) == pytest.approx(1.75 / 3)
    np.testing.assert_array_equal(mean_of_labeled(scores, 0), [0.75, 0.25, np.nan])
    np.testing.assert_array_equal(mean_of_labeled(scores[:, 1:], 1), [np.nan, 0.25])
