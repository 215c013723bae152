"""Clutter: much that changes at once, where it means nothing.

Where nothing is connected with the source walls are moved: a patch of the maze is grown anew. And
anywhere passages get another gray level. Near and far gates, decoys and losses have clutter equally
often and of the same size, so that the number of changed pixels does not tell them from each other.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from mazes.chance import Chance
from mazes.gates import walls_between
from mazes.growing import grow
from mazes.maze import Maze
from mazes.scene import Scene, cut_pockets, nearest_first
from mazes.settings import Growth

# Pixels of a cell, of the opening of a wall, and of a cell's walls, two of which are its own.
INSIDE, OPENING = 4, 2
_OF_WALLS = 2 * OPENING


def clutter(
    scene: Scene, pixels: int, spared: Set[int], growth: Growth, joined: int, chance: Chance
) -> None:
    """Changes about so many pixels, and no wall of what is connected with the source.

    Args:
        scene: is changed.
        pixels: that change. Walls take a random share of them, the light what is left.
        spared: cells whose walls stay, beside those that are connected: whole parts.
        growth: how mazes are made.
        joined: most cells of a part that is made by joining others.
        chance: random numbers.
    """
    before = scene.maze.open.copy()
    cells = [cell for cell in scene.cut_off if cell not in spared]
    count = int(pixels * chance.uniform()) // _OF_WALLS
    if cells and count > 1:
        regrow(scene, _patch(scene.maze, cells, count, chance), cells, growth, joined, chance)
    opened = scene.maze.open
    left = pixels - OPENING * int((opened ^ before).sum())
    shown = INSIDE + OPENING * (opened & before).sum(0).ravel()
    order = nearest_first(scene.maze.side, chance.below(len(scene.maze)))
    scene.light.flat[order[np.cumsum(shown[order]) <= left]] ^= True


def regrow(
    scene: Scene, patch: set[int], cells: list[int], growth: Growth, joined: int, chance: Chance
) -> None:
    """Grows a patch anew, with as many parts and as many pockets as there were.

    Args:
        scene: is changed.
        patch: cells that lose all their walls' openings.
        cells: whole parts, all that may be changed, the patch among them.
        growth: how mazes are made.
        joined: most cells of a part that is made by joining others.
        chance: random numbers.
    """
    maze = scene.maze
    parts = _parts(maze, cells)
    gone = [part for part in parts if part <= patch]
    for cell in sorted(patch):
        for other in list(maze.links[cell]):
            maze.close_wall(cell, other)
    free = set(patch)
    seeds = chance.shuffled(sorted(patch))[: len(gone)]
    free.difference_update(seeds)
    outside = _parts(maze, [cell for cell in cells if cell not in patch])
    trees = [
        [cell for cell in sorted(part) if free.intersection(maze.beside[cell])] for part in outside
    ]
    grow(
        maze,
        free,
        [tree for tree in [*trees, *([seed] for seed in seeds)] if tree],
        growth.onward,
        chance,
    )
    while free:  # what lies between spared cells
        seed = min(free)
        free.remove(seed)
        grow(maze, free, [[seed]], growth.onward, chance)
    small = sum(len(part) <= growth.pocket_cells for part in gone)
    cut_pockets(maze, sorted(patch), small, growth.pocket_cells, chance)
    for _ in range(len(_parts(maze, cells)) - len(parts)):
        walls = walls_between(scene, cells, joined)
        if not walls:
            return
        maze.open_wall(*chance.one_of(walls))


def _patch(maze: Maze, cells: list[int], count: int, chance: Chance) -> set[int]:
    """The cells nearest to one of them."""
    among = np.zeros(len(maze), bool)
    among[cells] = True
    order = nearest_first(maze.side, chance.one_of(cells))
    return set(order[among[order]][:count].tolist())


def _parts(maze: Maze, cells: list[int]) -> list[set[int]]:
    """The parts that cells belong to, in the order of their first cells."""
    labels = maze.labels()
    found: dict[int, set[int]] = {}
    for cell in cells:
        found.setdefault(labels[cell], set()).add(cell)
    return list(found.values())
