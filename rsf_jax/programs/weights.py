"""Weights as programs store them: in full, or small, and as what the program computes with."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from rsf_jax.arguments import check_choice
from rsf_jax.typing import Variables

WEIGHTS = ("float32", "bfloat16", "int8")
# Values of an output channel from which on it is stored small: of fewer, as of scales and biases,
# nothing is gained, and they count for more.
_FEWEST = 8
_LARGEST = 127  # of int8, symmetric
_SCALE = ":scale"
_BETWEEN = "."


def store(variables: Variables, kind: str) -> dict[str, np.ndarray]:
    """Returns weights as they are stored, by name.

    Args:
        variables: Flax variables.
        kind: of `WEIGHTS`. "bfloat16" and "int8" are for arrays of two axes or more with at least
            8 values for each output channel, which is the last axis; others stay as they are.
            "int8" is symmetric, with one float32 scale for each output channel: `name:scale`.

    Raises:
        InputError: if the kind is none of these.
    """
    check_choice("weights", kind, WEIGHTS)
    stored: dict[str, np.ndarray] = {}
    for path, leaf in flatten_dict(variables, sep=_BETWEEN).items():
        array = np.asarray(leaf)
        if kind == "float32" or not _is_kernel(array):
            stored[path] = array
        elif kind == "bfloat16":
            stored[path] = array.astype(ml_dtypes.bfloat16)
        else:
            stored[path], stored[path + _SCALE] = _as_int8(array)
    return stored


def restore(stored: Mapping[str, Any]) -> Variables:
    """Returns variables of what `store` gives; traceable, and what programs do themselves."""
    found = {}
    for path, array in stored.items():
        if path.endswith(_SCALE):
            continue
        if array.dtype == jnp.bfloat16:
            array = jnp.asarray(array).astype(jnp.float32)
        elif path + _SCALE in stored:
            array = jnp.asarray(array).astype(jnp.float32) * stored[path + _SCALE]
        found[path] = array
    return unflatten_dict(found, sep=_BETWEEN)


def rounded(variables: Variables, kind: str) -> dict[str, Any]:
    """Returns what a program computes with that stores these variables.

    Args:
        variables: Flax variables.
        kind: of `WEIGHTS`.
    """
    return dict(jax.tree.map(np.asarray, restore(store(variables, kind))))


def _is_kernel(array: np.ndarray) -> bool:
    is_float = np.issubdtype(array.dtype, np.floating)
    return is_float and array.ndim >= 2 and array.size >= _FEWEST * array.shape[-1]


def _as_int8(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    largest = np.abs(array).max(tuple(range(array.ndim - 1)), keepdims=True)
    scale = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    return np.round(array / scale).astype(np.int8), scale
