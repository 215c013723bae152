"""Drawing: scenes as frames and masks. A cell is two pixels wide, a wall one."""

from __future__ import annotations

import dataclasses

import numpy as np

from mazes.maze import ABOVE, LEFT
from mazes.scene import Scene
from mazes.steps import CELL

# Gray levels. Walls are black, as what lies outside of a frame is for a convolution.
WALL, DARK, LIGHT, SOURCE = 0, 96, 160, 255


@dataclasses.dataclass(frozen=True)
class Look:
    """What is drawn of a scene, which may have changed since.

    Attributes:
        open: bool [2, side, side], the wall above each cell and the one on its left.
        light: bool [side, side].
        connected: bool [side, side].
        source: number of the marked cell.
    """

    open: np.ndarray
    light: np.ndarray
    connected: np.ndarray
    source: int

    @classmethod
    def at(cls, scene: Scene) -> Look:
        """How a scene is now."""
        connected = np.array(scene.steps).reshape(scene.light.shape) >= 0
        return cls(scene.maze.open.copy(), scene.light.copy(), connected, scene.source)


def draw(looks: list[Look]) -> tuple[np.ndarray, np.ndarray]:
    """Draws a video.

    A cell has 3 x 3 pixels: the wall above it, the wall on its left with the corner between them,
    and 2 x 2 of passage. An open wall is passage, but for the corner. The frame's edge is the wall
    below and on the right.

    Args:
        looks: of every frame.

    Returns:
        `frames` uint8 [T, H, W, 1] and `masks` uint8 [T, H, W], 1 where passage is connected with
        the source.
    """
    opened = np.stack([look.open for look in looks])
    count, _, side, _ = opened.shape
    passage = np.zeros((count, side, CELL, side, CELL), bool)
    passage[:, :, 1:, :, 1:] = True
    passage[:, :, 0, :, 1:] = opened[:, ABOVE, :, :, None]
    passage[:, :, 1:, :, 0] = opened[:, LEFT, :, None, :]
    gray = np.where(np.stack([look.light for look in looks]), LIGHT, DARK).astype(np.uint8)
    frames = np.where(passage, gray[:, :, None, :, None], np.uint8(WALL))
    for frame, look in zip(frames, looks, strict=True):
        row, column = divmod(look.source, side)
        frame[row, 1:, column, 1:] = SOURCE
    connected = np.stack([look.connected for look in looks])
    masks = passage & connected[:, :, None, :, None]
    shape = count, side * CELL, side * CELL
    return frames.reshape(*shape, 1), masks.reshape(shape).astype(np.uint8)
