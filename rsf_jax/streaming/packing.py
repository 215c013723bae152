"""The numbers of a tick on their way to the device and back: one array each way.

A transfer costs the same for one number as for a hundred, and there are nine kinds of them.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rsf_jax.streaming.slots import Ended, Load
from rsf_jax.typing import Array

_OF_ENTRIES = ("ended", "cut", "first", "finite", "steps")


def packed(load: Load) -> np.ndarray:
    """Returns the numbers of a load, int32 [1 + 2 Q + E]."""
    return np.concatenate(([load.count], load.row, load.first, load.cut), dtype=np.int32)


def unpacked(frames: Array, numbers: Array) -> Load:
    """Returns the load of these frames [Q, H, W, I] and numbers; traceable."""
    new = len(frames)
    row, first, cut = jnp.split(numbers[1:], (new, 2 * new))
    return Load(numbers[0], frames, row, first > 0, cut > 0)


def told(ended: Ended) -> Array:
    """Returns the numbers that a tick leaves, int32 [2 + S + 5 E]; traceable."""
    of_entries = (getattr(ended, name) for name in _OF_ENTRIES)
    parts = (jnp.stack([ended.executed, ended.useful]), ended.holding, *of_entries)
    return jnp.concatenate([part.astype(jnp.int32) for part in parts])


def as_told(numbers: np.ndarray) -> Ended:
    """Returns what `told` has packed, without outputs.

    Args:
        numbers: int32 [2 + S + 5 E], E = 2 S.
    """
    slots = (len(numbers) - 2) // (1 + 2 * len(_OF_ENTRIES))
    executed, useful = numbers[:2]
    of_entries: dict[str, Any] = dict(
        zip(_OF_ENTRIES, numbers[2 + slots :].reshape(len(_OF_ENTRIES), 2 * slots))
    )
    steps = of_entries.pop("steps")
    of_entries = {name: values > 0 for name, values in of_entries.items()}
    return Ended(
        **of_entries,
        steps=steps,
        outputs=None,
        holding=numbers[2 : 2 + slots],
        executed=executed,
        useful=useful,
    )
