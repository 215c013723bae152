"""Pictures of segmentations into K classes, and of what is taken for what."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rsf_jax.errors import InputError
from rsf_jax.figures.panels import score_text, show, shown_frames
from rsf_jax.measures.losses import IGNORED
from rsf_jax.measures.segmentation import check_square
from rsf_jax.ops.pixels import as_picture, luminance
from rsf_jax.paths import expand
from rsf_jax.trained.appearance import Appearance

_PARTS = ("frame", "truth", "prediction", "wrong")
_FEW_FRAMES = 4  # of a video, of which each is a row
_PAGE, _NARROWEST, _WIDEST = 9.0, 1.3, 2.4  # inches, of a figure and of a column
_DIMMED = 0.4  # brightness where a picture shows what is wrong
_WRONG = (255, 255, 255)  # no class of a usual palette
_CELL = 0.5  # inches, of a confusion matrix


def colorize(labels: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Paints every pixel in the color of its class, `IGNORED` ones black.

    Args:
        labels: integer [H, W], class indices or `IGNORED`.
        colors: [K, 3], red, green and blue of each class in 0..255.

    Returns:
        uint8 [H, W, 3].

    Raises:
        InputError: if a label has no color.
    """
    unknown = (labels != IGNORED) & ((labels < 0) | (labels >= len(colors)))
    if unknown.any():
        raise InputError(
            f"labels hold class {labels[unknown][0]}: there are colors for 0 to "
            f"{len(colors) - 1}, and {IGNORED} is a pixel without a label"
        )
    palette = np.zeros((IGNORED + 1, 3), np.uint8)
    palette[: len(colors)] = colors
    return palette[labels]


def overlay(
    frame: np.ndarray,
    labels: np.ndarray,
    colors: np.ndarray,
    alpha: float = 0.6,
    clear: int | None = None,
) -> np.ndarray:
    """Lays the colors of the classes over a frame; where there is no label it is darkened.

    They are mixed with its luminance: a hue says the class, whatever the color of the frame is.

    Args:
        frame: [H, W, 3], [H, W, 1] for gray, or of other channels, whose mean is shown; uint8, or
            float in 0..1.
        labels: integer [H, W], class indices or `IGNORED`.
        colors: [K, 3] in 0..255.
        alpha: opacity of the colors in 0..1.
        clear: class whose pixels are left as they are; None for none.

    Returns:
        uint8 [H, W, 3].

    Raises:
        InputError: if the sizes differ, or a label has no color.
    """
    if frame.shape[:2] != labels.shape:
        raise InputError(
            f"labels have shape {list(labels.shape)} and the frame has {list(frame.shape)}: "
            "height and width have to be the same"
        )
    mixed = alpha * colorize(labels, colors) + (1 - alpha) * luminance(_as_bytes(frame))
    return np.where((labels == clear)[..., None], _as_bytes(frame), np.rint(mixed).astype(np.uint8))


def save_segmentations(
    path: str | Path,
    frames: np.ndarray,
    truth: np.ndarray,
    predicted: np.ndarray,
    iou: np.ndarray,
    look: Appearance,
) -> None:
    """Draws frames of videos, their true and predicted classes, and which pixels are wrong.

    A frame is a row where videos are short, else a column. Of long videos some frames are drawn.

    Args:
        path: picture to write; the ending decides the format.
        frames: [V, T, H, W, C], as those of `overlay`.
        truth: integer [V, T, H, W], class indices or `IGNORED`.
        predicted: integer [V, T, H, W], class indices.
        iou: [V, T], written under each prediction; NaN where nothing is labeled.
        look: names and colors of the classes; the background is left clear.

    Raises:
        InputError: if sizes differ, or a label has no color.
    """
    videos, length = truth.shape[:2]
    shown = shown_frames(length)
    figure, grid = _grid(videos, shown, truth.shape[2] / truth.shape[3])
    for (v, t), panels in grid.items():
        images = _images(frames[v, t], truth[v, t], predicted[v, t], look)
        for panel, image in zip(panels, images, strict=True):
            show(panel, image)
        panels[_PARTS.index("prediction")].set_xlabel(score_text(iou[v, t]), fontsize=8)
    _add_legend(figure, look, unlabeled=bool((truth == IGNORED).any()))
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def _grid(
    videos: int, shown: list[int], aspect: float
) -> tuple[Figure, dict[tuple[int, int], list[Axes]]]:
    """A figure, and the panels of each frame of each video in the order of `_PARTS`."""
    parts, upright = len(_PARTS), len(shown) <= _FEW_FRAMES
    rows, columns = (videos * len(shown), parts) if upright else (videos * parts, len(shown))
    width = min(_WIDEST, max(_NARROWEST, _PAGE / columns))
    size = (width * columns + 0.3, (width * aspect + 0.25) * rows + 0.6)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    grid = {}
    for v, (place, t) in itertools.product(range(videos), enumerate(shown)):
        frame = f"frame {t + 1}"
        if upright:
            panels = list(axes[v * len(shown) + place])
            panels[0].set_ylabel(f"video {v + 1}, {frame}", fontsize=9)
        else:
            panels = list(axes[v * parts : (v + 1) * parts, place])
            panels[0].set_title(frame if v == 0 else "", fontsize=9)
        grid[v, t] = panels
    for number, name in enumerate(_PARTS):
        if upright:
            axes[0, number].set_title(name, fontsize=9)
        for v in range(0 if upright else videos):
            axes[v * parts + number, 0].set_ylabel(name, fontsize=9)
    return figure, grid


