"""Panels that show one image each."""

import numpy as np
from matplotlib.axes import Axes

MOST_FRAMES = 16  # of a video in a picture


def shown_frames(length: int) -> list[int]:
    """Returns which frames of a video are drawn: all, or some evenly spread with both ends."""
    return np.linspace(0, length - 1, min(length, MOST_FRAMES)).round().astype(int).tolist()


def score_text(iou: float | np.floating) -> str:
    """Returns what is written under a frame; NaN is a frame without a label."""
    return "no label" if np.isnan(iou) else f"IoU {iou:.2f}"


def show(axes: Axes, image: np.ndarray) -> None:
    """Fills a panel with an image, its pixels as squares, without ticks."""
    axes.imshow(image, interpolation="nearest", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
