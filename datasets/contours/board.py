"""Occupancy board: which places of the frame a new segment must keep away from."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable

import numpy as np

from contours.geometry import Geometry, Spacing
from contours.headings import COSINE, DEGREES, SINE

CELLS = 4  # board cells per pixel, along each axis
PHASES = 4  # positions told apart within a cell, along each axis
SAMPLE_STEP = 2.0  # pixels between the points of a segment's center line that are looked up

# A looked-up point is moved to the center of its cell, after its segment's start was moved to
# the center of one of PHASES^2 parts of a cell: together at most this many pixels.
READ_ROUNDING = math.sqrt(0.5) / CELLS * (1 + 1 / PHASES)
# A stamp's middle is moved to the center of its cell.
STAMP_ROUNDING = math.sqrt(0.5) / CELLS

# Marks cells outside the frame and on its border: more than the segments near any cell. They are
# not crowded. Were they, the first contour to be placed, which is the longest, would follow the
# border, and the target could be told by its place.
OUTSIDE = 128

# Where the crowding around a segment is looked up: along its line and to both sides of it.
PROBES_ALONG = (1.0, 2.0)  # as shares of the segment
PROBES_ASIDE = (1.0,)  # as shares of the distance kept from others


@dataclasses.dataclass(frozen=True, eq=False)
class Template:
    """What is the same for every video of one geometry and spacing. Units: cells.

    Attributes:
        shape: rows and columns of the board, a pad on every side included.
        pad: from the board's edge to the frame's; nothing that is looked up lies farther out.
        pitch: length of a segment.
        reads: [phase][heading]: flat offsets from a segment's start to the cells looked up.
        probes: [heading]: flat offsets from a segment's start to the cells beside it.
        stamps: [heading]: what a segment blocks, around its middle.
        empty: the board with nothing on it, the frame's outside and border blocked.
        inside: (left, right, top, bottom) limits of a center line.
    """

    shape: tuple[int, int]
    pad: int
    pitch: float
    reads: tuple[tuple[tuple[int, ...], ...], ...]
    probes: tuple[tuple[int, ...], ...]
    stamps: tuple[np.ndarray, ...]
    empty: bytes
    inside: tuple[float, float, float, float]


def reach(geometry: Geometry, spacing: Spacing) -> float:
    """How far around a segment's center line the board is blocked, pixels.

    The distance to be kept, widened so that rounding never lets two contours come closer. A
    point half-way between two look-ups is farther from them by at most a right angle's worth.
    """
    kept = geometry.thickness + spacing.clearance
    return math.hypot(kept, SAMPLE_STEP / 2) + READ_ROUNDING + STAMP_ROUNDING


@functools.lru_cache(maxsize=32)
def template(geometry: Geometry, spacing: Spacing) -> Template:
    """Builds the template of one geometry and spacing (tens of milliseconds, once a process)."""
    pitch, radius = geometry.pitch(spacing) * CELLS, reach(geometry, spacing) * CELLS
    pad = math.ceil(max(PROBES_ALONG) * pitch + max(PROBES_ASIDE) * radius) + 2
    rows, columns = geometry.height * CELLS + 2 * pad, geometry.width * CELLS + 2 * pad
    edge = pad + (geometry.border + READ_ROUNDING) * CELLS
    inside = (edge, columns - edge, edge, rows - edge)
    return Template(
        shape=(rows, columns),
        pad=pad,
        pitch=pitch,
        reads=_reads(pitch, columns),
        probes=tuple(_probes(d, pitch, radius, columns) for d in range(DEGREES)),
        stamps=tuple(_stamp(d, pitch, radius) for d in range(DEGREES)),
        empty=_empty(rows, columns, edge),
        inside=inside,
    )


def _empty(rows: int, columns: int, edge: float) -> bytes:
    """Board with the cells blocked whose centers are less than `edge` from the board's sides."""
    cells = np.full((rows, columns), OUTSIDE, np.uint8)
    first = math.ceil(edge - 0.5)
    cells[first : rows - first, first : columns - first] = 0
    return cells.tobytes()


