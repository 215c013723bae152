"""Anybody's functions as a model for an engine, looked at before anything is compiled."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.errors import InputError
from rsf_jax.models.functions import FunctionModel
from rsf_jax.streaming.checks import check_functions

_BATCH = 3  # of what the functions are tried with, without computing anything


def function_model(
    functions: Mapping[str, Callable], parameters: Any, frame_shape: tuple[int, int, int]
) -> FunctionModel:
    """Returns a model of `begin`, `step`, `hidden`, `readout` and `initial`.

    Args:
        functions: by these names; see `StreamEngine.from_functions`.
        parameters: a mapping of arrays.
        frame_shape: (height, width, channels).

    Raises:
        InputError: if one of them is no function, or takes or gives what the others do not. What a
            function raises itself is raised as it is.
    """
    check_functions(**functions)
    if not isinstance(parameters, Mapping):
        raise InputError(f"parameters are {parameters!r}: a mapping of arrays is needed, {{}} too")
    _check_shapes(functions, parameters, frame_shape)
    return FunctionModel(
        begin=functions["begin"],
        advance=functions["step"],
        features=functions["hidden"],
        read=functions["readout"],
        initial=functions["initial"],
        channels=frame_shape[-1],
    )


def _check_shapes(
    functions: Mapping[str, Callable], parameters: Any, frame_shape: tuple[int, int, int]
) -> None:
    frames = jax.ShapeDtypeStruct((_BATCH, *frame_shape), jnp.float32)
    carry = jax.eval_shape(lambda: functions["initial"](_BATCH))
    _check_batch("initial", carry)
    drive = jax.eval_shape(functions["begin"], parameters, frames)
    after = jax.eval_shape(functions["step"], parameters, carry, drive)
    before, left = (jax.tree.map(jnp.shape, tree) for tree in (carry, after))
    if before != left:
        raise InputError(f"step makes {left} of a carry of {before}: the same shapes are needed")
    hidden = jax.eval_shape(functions["hidden"], carry)
    _check_batch("hidden", hidden)
    if not hasattr(hidden, "shape") or len(hidden.shape) != 4:
        raise InputError(
            f"hidden gives {jax.tree.map(jnp.shape, hidden)}: one array of four axes is needed, "
            "[B, C, H, W]"
        )
    _check_batch("readout", jax.eval_shape(functions["readout"], parameters, carry))


def _check_batch(name: str, tree: Any) -> None:
    """Of all arrays the first axis is that of the frames computed together."""
    for leaf in jax.tree.leaves(tree):
        if leaf.shape[:1] != (_BATCH,):
            raise InputError(
                f"{name} gives an array {list(leaf.shape)} for {_BATCH} frames: the first axis has "
                "to be that of the frames"
            )
