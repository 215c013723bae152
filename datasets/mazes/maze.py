"""A maze: cells on a grid, which of their walls are open, and what is connected with what."""

from __future__ import annotations

import functools

import numpy as np

UNREACHED = -1
# Of `Maze.open`: the wall above a cell, and the one on its left.
ABOVE, LEFT = 0, 1


@functools.cache
def neighbors(side: int) -> tuple[tuple[int, ...], ...]:
    """The cells beside each one of a grid of `side` x `side`; cells are numbered row by row."""
    found = []
    for cell in range(side * side):
        row, column = divmod(cell, side)
        beside = (
            (cell - side, row > 0),
            (cell - 1, column > 0),
            (cell + 1, column < side - 1),
            (cell + side, row < side - 1),
        )
        found.append(tuple(other for other, is_there in beside if is_there))
    return tuple(found)


class Maze:
    """Cells and the open walls between them. All walls are closed at first.

    Args:
        side: cells of a row, and rows.

    Attributes:
        side: likewise.
        beside: cells beside each cell, whatever is between them.
        links: cells beside each cell to which its wall is open, in the order of their opening.
        open: bool [2, side, side], the wall above each cell and the one on its left.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.beside = neighbors(side)
        self.links: list[list[int]] = [[] for _ in self.beside]
        self.open = np.zeros((2, side, side), bool)

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.links)

    def open_wall(self, one: int, other: int) -> None:
        """Opens the wall between two cells beside each other, which was closed."""
        self.links[one].append(other)
        self.links[other].append(one)
        self.open[self._wall(one, other)] = True

    def close_wall(self, one: int, other: int) -> None:
        """Closes the wall between two cells, which was open."""
        self.links[one].remove(other)
        self.links[other].remove(one)
        self.open[self._wall(one, other)] = False

    def distances(self, start: int) -> list[int]:
        """Steps from cell to cell to each cell, by breadth-first search; `UNREACHED` if cut off."""
        found = [UNREACHED] * len(self.links)
        found[start] = 0
        reached = [start]
        for cell in reached:  # which grows meanwhile
            for other in self.links[cell]:
                if found[other] < 0:
                    found[other] = found[cell] + 1
                    reached.append(other)
        return found

    def part(self, start: int, barred: int = UNREACHED, most: int | None = None) -> Part | None:
        """What is connected with a cell.

        Args:
            start: the cell.
            barred: a cell beside it that counts as cut off, with what is connected by it alone;
                mazes have no circles. Unless given, none is.
            most: cells above which the search is given up; None for any number.

        Returns:
            The part; None if it has more cells.
        """
        reached, depth = {start}, 0
        last = [start]
        while last:
            more = [
                other
                for cell in last
                for other in self.links[cell]
                if other not in reached and not (cell == start and other == barred)
            ]
            reached.update(more)
            if most is not None and len(reached) > most:
                return None
            depth += bool(more)
            last = more
        return Part(reached, depth)

    def labels(self) -> list[int]:
        """The number of the part that each cell belongs to, from 0 in the order of cells."""
        found = [UNREACHED] * len(self.links)
        count = 0
        for cell, label in enumerate(found):
            if label < 0:
                found[cell] = count
                reached = [cell]
                for at in reached:
                    for other in self.links[at]:
                        if found[other] < 0:
                            found[other] = count
                            reached.append(other)
                count += 1
        return found

    def _wall(self, one: int, other: int) -> tuple[int, int, int]:
        later = max(one, other)
        row, column = divmod(later, self.side)
        return (ABOVE if abs(one - other) == self.side else LEFT), row, column


class Part:
    """Cells that are connected.

    Attributes:
        cells: their numbers.
        depth: steps from the cell that the search began with to the farthest one.
    """

    def __init__(self, cells: set[int], depth: int) -> None:
        self.cells, self.depth = cells, depth
