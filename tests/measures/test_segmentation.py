import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.errors import InputError
from rsf_jax.measures.segmentation import (
    IGNORED,
    balanced_weights,
    confusion_matrix,
    flicker,
    mean_iou,
    scores,
)


def _random(shape, classes, *, ignored=0.2, seed=0):
    rng = np.random.default_rng(seed)
    predicted, truth = rng.integers(classes, size=(2, *shape))
    truth[rng.random(shape) < ignored] = IGNORED
    return predicted, truth


def _counted(predicted, truth, classes):
    """The definition, pixel by pixel."""
    matrix = np.zeros((classes, classes), int)
    for p, t in zip(predicted.ravel(), truth.ravel()):
        if t != IGNORED:
            matrix[t, p] += 1
    return matrix


def test_rows_are_true_and_columns_predicted_classes():
    truth = np.array([[0, 0, 1], [2, 2, IGNORED]])
    predicted = np.array([[0, 1, 1], [0, 2, 2]])
    found = confusion_matrix(predicted, truth, 4)
    np.testing.assert_array_equal(found, [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
@pytest.mark.parametrize("classes", [1, 2, 11])
def test_every_image_is_counted_by_itself(classes, dtype):
    predicted, truth = _random((2, 3, 5, 7), classes)
    count = jax.jit(confusion_matrix, static_argnums=2)
    found = count(predicted.astype(dtype), truth.astype(dtype), classes)
    assert found.shape == (2, 3, classes, classes)
    assert found.dtype == jnp.int32
    for i in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[i], _counted(predicted[i], truth[i], classes))


def test_large_images_are_counted_exactly():
    shape = (1500, 1501)
    truth = np.zeros(shape, np.uint8)
    predicted = np.ones(shape, np.uint8)
    predicted[0, 0] = 0
    found = confusion_matrix(predicted, truth, 2)
    np.testing.assert_array_equal(found, [[1, 1500 * 1501 - 1], [0, 0]])


@pytest.mark.parametrize("classes", [0, 256])
def test_classes_that_labels_cannot_name_are_refused(classes):
    image = np.zeros((2, 2), np.uint8)
    with pytest.raises(InputError, match=f"{classes} classes: 1 to 255"):
        confusion_matrix(image, image, classes)


def test_scores_of_a_case_counted_by_hand():
    # Class 2 is predicted but never true, class 3 is neither.
    matrix = np.array([[6, 2, 0, 0], [1, 3, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    found = scores(matrix)
    np.testing.assert_allclose(found.iou, [6 / 9, 3 / 10, 0, np.nan])
    assert found.miou == pytest.approx((6 / 9 + 3 / 10 + 0) / 3)
    assert found.accuracy == pytest.approx(9 / 16)
    assert found.class_accuracy == pytest.approx((6 / 8 + 3 / 8) / 2)


def test_scores_follow_their_definitions():
    predicted, truth = _random((4, 9, 8), 5)
    matrices = np.asarray(confusion_matrix(predicted, truth, 5), np.int64)
    found, known = scores(matrices.sum(0)), truth != IGNORED
    for k in range(5):
        p, t = (predicted == k) & known, truth == k
        assert found.iou[k] == pytest.approx((p & t).sum() / (p | t).sum())
    recalls = [(predicted == k)[truth == k].mean() for k in range(5)]
    assert found.class_accuracy == pytest.approx(np.mean(recalls))
    assert found.accuracy == pytest.approx((predicted == truth)[known].mean())


def test_a_split_of_more_pixels_than_int32_holds():
    large = 3 * 2**31
    found = scores(np.array([[large, large], [0, 2 * large]]))
    np.testing.assert_allclose(found.iou, [1 / 2, 2 / 3])
    assert found.accuracy == pytest.approx(3 / 4)


def test_scores_of_nothing_are_not_numbers():
    found = scores(np.zeros((3, 3), int))
    assert np.isnan(found.iou).all()
    assert np.isnan([found.miou, found.accuracy, found.class_accuracy]).all()


def test_the_matrices_of_several_images_have_to_be_summed():
    with pytest.raises(InputError, match=r"shape \[2, 3\]: \[K, K\] is needed"):
        scores(np.zeros((2, 3)))


def test_mean_iou_of_each_image_is_its_score():
    predicted, truth = _random((2, 3, 4, 5), 6)
    truth[0, 0] = np.where(truth[0, 0] == IGNORED, IGNORED, 1)
    predicted[0, 0] %= 2
    matrices = confusion_matrix(predicted, truth, 6)
    found = jax.jit(mean_iou)(matrices)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(mean_iou(np.asarray(matrices, np.int64)), found, rtol=1e-6)
    for i in np.ndindex(2, 3):
        assert found[i] == pytest.approx(scores(np.asarray(matrices[i])).miou)


def test_mean_iou_where_nothing_is_labeled():
    assert np.isnan(mean_iou(jnp.zeros((3, 3), jnp.int32)))


def test_flicker_of_a_case_counted_by_hand():
    # Columns: stays and changes once; moves; stays, unlabeled in the last; never labeled.
    truth = np.array([[[0, 0, 1, IGNORED]], [[0, 1, 1, IGNORED]], [[0, 1, IGNORED, IGNORED]]])
    predicted = np.array([[[0, 0, 2, 0]], [[3, 1, 0, 1]], [[3, 1, 2, 0]]])
    changed, counted = flicker(predicted, truth)
    assert (changed, counted) == (2, 2 + 1 + 1)


def test_flicker_of_videos_together_is_that_of_each():
    predicted, truth = _random((2, 3, 4, 6, 5), 2)
    changed, counted = jax.jit(flicker)(predicted, truth)
    assert changed.shape == counted.shape == (2, 3)
    for i in np.ndindex(2, 3):
        p, t = predicted[i], truth[i]
        same = (t[:-1] == t[1:]) & (t[1:] != IGNORED)
        assert counted[i] == same.sum()
        assert changed[i] == (p[:-1] != p[1:])[same].sum()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_labels_of_every_type_are_counted(dtype):
    truth = jnp.array([[[0, 1], [1, 0]], [[0, 1], [0, 0]]], dtype)
    changed, counted = flicker(1 - truth, truth)
    assert (changed.item(), counted.item()) == (0, 3)
    matrix = confusion_matrix(truth, truth, 128).sum(0)
    assert matrix[:2, :2].tolist() == [[5, 0], [0, 3]]
    assert matrix.sum() == 8


def test_what_is_right_or_constant_or_a_single_frame_does_not_flicker():
    predicted, truth = _random((3, 4, 5), 3, ignored=0)
    changed, counted = flicker(truth, truth)
    assert (changed, counted > 0) == (0, True)
    assert flicker(np.full_like(truth, 2), truth)[0] == 0
    assert flicker(predicted[:1], truth[:1]) == (0, 0)


def test_full_balance_makes_classes_count_the_same():
    counts = np.array([700, 200, 100])
    weights = balanced_weights(counts, 1.0)
    np.testing.assert_allclose(weights * counts, counts.sum() / 3)
    # Median-frequency balancing, up to a common factor.
    frequency = counts / counts.sum()
    factors = weights / (np.median(frequency) / frequency)
    np.testing.assert_allclose(factors, factors[0])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_average_pixel_weighs_one(power):
    counts = np.array([10**12, 3, 0, 10**6])
    weights = balanced_weights(counts, power)
    assert np.average(weights, weights=counts) == pytest.approx(1)
    assert weights[0] / weights[3] == pytest.approx(1e-6**power)
    assert weights[2] == 1


def test_without_power_all_weights_are_one():
    np.testing.assert_allclose(balanced_weights(np.array([5, 0, 1]), 0.0), 1)


def test_nothing_to_balance_is_an_error():
    with pytest.raises(InputError, match="no pixel belongs to a class"):
        balanced_weights(np.zeros(3, int), 1.0)


@pytest.mark.parametrize("other", [-1, 3, 7, IGNORED])
def test_what_names_no_class_counts_nowhere(other):
    image = np.array([[[0, 1, 2, 1]], [[0, 1, 2, 2]]])
    spoiled = image.copy()
    spoiled[0, 0, 1] = other
    expected = [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    for predicted, truth in ((spoiled, image), (image, spoiled)):
        found = confusion_matrix(predicted, truth, 3)[0]
        np.testing.assert_array_equal(found, np.add(expected, np.diag([0, 1, 0])))
        assert flicker(predicted, truth, 3)[1] == 2
