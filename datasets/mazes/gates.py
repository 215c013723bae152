"""Gates: single walls that open or close, by which cells are reached or lost, or nothing is."""

from __future__ import annotations

import dataclasses

from mazes.chance import Chance
from mazes.maze import Part
from mazes.scene import Scene

# The source keeps, and the rest keeps, so many of all cells.
_KEPT = 0.1


@dataclasses.dataclass(frozen=True)
class Passed:
    """What a gate has let pass, or cut off.

    Attributes:
        cells: that were reached or lost.
        depth: steps from cell to cell from in front of the gate to the farthest of them.
    """

    cells: frozenset[int]
    depth: int

    @classmethod
    def through(cls, part: Part) -> Passed:
        """What a part that begins behind the gate is."""
        return cls(frozenset(part.cells), part.depth + 1)


def open_gate(scene: Scene, least: int, most: int, joined: int, chance: Chance) -> Passed | None:
    """Opens a wall between the part of the source and another one: any at which the depth is right.

    Args:
        scene: is changed.
        least: of the depth that is reached.
        most: likewise.
        joined: most cells that are reached.
        chance: random numbers.

    Returns:
        What is reached; None, and nothing is changed, if there is no such wall.
    """
    maze, steps = scene.maze, scene.steps
    joined = min(joined, int((1 - _KEPT) * len(maze)) - len(scene.connected))
    walls = [(a, b) for a in scene.connected for b in maze.beside[a] if steps[b] < 0]
    for near, behind in chance.shuffled(walls):
        part = maze.part(behind, most=joined)
        if part is not None and least <= part.depth + 1 <= most:
            maze.open_wall(near, behind)
            scene.look_again()
            return Passed.through(part)
    return None


def close_gate(scene: Scene, least: int, most: int, joined: int, chance: Chance) -> Passed | None:
    """Closes a wall within the part of the source: any behind which the depth is right.

    Args:
        scene: is changed.
        least: of the depth that is lost.
        most: likewise.
        joined: most cells that are lost.
        chance: random numbers.

    Returns:
        What is lost; None, and nothing is changed, if there is no such wall.
    """
    maze, steps = scene.maze, scene.steps
    joined = min(joined, len(scene.connected) - int(_KEPT * len(maze)))
    walls = [(a, b) for a in scene.connected for b in maze.links[a] if steps[b] > steps[a]]
    for near, behind in chance.shuffled(walls):
        part = maze.part(behind, barred=near, most=joined)
        if part is not None and least <= part.depth + 1 <= most:
            maze.close_wall(near, behind)
            scene.look_again()
            return Passed.through(part)
    return None


def open_decoy(scene: Scene, joined: int, chance: Chance) -> bool:
    """Opens a wall between two parts, neither of which is that of the source.

    Args:
        scene: is changed.
        joined: most cells of both.
        chance: random numbers.

    Returns:
        Whether there was such a wall.
    """
    walls = walls_between(scene, scene.cut_off, joined)
    if not walls:
        return False
    scene.maze.open_wall(*chance.one_of(walls))
    return True


def close_decoy(scene: Scene, chance: Chance) -> bool:
    """Closes a wall where nothing is connected with the source; as `open_decoy`."""
    links = scene.maze.links
    walls = [(a, b) for a in scene.cut_off for b in links[a] if a < b]
    if not walls:
        return False
    scene.maze.close_wall(*chance.one_of(walls))
    return True


def walls_between(scene: Scene, cells: list[int], joined: int) -> list[tuple[int, int]]:
    """Walls between two parts that would have so many cells together, or fewer.

    Args:
        scene: the scene.
        cells: those whose walls are asked for.
        joined: the number of cells.
    """
    labels = scene.maze.labels()
    sizes = [0] * (max(labels) + 1)
    for label in labels:
        sizes[label] += 1
    among = set(cells)
    return [
        (a, b)
        for a in cells
        for b in scene.maze.beside[a]
        if a < b and b in among and labels[a] != labels[b]
        if sizes[labels[a]] + sizes[labels[b]] <= joined
    ]