def _images(
    frame: np.ndarray, truth: np.ndarray, predicted: np.ndarray, look: Appearance
) -> list[np.ndarray]:
    """What is shown of a frame, in the order of `_PARTS`."""
    wrong = (_DIMMED * _as_bytes(frame)).astype(np.uint8)
    wrong[(predicted != truth) & (truth != IGNORED)] = _WRONG
    classes = (overlay(frame, x, look.colors, clear=look.background) for x in (truth, predicted))
    return [_as_bytes(frame), *classes, wrong]


def save_confusion(
    path: str | Path, matrix: np.ndarray, class_names: Sequence[str], colors: np.ndarray
) -> None:
    """Draws what the pixels of each true class were taken for, in percent of that class.

    The row of a class that does not occur in the truth is left empty. A square at each name has
    the color of the class.

    Args:
        path: picture to write; the ending decides the format.
        matrix: [K, K], pixels by true (rows) and predicted class (columns).
        class_names: of the K classes.
        colors: [K, 3] in 0..255.

    Raises:
        InputError: if the matrix is not square, or has not one name and color a class.
    """
    check_square(matrix)
    _check_number("class names", len(class_names), len(matrix), "classes")
    _check_number("colors", len(colors), len(matrix), "classes")
    percent = row_percent(matrix)
    side = _CELL * len(matrix)
    figure, axes = plt.subplots(figsize=(side + 2.2, side + 1.6), layout="constrained")
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(percent):
        if not np.isnan(value):
            color = "white" if value > 60 else "black" if value >= 0.05 else "0.45"
            text = f"{value:.1f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    ticks = range(len(matrix))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, class_names)
    axes.tick_params(length=0, pad=16)
    for k, color in enumerate(colors):
        for place in ((-0.72, k), (k, len(matrix) - 0.28)):
            axes.plot(*place, "s", color=color / 255, markeredgecolor="0.5", ms=8, clip_on=False)
    axes.set(xlim=(-0.5, len(matrix) - 0.5), ylim=(len(matrix) - 0.5, -0.5))
    axes.set(xlabel="prediction", ylabel="truth")
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.7)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def row_percent(matrix: np.ndarray) -> np.ndarray:
    """Returns a confusion matrix in percent of its rows; NaN in a row without pixels."""
    total = matrix.sum(1, keepdims=True, dtype=np.float64)
    return np.where(total > 0, 100 * matrix / np.maximum(total, 1), np.nan)


def _check_number(what: str, number: int, wanted: int, of: str) -> None:
    if number != wanted:
        raise InputError(f"{what}: {number} for {wanted} {of}; one each is needed")


def _as_bytes(frame: np.ndarray) -> np.ndarray:
    """A frame [H, W, C] as uint8 [H, W, 3]."""
    return np.broadcast_to(as_picture(frame), (*frame.shape[:2], 3))


def _add_legend(figure: Figure, look: Appearance, *, unlabeled: bool) -> None:
    entries = [
        (f"{name} (clear)", "none") if k == look.background else (name, tuple(color / 255))
        for k, (name, color) in enumerate(zip(look.class_names, look.colors))
    ]
    entries.append(("wrong class", tuple(np.array(_WRONG) / 255)))
    if unlabeled:
        entries.append(("not labeled", (0.0, 0.0, 0.0)))
    handles = [
        Patch(facecolor=color, edgecolor="0.5", label=name, hatch="///" if color == "none" else "")
        for name, color in entries
    ]
    # In inches: a patch with its gaps, and the longest name in letters of this size.
    entry_width = 0.6 + 0.08 * max(len(name) for name, _ in entries)
    columns = max(1, min(len(entries), int(figure.get_figwidth() / entry_width)))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
