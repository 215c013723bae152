"""Layout: fits contours of given lengths into the frame without touching or crossing."""

from __future__ import annotations

import dataclasses

import numpy as np

from contours.board import CELLS, template
from contours.geometry import Geometry
from contours.headings import COSINE, DEGREES, SINE
from contours.search import Contour, Search


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the final contours lie.

    Attributes:
        segments: float32 [sum of lengths, 3]: center x, center y (pixels from the frame's
            upper left corner), direction (radians); contour after contour, in order of growth.
        attempts: layouts tried, this one included.
        relaxation: index of the spacing used; 0 is the geometry as wanted.
    """

    segments: np.ndarray
    attempts: int
    relaxation: int


def lay_out(geometry: Geometry, lengths: np.ndarray, seed: int, index: int) -> Layout:
    """Fits contours of `lengths`, retrying and, at last, loosening the spacing.

    Args:
        geometry: frame, dashes and spacing.
        lengths: int [contours], final lengths in segments. They are never changed.
        seed: seed of the subset.
        index: number of the video.

    Returns:
        The first layout that fits; a pure function of the arguments.

    Raises:
        ValueError: when not even the last spacing holds these lengths.
    """
    wanted = [int(length) for length in lengths]
    attempt = 0
    for relaxation, spacing in enumerate(geometry.spacings):
        shape = template(geometry, spacing)
        for _ in range(geometry.attempts):
            attempt += 1  # also the number of the random stream; the plan has stream 0
            rng = np.random.default_rng([seed, index, attempt])
            contours = Search(shape, spacing, geometry.choices, rng).place(wanted)
            if contours is not None:
                segments = to_pixels(contours, shape.pitch, shape.pad)
                return Layout(segments, attempt, relaxation)
    raise ValueError(
        f"video {index} of seed {seed} does not fit: contours of {wanted} segments in "
        f"{geometry.height}x{geometry.width} pixels after {attempt} layouts; enlarge the frame, "
        f"shorten the dashes or the lengths, raise attempts={geometry.attempts}, or add a looser "
        f"Spacing after {geometry.spacings[-1]} (geometry: {geometry})."
    )


def to_pixels(contours: list[Contour], pitch: float, pad: int) -> np.ndarray:
    """Centers (pixels) and directions (radians) [segments, 3] of segments given in board cells."""
    half = pitch / 2
    rows = [
        ((x + half * COSINE[d] - pad) / CELLS, (y + half * SINE[d] - pad) / CELLS, d)
        for contour in contours
        for x, y, d in contour
    ]
    segments = np.array(rows, np.float64)
    segments[:, 2] *= 2 * np.pi / DEGREES
    return segments.astype(np.float32)
