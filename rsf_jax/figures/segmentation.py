"""Pictures of segmentations into K classes, and of what is taken for what."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rsf_jax.errors import InputError
from rsf_jax.measures.losses import IGNORED
from rsf_jax.measures.segmentation import check_square

_COLUMN_WIDTH = 3.0  # inches
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
) -> np.ndarray:
    """Lays the colors of the classes over a frame; where there is no label it is darkened.

    Args:
        frame: [H, W, 3], or [H, W, 1] for gray; uint8, or float in 0..1.
        labels: integer [H, W], class indices or `IGNORED`.
        colors: [K, 3] in 0..255.
        alpha: opacity of the colors in 0..1.

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
    mixed = alpha * colorize(labels, colors) + (1 - alpha) * _as_bytes(frame)
    return np.rint(mixed).astype(np.uint8)


def save_overlays(
    path: Path,
    frames: np.ndarray,
    truths: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    colors: np.ndarray,
    titles: Sequence[str] | None = None,
) -> None:
    """Draws examples as rows: the frame, the truth, and what was predicted.

    Args:
        path: picture to write; the ending decides the format.
        frames: [V, H, W, 3], or [V, H, W, 1] for gray; uint8, or float in 0..1.
        truths: integer [V, H, W], class indices or `IGNORED`.
        predictions: integer [V, H, W] by the name of what predicted it; one column each.
        class_names: of the K classes.
        colors: [K, 3] in 0..255.
        titles: of the rows, written to their left; None for none.

    Raises:
        InputError: if the numbers of names, colors, titles or pictures do not fit each other.
    """
    rows = {"truth": len(truths), **{name: len(x) for name, x in predictions.items()}}
    rows |= {} if titles is None else {"titles": len(titles)}
    for name, number in rows.items():
        _check_number(name, number, len(frames), "frames")
    _check_number("class names", len(class_names), len(colors), "colors")
    height, width = truths.shape[1:]
    columns = {"truth": truths, **predictions}
    figure, axes = plt.subplots(
        len(frames),
        1 + len(columns),
        figsize=_overlay_size(len(frames), 1 + len(columns), height / width),
        squeeze=False,
        layout="constrained",
    )
    for v, row in enumerate(axes):
        _show(row[0], _as_bytes(frames[v]))
        for panel, labels in zip(row[1:], columns.values()):
            _show(panel, overlay(frames[v], labels[v], colors))
        if titles is not None:
            row[0].set_ylabel(titles[v], fontsize=9)
    for panel, name in zip(axes[0], ("frame", *columns)):
        panel.set_title(name, fontsize=10)
    _add_legend(figure, class_names, colors, unlabeled=bool((truths == IGNORED).any()))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_confusion(path: Path, matrix: np.ndarray, class_names: Sequence[str]) -> None:
    """Draws what the pixels of each true class were taken for, in percent of that class.

    The row of a class that does not occur in the truth is left empty.

    Args:
        path: picture to write; the ending decides the format.
        matrix: [K, K], pixels by true (rows) and predicted class (columns).
        class_names: of the K classes.

    Raises:
        InputError: if the matrix is not square, or has not one name a class.
    """
    check_square(matrix)
    _check_number("class names", len(class_names), len(matrix), "classes")
    percent = row_percent(matrix)
    side = _CELL * len(matrix)
    figure, axes = plt.subplots(figsize=(side + 2.2, side + 1.6), layout="constrained")
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(percent):
        if not np.isnan(value):
            color = "white" if value > 60 else "black" if value >= 0.05 else "0.75"
            text = f"{value:.1f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=color)
    ticks = range(len(matrix))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel="prediction", ylabel="truth")
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.7)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def row_percent(matrix: np.ndarray) -> np.ndarray:
    """Returns a confusion matrix in percent of its rows; NaN in a row without pixels."""
    total = matrix.sum(1, keepdims=True, dtype=np.float64)
    return np.where(total > 0, 100 * matrix / np.maximum(total, 1), np.nan)


def _check_number(what: str, number: int, wanted: int, of: str) -> None:
    if number != wanted:
        raise InputError(f"{what}: {number} for {wanted} {of}; one each is needed")


def _as_bytes(frame: np.ndarray) -> np.ndarray:
    """A frame [H, W, 1 or 3] as uint8 [H, W, 3]."""
    stored = frame if frame.dtype == np.uint8 else np.rint(255 * frame).astype(np.uint8)
    return np.broadcast_to(stored, (*stored.shape[:2], 3))


def _overlay_size(rows: int, columns: int, aspect: float) -> tuple[float, float]:
    """Inches, with room for titles and a legend."""
    return _COLUMN_WIDTH * columns + 0.3, _COLUMN_WIDTH * aspect * rows + 1.0


def _add_legend(
    figure: Figure, class_names: Sequence[str], colors: np.ndarray, *, unlabeled: bool
) -> None:
    entries = [(name, tuple(color / 255)) for name, color in zip(class_names, colors)]
    if unlabeled:
        entries.append(("not labeled", (0.0, 0.0, 0.0)))
    handles = [Patch(facecolor=color, edgecolor="0.5", label=name) for name, color in entries]
    # In inches: a patch with its gaps, and the longest name in letters of this size.
    entry_width = 0.6 + 0.08 * max(len(name) for name, _ in entries)
    columns = max(1, min(len(entries), int(figure.get_figwidth() / entry_width)))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image)
    axes.set_xticks([])
    axes.set_yticks([])
