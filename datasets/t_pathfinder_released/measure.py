"""Measures the dashes of masks: how long, how thick, how far apart."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import distance

_TOUCHING = np.ones((3, 3))  # pixels that share a corner belong together


@dataclasses.dataclass(frozen=True)
class Dashes:
    """What a mask shows of its contour. Lengths in pixels.

    Attributes:
        pitches: float64 [n - 1], distances of neighboring dashes, middle to middle.
        lengths: float64 [n], of the dashes along their longer axis.
        widths: float64 [n], across it.
    """

    pitches: np.ndarray
    lengths: np.ndarray
    widths: np.ndarray


def measure(mask: np.ndarray) -> Dashes:
    """Measures the dashes of a mask of one contour.

    Dashes are islands of pixels: two that touch count as one. Neighbors are joined by the shortest
    tree through all middles, which runs along a contour whose turns keep it from itself.

    Args:
        mask: bool [H, W], the pixels of one contour.
    """
    islands, count = ndimage.label(mask, _TOUCHING)
    pixels = [np.argwhere(islands == number) for number in range(1, count + 1)]
    middles = np.array([part.mean(0) for part in pixels]).reshape(-1, 2)
    tree = minimum_spanning_tree(distance.cdist(middles, middles)) if count > 1 else None
    sides = np.array([_sides(part) for part in pixels]).reshape(-1, 2)
    pitches = np.empty(0) if tree is None else np.asarray(tree.data)
    return Dashes(pitches, sides[:, 0], sides[:, 1])


def _sides(pixels: np.ndarray) -> tuple[float, float]:
    """Sides of the rectangle with the same second moments."""
    # A pixel is a square: its own spread is that of a side of 1.
    spread = np.cov(pixels.T, bias=True) + np.eye(2) / 12
    smaller, larger = np.sqrt(12 * np.linalg.eigvalsh(spread))
    return float(larger), float(smaller)
