import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest

from rsf_jax.errors import InputError
from rsf_jax.figures.segmentation import (
    colorize,
    overlay,
    row_percent,
    save_confusion,
    save_segmentations,
)
from rsf_jax.measures.segmentation import IGNORED
from rsf_jax.trained.appearance import Appearance
from rsf_jax.trained.palette import spread_colors

COLORS = np.array([[200, 0, 0], [0, 100, 0], [10, 20, 250]], np.uint8)
NAMES = ("road", "tree", "car")


@pytest.mark.parametrize("classes", [1, 2, 8, 9, 20])
def test_classes_without_colors_get_different_ones(classes):
    colors = spread_colors(classes)
    assert colors[0].tolist() == [128] * 3
    assert colors[1:4].tolist() == [[230, 159, 0], [86, 180, 233], [0, 158, 115]][: classes - 1]
    assert (colors.shape, colors.dtype) == ((classes, 3), np.uint8)
    gaps = np.abs(colors[:, None].astype(int) - colors[None]).max(-1)
    assert (gaps[~np.eye(classes, dtype=bool)] > 10).all()


def test_every_class_has_its_color_and_ignored_pixels_are_black():
    labels = np.array([[0, 1], [2, IGNORED]], np.uint8)
    found = colorize(labels, COLORS)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[[200, 0, 0], [0, 100, 0]], [[10, 20, 250], [0, 0, 0]]])


@pytest.mark.parametrize("label", [-1, 3, 254, 256])
def test_a_label_without_a_color_is_an_error(label):
    with pytest.raises(InputError, match=f"class {label}: there are colors for 0 to 2"):
        colorize(np.array([[0, label]]), COLORS)


@pytest.mark.parametrize(
    "frame",
    [
        np.full((1, 2, 3), 100, np.uint8),
        np.full((1, 2, 1), 100, np.uint8),
        np.full((1, 2, 3), 100 / 255, np.float32),
        np.full((1, 2, 4), (0, 150, 200, 50), np.uint8),
    ],
)
def test_overlays_mix_frame_and_colors(frame):
    labels = np.array([[0, IGNORED]])
    found = overlay(frame, labels, COLORS)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[[160, 40, 40], [40, 40, 40]]])
    np.testing.assert_array_equal(
        overlay(frame, labels, COLORS, alpha=0.25), [[[125, 75, 75], [75, 75, 75]]]
    )


def test_a_hue_says_the_class_whatever_it_lies_over():
    frame = np.array([[[250, 20, 20], [20, 20, 250]]], np.uint8)
    found = overlay(frame, np.array([[1, 1]]), COLORS, alpha=0.5)
    gray = found - np.rint(0.5 * COLORS[1].astype(float))
    assert np.ptp(gray, -1).max() <= 1
    clear = overlay(frame, np.array([[1, 0]]), COLORS, clear=0)
    np.testing.assert_array_equal(clear[0, 1], frame[0, 1])


def test_labels_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"labels have shape \[2, 2\] .* \[4, 4, 3\]"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), int), COLORS)


def _has(picture, color, tolerance=2):
    """Share of the pixels of a picture that have a color."""
    return (np.abs(picture - np.array(color, float)) <= tolerance).all(-1).mean()


def _read(path):
    return 255 * matplotlib.image.imread(path)[..., :3]


def _mixed(color):
    return 0.6 * np.array(color) + 0.4 * 255


