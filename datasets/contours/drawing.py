"""Drawing: anti-aliased dashes, and the frames and masks that they make up."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from contours.geometry import SUPERSAMPLING, Geometry
from contours.headings import COSINE, DEGREES, SINE

_COSINE, _SINE = np.array(COSINE, np.float32), np.array(SINE, np.float32)
# Ink of a pixel by the number of its sub-samples that are covered.
_INK = np.rint(np.arange(SUPERSAMPLING**2 + 1) * 255 / SUPERSAMPLING**2).astype(np.uint8)
MASK_ABOVE = 51  # a target pixel's ink / 255 is above 0.2, as in the published evaluation
NEVER = 255  # birth frame of a pixel without ink


@dataclasses.dataclass(frozen=True)
class Canvas:
    """The final frame, with what is needed to go back in time.

    Attributes:
        ink: uint8 [H, W], 0 black to 255 white.
        birth: uint8 [H, W], first frame in which the pixel has its ink; NEVER without ink.
        contour: uint8 [H, W], contour that the ink belongs to; undefined without ink.
    """

    ink: np.ndarray
    birth: np.ndarray
    contour: np.ndarray


def redraw(
    geometry: Geometry, segments: np.ndarray, lengths: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Frames and masks of a video from what a dataset stores about it.

    Args:
        geometry: size of the frame and of a dash.
        segments: float32 [sum(lengths[-1]), 3]: center x, center y (pixels), direction
            (radians, drawn at the nearest whole degree); contour after contour, in order of
            growth.
        lengths: int32 [T, contours], segments of each contour in each frame.
        target: int32 [T], contour to be segmented.

    Returns:
        frames uint8 [T, H, W, 1] and masks uint8 [T, H, W] with values 0 and 1.
    """
    canvas = paint(geometry, segments, lengths)
    now = np.arange(len(lengths), dtype=np.uint8)[:, None, None]
    drawn = canvas.birth <= now
    frames = canvas.ink * drawn
    owned = canvas.contour == np.asarray(target, np.uint8)[:, None, None]
    masks = (drawn & owned & (canvas.ink > MASK_ABOVE)).astype(np.uint8)
    return frames[..., None], masks


def paint(geometry: Geometry, segments: np.ndarray, lengths: np.ndarray) -> Canvas:
    """Draws all segments once. Dashes never share a pixel, so their order does not matter.

    Args:
        geometry: size of the frame and of a dash.
        segments: as in `redraw`.
        lengths: as in `redraw`.

    Returns:
        The canvas of the last frame.
    """
    rows, columns, covered = _patches(geometry, segments)
    dash, y, x = np.nonzero(covered)
    size = covered.shape[1]
    shape = (geometry.height + 2 * size, geometry.width + 2 * size)  # patches may stick out
    at = (rows[dash, y] + size, columns[dash, x] + size)
    birth, contour = _origin(lengths)
    ink = np.zeros(shape, np.uint8)
    born = np.full(shape, NEVER, np.uint8)
    owner = np.full(shape, NEVER, np.uint8)
    ink[at], born[at], owner[at] = _INK[covered[dash, y, x]], birth[dash], contour[dash]
    return Canvas(*(plane[size:-size, size:-size] for plane in (ink, born, owner)))


def _origin(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First frame and contour, both uint8 [segments], of every segment in storage order."""
    final = lengths[-1]
    contour = np.repeat(np.arange(len(final), dtype=np.uint8), final)
    number = np.concatenate([np.arange(length) for length in final])
    # A segment is there once its contour is longer than the segment's number.
    birth = np.sum(lengths[:, contour] <= number, axis=0)
    return birth.astype(np.uint8), contour


def _patches(geometry: Geometry, segments: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covered sub-samples in a small square of pixels around every dash.

    Returns:
        Pixel rows int [N, P], pixel columns int [N, P], and counts uint8 [N, P, P] in 0..16.
    """
    x, y, direction = np.asarray(segments, np.float64).T
    heading = np.rint(direction * (DEGREES / (2 * math.pi))).astype(int) % DEGREES
    cosine, sine = _COSINE[heading][:, None, None], _SINE[heading][:, None, None]
    radius = math.hypot(geometry.dash_length, geometry.thickness) / 2
    size = math.ceil(2 * radius) + 1
    pixels = np.arange(size)
    top, left = np.floor(y - radius), np.floor(x - radius)
    sub = (np.arange(size * SUPERSAMPLING) + 0.5) / SUPERSAMPLING
    dy = (sub + (top - y)[:, None]).astype(np.float32)[:, :, None]
    dx = (sub + (left - x)[:, None]).astype(np.float32)[:, None, :]
    inside = np.abs(dx * cosine + dy * sine) <= geometry.dash_length / 2
    inside &= np.abs(dy * cosine - dx * sine) <= geometry.thickness / 2
    # Adding slices is several times faster than one sum over two short axes.
    lines = np.zeros((len(x), size, size * SUPERSAMPLING), np.uint8)
    covered = np.zeros((len(x), size, size), np.uint8)
    for k in range(SUPERSAMPLING):
        lines += inside[:, k::SUPERSAMPLING]
    for k in range(SUPERSAMPLING):
        covered += lines[:, :, k::SUPERSAMPLING]
    rows = top.astype(int)[:, None] + pixels
    columns = left.astype(int)[:, None] + pixels
    return rows, columns, covered
