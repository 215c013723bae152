"""A scene: a maze with its source and its light, and what is connected in it."""

from __future__ import annotations

import dataclasses

import numpy as np
from generated_videos.checks import require

from mazes.chance import Chance
from mazes.growing import grow
from mazes.maze import Maze
from mazes.settings import Growth

_TRIES = 1000  # mazes


@dataclasses.dataclass
class Scene:
    """A maze with its source and its light. It is changed in place.

    Attributes:
        maze: the cells and their walls.
        source: the marked cell.
        light: bool [side, side], whether the passage of a cell has the lighter gray level, which
            means nothing.
        steps: of each cell, from cell to cell to the source; `maze.UNREACHED` if not connected.
    """

    maze: Maze
    source: int
    light: np.ndarray
    steps: list[int]

    @property
    def connected(self) -> list[int]:
        """Cells that are connected with the source, itself included."""
        return [cell for cell, steps in enumerate(self.steps) if steps >= 0]

    @property
    def cut_off(self) -> list[int]:
        """Cells that are not."""
        return [cell for cell, steps in enumerate(self.steps) if steps < 0]

    def look_again(self) -> None:
        """Finds anew what is connected, after walls have changed."""
        self.steps = self.maze.distances(self.source)


def make(growth: Growth, chance: Chance) -> Scene:
    """Makes a scene.

    The source is any cell of a part of the wanted size, each as likely as the others, so that
    nothing but its mark makes its part another than the rest. Where there is no such part, another
    maze is made.

    Raises:
        ValueError: if there never is such a part.
    """
    least, most = (share * growth.side**2 for share in growth.connected)
    for _ in range(_TRIES):
        maze = Maze(growth.side)
        seeds = chance.shuffled(range(len(maze)))[: chance.within(growth.trees)]
        free = set(range(len(maze))).difference(seeds)
        grow(maze, free, [[seed] for seed in seeds], growth.onward, chance)
        cut_pockets(maze, range(len(maze)), growth.pockets, growth.pocket_cells, chance)
        labels = maze.labels()
        sizes = np.bincount(labels)
        possible = [cell for cell, label in enumerate(labels) if least <= sizes[label] <= most]
        if possible:
            break
    else:
        allowed = f"the share of a part, of {growth.trees[0]} to {growth.trees[1]}"
        require(False, "connected", growth.connected, allowed, "give a wider range")
    source = chance.one_of(possible)
    scene = Scene(maze, source, np.zeros((growth.side,) * 2, bool), maze.distances(source))
    for _ in range(chance.within((0, growth.lights))):
        cells = nearest_first(growth.side, chance.below(len(maze)))
        scene.light.flat[cells[: chance.below(len(maze) // 2)]] ^= True
    return scene


def cut_pockets(
    maze: Maze, cells: range | list[int], count: int, most: int, chance: Chance
) -> None:
    """Cuts small parts off, by closing one wall for each.

    Args:
        maze: is changed.
        cells: those that may be cut off, with others behind them.
        count: parts; where no place for one is found, there are fewer.
        most: cells of a part.
        chance: random numbers.
    """
    for _ in range(count):
        for cell in chance.shuffled(cells):
            if not maze.links[cell]:
                continue
            other = chance.one_of(maze.links[cell])
            if maze.part(cell, barred=other, most=most) is not None:
                maze.close_wall(cell, other)
                break


def nearest_first(side: int, cell: int) -> np.ndarray:
    """All cells of a grid, int64, the nearest to one of them first, in a straight line."""
    rows, columns = np.divmod(np.arange(side * side), side)
    row, column = divmod(cell, side)
    return np.argsort((rows - row) ** 2 + (columns - column) ** 2, kind="stable")
