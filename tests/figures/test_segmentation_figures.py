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
    save_overlays,
)
from rsf_jax.measures.segmentation import IGNORED
from rsf_jax.trained.appearance import spread_colors

COLORS = np.array([[200, 0, 0], [0, 100, 0], [10, 20, 250]], np.uint8)
NAMES = ("road", "tree", "car")


@pytest.mark.parametrize("classes", [1, 2, 20])
def test_classes_without_colors_get_different_ones(classes):
    colors = spread_colors(classes)
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


def test_labels_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"labels have shape \[2, 2\] .* \[4, 4, 3\]"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), int), COLORS)


def _example(rows=2):
    """White frames; truth 0, with a corner that nobody labeled; predictions 1 and 2."""
    frames = np.full((rows, 40, 60, 3), 255, np.uint8)
    truths = np.zeros((rows, 40, 60), np.uint8)
    truths[:, :10, :10] = IGNORED
    predictions = {"first": np.full_like(truths, 1), "second": np.full_like(truths, 2)}
    return frames, truths, predictions


def _has(picture, color, tolerance=2):
    """Share of the pixels of a picture that have a color."""
    return (np.abs(picture - np.array(color, float)) <= tolerance).all(-1).mean()


def _read(path):
    return 255 * matplotlib.image.imread(path)[..., :3]


def _mixed(color):
    return 0.6 * np.array(color) + 0.4 * 255


def test_a_row_for_each_example_and_a_column_for_each_prediction(tmp_path):
    frames, truths, predictions = _example()
    save_overlays(
        tmp_path / "a.png", frames, truths, predictions, NAMES, COLORS, ("video 1", "video 2")
    )
    picture = _read(tmp_path / "a.png")
    height, width = picture.shape[:2]
    assert (height, width) == (2 * 240 + 120, 4 * 360 + 36)
    columns = [_has(part, _mixed(color)) for part, color in zip(_quarters(picture), COLORS)]
    # Mostly their color: three quarters of a column, and the rest is text and gaps.
    assert min(columns) > 0.6
    # Frame and predictions are in places of their own.
    assert _has(_quarters(picture)[0], _mixed(COLORS[1])) == 0
    # Legend: the colors as they are, at the bottom.
    for color in (*COLORS, (0, 0, 0)):
        assert _has(picture[-80:], color) > 0.001
    # What nobody labeled is dark.
    assert _has(_quarters(picture)[0], _mixed((0, 0, 0))) > 0.02


def _quarters(picture):
    """The columns after the frame."""
    return np.array_split(picture, 4, axis=1)[1:]


def test_black_is_in_the_legend_only_where_labels_are_missing(tmp_path):
    frames, truths, predictions = _example(rows=1)
    sizes = []
    for name, labels in (("with", truths), ("without", np.zeros_like(truths))):
        save_overlays(tmp_path / f"{name}.png", frames, labels, predictions, NAMES, COLORS)
        sizes.append(_has(_read(tmp_path / f"{name}.png"), (0, 0, 0)))
    # A patch of 9 points' text is about 18 by 6 pixels of 1476 by 360.
    assert sizes[0] - sizes[1] > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": NAMES[:2]}, "class names: 2 for 3 colors"),
        ({"titles": ("one",)}, "titles: 1 for 2 frames"),
        ({"truths": np.zeros((1, 40, 60), np.uint8)}, "truth: 1 for 2 frames"),
        ({"predictions": {"ours": np.zeros((3, 40, 60), np.uint8)}}, "ours: 3 for 2 frames"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, message):
    frames, truths, predictions = _example()
    given = {
        "frames": frames,
        "truths": truths,
        "predictions": predictions,
        "class_names": NAMES,
        "colors": COLORS,
    }
    with pytest.raises(InputError, match=message):
        save_overlays(tmp_path / "a.png", **{**given, **changes})
    assert not (tmp_path / "a.png").exists()


def test_confusions_are_in_percent_of_the_true_class():
    found = row_percent(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]]))
    np.testing.assert_allclose(found, [[75, 25, 0], [np.nan] * 3, [50, 0, 50]])


def test_the_diagonal_of_a_good_confusion_matrix_is_dark(tmp_path):
    good, bad = np.diag([10, 20, 30]), np.array([[0, 10, 0], [0, 0, 20], [30, 0, 0]])
    pictures = {}
    for name, matrix in (("good", good), ("bad", bad), ("empty", np.zeros((3, 3), int))):
        save_confusion(tmp_path / f"{name}.png", matrix, NAMES)
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
    save_confusion(tmp_path / "a.png", np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]]), NAMES)
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
    plt.close(figures[0])


def test_confusions_need_a_name_for_each_class(tmp_path):
    with pytest.raises(InputError, match="class names: 2 for 3 classes"):
        save_confusion(tmp_path / "a.png", np.eye(3), NAMES[:2])


def test_classes_without_colors_get_some_that_differ():
    colors = spread_colors(11).astype(int)
    distances = np.abs(colors[:, None] - colors[None]).sum(-1)
    assert distances[~np.eye(11, dtype=bool)].min() > 40
