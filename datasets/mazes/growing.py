"""How mazes grow: several trees at once, each a winding path with branches, until no cell is left.

Each time one of the trees grows from its newest cell or, with some probability, from any of its
cells, into a free cell beside it. From the newest always, which is randomized depth-first search,
passages are long and hardly branch; from any, they are short and bushy. Together the trees are a
spanning tree of the grid in which the walls are closed that would join two of them.

Source: the growing tree algorithm (J. Buck, 2011), with several trees in one grid.
"""

from __future__ import annotations

import math

from mazes.chance import Chance
from mazes.maze import Maze

# A tree that grows e times as fast as another has about e times its cells.
_SPEEDS = 1.0


def grow(maze: Maze, free: set[int], trees: list[list[int]], onward: float, chance: Chance) -> None:
    """Lets trees grow into all free cells that they can reach, by opening walls.

    Args:
        maze: is changed.
        free: cells of no tree, all their walls closed; those that are reached are taken away.
        trees: of each, the cells that it can grow from.
        onward: probability to grow from a tree's newest cell.
        chance: random numbers.
    """
    fronts = [list(cells) for cells in trees]
    speeds = [math.exp(chance.uniform(-_SPEEDS, _SPEEDS)) for _ in fronts]
    while fronts:
        number = _weighted(speeds, chance)
        front = fronts[number]
        place = len(front) - 1 if chance.happens(onward) else chance.below(len(front))
        cell = front[place]
        beside = [other for other in maze.beside[cell] if other in free]
        if beside:
            other = chance.one_of(beside)
            maze.open_wall(cell, other)
            free.remove(other)
            front.append(other)
            continue
        front.pop(place)
        if not front:
            fronts.pop(number)
            speeds.pop(number)


def _weighted(weights: list[float], chance: Chance) -> int:
    """A place in a list, each as likely as its weight says."""
    left = chance.uniform() * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1
