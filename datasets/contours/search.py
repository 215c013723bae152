"""Search: one attempt at placing contours on the board, with backtracking."""

from __future__ import annotations

import functools
import math

import numpy as np

from contours.board import Board, Template
from contours.geometry import Spacing
from contours.headings import COSINE, DEGREES, SINE

# A segment as it is placed: x and y of its start in board cells, heading in degrees.
Placed = tuple[float, float, int]
Contour = list[Placed]

# Effort of the search. Chosen by measuring the time per successful layout of the hard subset.
CONTOUR_TRIALS = 20  # contours begun before the layout fails
STARTS = 60  # places tried for the first segment of a contour
FIRST_TURNS = (0, 90, -90, 45, -45)  # headings compared there, from a random one
TURNS = 8  # random turns tried for a segment
SHARP_TURNS = (0.55, 0.76, 0.97)  # tried to both sides if none is free; shares of the largest
SETBACKS = 30  # times a contour may get stuck in all
STALLS = 5  # times it may get stuck without having become longer in between
LARGEST_CUT = 8  # most segments removed when stuck

RESOLUTION = 4096  # entries of the table of turns
BLOCK = 64 * TURNS  # turns drawn at once, which is faster


@functools.lru_cache(maxsize=32)
def turning(spacing: Spacing) -> tuple[np.ndarray, tuple[tuple[int, ...], ...]]:
    """Turns in degrees: a table of equally likely ones, and sharp ones for tight places.

    The table follows the weights that `Spacing.continuity` stands for, in whole degrees. The
    sharp ones come in two orders, left or right first, so that neither side is favored.
    """
    widest = int(math.degrees(spacing.largest_turn))
    degrees = range(-widest, widest + 1)
    weights = [math.cos(spacing.continuity * math.radians(d)) ** 2 for d in degrees]
    total, passed = sum(weights), 0.0
    table: list[int] = []
    for degree, weight in zip(degrees, weights, strict=True):
        passed += weight
        table += [degree] * (round(passed / total * RESOLUTION) - len(table))
    sharp = [round(widest * share) for share in SHARP_TURNS]
    left = tuple(sign * degree for degree in sharp for sign in (1, -1))
    return np.array(table), (left, tuple(-degree for degree in left))


class Search:
    """Places the contours of one video, longest first.

    A contour is a walk with random turns. With more than one choice, a few free turns are
    compared and the one in the most crowded place is taken, which keeps the rest of the frame
    open. A walk that is stuck goes on at its other end; when that is stuck too, segments are
    taken off.
    """

    def __init__(
        self, shape: Template, spacing: Spacing, choices: int, rng: np.random.Generator
    ) -> None:
        self._board = Board(shape)
        self._table, self._sharp_turns = turning(spacing)
        self._choices = choices
        self._rng = rng
        self._drawn: list[int] = []

    def place(self, lengths: list[int]) -> list[Contour] | None:
        """Contours of the given lengths, or None if one of them finds no room.

        Args:
            lengths: segments of each contour.

        Returns:
            Contours in the order of `lengths`, each in order of growth.
        """
        order = sorted(range(len(lengths)), key=lambda contour: -lengths[contour])
        placed: dict[int, Contour] = {}
        for _ in range(CONTOUR_TRIALS):
            contour = order[len(placed)]
            walk = self._walk(lengths[contour])
            if walk:
                # Either end may be the growing one: the walk was extended at both.
                if self._rng.random() < 0.5:
                    walk = [self._opposite(segment) for segment in reversed(walk)]
                placed[contour] = walk
            if len(placed) == len(lengths):
                return [placed[contour] for contour in range(len(lengths))]
        return None

    def _random_turns(self) -> list[int]:
        """TURNS turns, degrees, drawn with the weights of the spacing's continuity."""
        if not self._drawn:
            numbers = self._rng.integers(len(self._table), size=BLOCK)
            self._drawn = self._table[numbers].tolist()
        turns = self._drawn[-TURNS:]
        del self._drawn[-TURNS:]
        return turns

    def _walk(self, length: int) -> Contour:
        """A contour of `length`, blocked on the board; empty, and nothing blocked, if stuck.

        The last segment is blocked late, so that the next one may start at its end.
        """
        walk = self._start()
        longest, cut, setbacks, stalls, backward = len(walk), 0, 0, 0, False
        while walk and len(walk) < length:
            following = self._next(walk[-1], backward)
            if following:
                self._board.block(*walk[-1])
                walk.append(following)
                if len(walk) > longest:
                    longest, cut, stalls = len(walk), 0, 0
                continue
            setbacks, stalls = setbacks + 1, stalls + 1
            if setbacks == SETBACKS or stalls == STALLS:
                self._shorten(walk, 0)
                break
            self._shorten(walk, max(len(walk) - cut, 1))
            cut = min(max(2 * cut, 1), LARGEST_CUT)
            self._turn_round(walk)
            backward = not backward
        if walk:
            self._board.block(*walk[-1])
        return walk[::-1] if backward else walk

    def _shorten(self, walk: Contour, kept: int) -> None:
        """Takes segments off the end. The new last one is no longer blocked, like the old."""
        for segment in walk[max(kept - 1, 0) : -1]:
            self._board.unblock(*segment)
        del walk[kept:]

    def _turn_round(self, walk: Contour) -> None:
        """Makes the other end the last one; the segment that is not blocked changes with it."""
        if len(walk) > 1:
            self._board.block(*walk[-1])
            self._board.unblock(*walk[0])
        walk.reverse()

    def _opposite(self, segment: Placed) -> Placed:
        """The same segment, run through the other way."""
        x, y, heading = segment
        pitch = self._board.template.pitch
        back = (heading + DEGREES // 2) % DEGREES
        return x + pitch * COSINE[heading], y + pitch * SINE[heading], back

    def _start(self) -> Contour:
        """A walk of one segment in a random free place; empty if none was found."""
        left, right, top, bottom = self._board.template.inside
        for _ in range(STARTS):
            x = left + (right - left) * self._rng.random()
            y = top + (bottom - top) * self._rng.random()
            any_heading = int(DEGREES * self._rng.random())
            heading = self._board.most_crowded(x, y, any_heading, FIRST_TURNS, self._choices)
            if heading is not None:
                return [(x, y, heading)]
        return []

    def _next(self, last: Placed, backward: bool) -> Placed | None:
        """A segment that goes on from `last`; None if no turn is free.

        Segments keep the direction in which their contour was begun: where it is extended at
        its beginning, `backward`, the new segment ends where `last` starts.

        The sharp turns, whose weights are small, are tried only where none of the random ones
        is free: there they are what the weights, restricted to what is free, come down to.
        """
        x, y, behind = self._opposite(last)
        if backward:
            x, y, ahead = last[0], last[1], behind
        else:
            ahead = last[2]
        turns = self._random_turns()
        heading = self._board.most_crowded(x, y, ahead, turns, self._choices)
        if heading is None:
            sharp = self._sharp_turns[turns[0] > 0]
            heading = self._board.most_crowded(x, y, ahead, sharp, self._choices)
        if heading is None:
            return None
        return self._opposite((x, y, heading)) if backward else (x, y, heading)