def _save(path, length=2, background=0, unlabeled=True, size=(40, 60)):
    """White frames; the right half is class 1 and found to be 2, the left is class 0."""
    frames = np.full((1, length, *size, 3), 255, np.uint8)
    truth = np.zeros((1, length, *size), np.uint8)
    truth[..., size[1] // 2 :] = 1
    predicted = np.where(truth == 1, 2, 0)
    if unlabeled:
        truth[..., :5, :5] = IGNORED
    iou = np.full((1, length), 0.25)
    iou[0, -1] = np.nan
    look = Appearance(list(NAMES), COLORS, size, background)
    save_segmentations(path, frames, truth, predicted, iou, look)
    return _read(path)


def test_every_class_has_its_color_and_the_background_none(tmp_path):
    picture = _save(tmp_path / "clear.png")
    tinted = _save(tmp_path / "tinted.png", background=None)
    for k in (1, 2):
        assert _has(picture, _mixed(COLORS[k])) == pytest.approx(_has(tinted, _mixed(COLORS[k])))
        assert _has(picture, _mixed(COLORS[k])) > 0.05
    assert _has(picture, _mixed(COLORS[0])) == 0 < _has(tinted, _mixed(COLORS[0]))
    # Half of the last panel is wrong, and white on a frame that is as dark as what has no label.
    labeled = _save(tmp_path / "labeled.png", unlabeled=False)
    dark = _has(labeled, _mixed((0, 0, 0)))
    assert dark == pytest.approx(_has(labeled, _mixed(COLORS[2])), rel=0.1)
    assert _has(picture, _mixed((0, 0, 0))) > dark


def _figure_of(monkeypatch, path, **changes):
    figures = []
    with monkeypatch.context() as patch:
        patch.setattr(plt, "close", figures.append)
        _save(path, **changes)
    plt.close(figures[0])
    return figures[0]


@pytest.mark.parametrize(("length", "shape"), [(2, (2, 4)), (6, (4, 6)), (20, (4, 16))])
def test_frames_have_numbers_and_scores(tmp_path, monkeypatch, length, shape):
    figure = _figure_of(monkeypatch, tmp_path / "a.png", length=length)
    axes = np.array(figure.axes).reshape(shape)
    labels = [a.get_xlabel() for a in (axes[:, 2] if length == 2 else axes[2])]
    assert labels == ["IoU 0.25"] * (len(labels) - 1) + ["no label"]
    if length == 2:
        assert [a.get_ylabel() for a in axes[:, 0]] == ["video 1, frame 1", "video 1, frame 2"]
    else:
        titles = [a.get_title() for a in axes[0]]
        assert (titles[0], titles[-1]) == ("frame 1", f"frame {length}")
        assert [a.get_ylabel() for a in axes[:, 0]] == ["frame", "truth", "prediction", "wrong"]


def test_the_legend_names_the_classes_in_their_colors(tmp_path, monkeypatch):
    (legend,) = _figure_of(monkeypatch, tmp_path / "a.png").legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["road (clear)", "tree", "car", "wrong class", "not labeled"]
    faces = [patch.get_facecolor() for patch in legend.get_patches()]
    np.testing.assert_allclose(faces[1], [0, 100 / 255, 0, 1])
    assert faces[0][3] == 0


def test_confusions_are_in_percent_of_the_true_class():
    found = row_percent(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]]))
    np.testing.assert_allclose(found, [[75, 25, 0], [np.nan] * 3, [50, 0, 50]])


def test_the_diagonal_of_a_good_confusion_matrix_is_dark(tmp_path):
    good, bad = np.diag([10, 20, 30]), np.array([[0, 10, 0], [0, 0, 20], [30, 0, 0]])
    pictures = {}
    for name, matrix in (("good", good), ("bad", bad), ("empty", np.zeros((3, 3), int))):
        save_confusion(tmp_path / f"{name}.png", matrix, NAMES, COLORS)
        pictures[name] = _read(tmp_path / f"{name}.png")
    dark = {name: _has(picture, (8, 48, 107)) for name, picture in pictures.items()}
    # Both have three dark cells, in different places; without pixels only the color bar is dark.
    assert dark["good"] == pytest.approx(dark["bad"], rel=0.1)
    assert dark["good"] > 3 * dark["empty"]
    differing = (pictures["good"] != pictures["bad"]).any(-1).mean()
    assert differing > dark["good"]


def test_every_cell_of_a_confusion_matrix_says_its_percentage(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(plt, "close", figures.append)
    save_confusion(tmp_path / "a.png", np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]]), NAMES, COLORS)
    monkeypatch.undo()
    axes = figures[0].axes[0]
    found = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert found == {
        (0, 0): "75.0",
        (0, 1): "25.0",
        (0, 2): "0.0",
        (2, 0): "50.0",
        (2, 1): "0.0",
        (2, 2): "50.0",
    }
    np.testing.assert_allclose(axes.images[0].get_array()[0].astype(float), [75, 25, 0])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("prediction", "truth")
    squares = [tuple(np.rint(255 * np.array(line.get_color()))) for line in axes.lines]
    assert squares == [tuple(color) for color in COLORS.repeat(2, 0)]
    plt.close(figures[0])


def test_confusions_need_a_name_for_each_class(tmp_path):
    with pytest.raises(InputError, match="class names: 2 for 3 classes"):
        save_confusion(tmp_path / "a.png", np.eye(3), NAMES[:2], COLORS)
    with pytest.raises(InputError, match="colors: 2 for 3 classes"):
        save_confusion(tmp_path / "a.png", np.eye(3), NAMES, COLORS[:2])


def test_classes_without_colors_get_some_that_differ():
    colors = spread_colors(11).astype(int)
    distances = np.abs(colors[:, None] - colors[None]).sum(-1)
    assert distances[~np.eye(11, dtype=bool)].min() > 40