def _reads(pitch: float, columns: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Look-ups of every phase and heading, from a segment's far end to its start."""
    count = math.ceil(pitch / (SAMPLE_STEP * CELLS))
    along = np.linspace(pitch, 0, count + 1)
    x, y = np.outer(COSINE, along), np.outer(SINE, along)  # [heading, look-up]
    part = (np.arange(PHASES) + 0.5) / PHASES
    phases = []
    for dy in part:
        for dx in part:
            flat = np.floor(y + dy).astype(int) * columns + np.floor(x + dx).astype(int)
            phases.append(tuple(tuple(row) for row in flat.tolist()))
    return tuple(phases)


def _probes(heading: int, pitch: float, radius: float, columns: int) -> tuple[int, ...]:
    """Cells on both sides of a segment."""
    c, s = COSINE[heading], SINE[heading]
    places = [
        (share * pitch, side * aside * radius)
        for share in PROBES_ALONG
        for aside in PROBES_ASIDE
        for side in (-1, 1)
    ]
    return tuple(round(a * s + b * c) * columns + round(a * c - b * s) for a, b in places)


def _stamp(heading: int, pitch: float, radius: float) -> np.ndarray:
    """Ones at the cells whose centers are within `radius` of a segment centered on a cell.

    Returns:
        uint8 [rows, columns], both odd and as few as possible; the segment's middle is the center.
    """
    c, s = COSINE[heading], SINE[heading]
    half_x, half_y = (int(pitch / 2 * abs(part) + radius) for part in (c, s))
    y, x = np.mgrid[-half_y : half_y + 1, -half_x : half_x + 1]
    along, across = np.abs(x * c + y * s), y * c - x * s
    near = np.maximum(along - pitch / 2, 0) ** 2 + across**2 <= radius**2
    return near.astype(np.uint8)


class Board:
    """Counts, per cell, the segments that are too near. Coordinates are cells.

    The same memory is seen as a bytearray, which Python reads fastest one cell at a time, and as
    an array, which NumPy writes fastest many cells at a time.
    """

    def __init__(self, shape: Template) -> None:
        self.template = shape
        self.cells = bytearray(shape.empty)
        self._plane = np.frombuffer(self.cells, np.uint8).reshape(shape.shape)

    def most_crowded(
        self, x: float, y: float, heading: int, turns: Iterable[int], compared: int
    ) -> int | None:
        """Among the first few free headings, the one with the most blocked cells beside it.

        Written for speed: nearly all of the generator's time outside of NumPy is spent here.

        Args:
            x: column where the segment starts, cells.
            y: row where it starts, cells.
            heading: heading that the turns are counted from, degrees in 0..359.
            turns: turns in the order to try them, whole degrees.
            compared: number of free headings after which no more turns are tried.

        Returns:
            The heading in 0..359; None if a segment would be too near to others in all of them.
        """
        column, row = int(x * PHASES), int(y * PHASES)
        reads = self.template.reads[row % PHASES * PHASES + column % PHASES]
        base = row // PHASES * self.template.shape[1] + column // PHASES
        cells, probes = self.cells, self.template.probes
        best, most, free = None, -1, 0
        for turn in turns:
            turned = (heading + turn) % DEGREES
            for offset in reads[turned]:
                if cells[base + offset]:
                    break
            else:
                crowding = 0
                for offset in probes[turned]:
                    if 0 < cells[base + offset] < OUTSIDE:
                        crowding += 1
                if crowding > most:
                    best, most = turned, crowding
                free += 1
                if free == compared:
                    break
        return best

    def block(self, x: float, y: float, heading: int) -> None:
        """Keeps others away from a segment that starts at (x, y)."""
        part, stamp = self._covered(x, y, heading)
        part += stamp

    def unblock(self, x: float, y: float, heading: int) -> None:
        """Takes back what `block` did with the same arguments."""
        part, stamp = self._covered(x, y, heading)
        part -= stamp

    def _covered(self, x: float, y: float, heading: int) -> tuple[np.ndarray, np.ndarray]:
        """The part of the board around a segment, and its stamp."""
        stamp = self.template.stamps[heading]
        rows, columns = stamp.shape
        half = self.template.pitch / 2
        top = int(y + half * SINE[heading]) - rows // 2
        left = int(x + half * COSINE[heading]) - columns // 2
        return self._plane[top : top + rows, left : left + columns], stamp
