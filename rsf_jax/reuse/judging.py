"""How far outputs are from the dense network's, in units of what those of other scenes are apart.

The outputs of a network may hardly differ between scenes, whatever their size: an error relative to
the outputs would say nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.typing import Array

_PARTS = 3  # along each side of a frame


def pieces(frame: Array) -> list[np.ndarray]:
    """Makes nine scenes of one: a ninth of the frame each, the rest filled with its mirror images.

    Args:
        frame: float [B, H, W, C].

    Returns:
        float [B, H, W, C] each.
    """
    frame = np.asarray(frame)
    rows, columns = (_thirds(n) for n in frame.shape[1:3])
    return [frame[:, row][:, :, column] for row in rows for column in columns]


def _thirds(length: int) -> list[np.ndarray]:
    """For each third, where each of `length` pixels is taken from."""
    side = -(-length // _PARTS)
    back_and_forth = np.concatenate([np.arange(side), np.arange(side)[::-1]])
    places = np.resize(back_and_forth, length)
    starts = np.linspace(0, length - side, _PARTS).round().astype(int)
    return [start + places for start in starts]


class Judge:
    """Compares outputs.

    Args:
        network: a frame to an output of any structure, everything computed.
        scenes: float [B, H, W, C] each, two or more, as different as what is to be told apart.

    Attributes:
        deviations: of each array of an output, standard deviation over scenes, mean over its
            values.

    Raises:
        InputError: if the outputs do not differ, or hold no floats.
    """

    def __init__(self, network: Callable[[Array], Any], scenes: Sequence[Array]) -> None:
        if len(scenes) < 2:
            raise InputError(f"there are {len(scenes)} scenes: two or more differ")
        found = [_floats(network(scene)) for scene in scenes]
        self.deviations = [float(np.std(each, axis=0).mean()) for each in zip(*found)]
        if not self.deviations:
            raise InputError("outputs hold no floats: give the network without its last argmax")
        if not min(self.deviations) > 0:
            raise InputError(
                "outputs of the scenes do not differ: give scenes that the network tells apart"
            )

    def error(self, output: Any, expected: Any) -> float:
        """Returns the root of the mean square of what differs, that of the array it is largest of.

        Args:
            output: of the network.
            expected: of the dense network, for the same frame.
        """
        arrays = zip(_floats(output), _floats(expected), self.deviations)
        return max(float(np.square(x - y).mean() ** 0.5) / unit for x, y, unit in arrays)


def _floats(output: Any) -> list[np.ndarray]:
    leaves = [x for x in jax.tree.leaves(output) if jnp.issubdtype(x.dtype, jnp.floating)]
    return [np.asarray(x, np.float64) for x in leaves]
