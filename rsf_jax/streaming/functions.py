"""Anybody's functions as a model for an engine, looked at before anything is compiled."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.errors import InputError
from rsf_jax.models.functions import FunctionModel
from rsf_jax.shown import short
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
    _check_arrays(parameters)
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
    _check_batch("begin", drive)
    after = jax.eval_shape(functions["step"], parameters, carry, drive)
    before, left = (jax.tree.map(short, tree) for tree in (carry, after))
    if before != left:
        raise InputError(
            f"step makes {left} of a carry of {before}: the same shapes and types are needed"
        )
    _check_maps("hidden", jax.eval_shape(functions["hidden"], carry), "[B, C, H, W]")
    readout = jax.eval_shape(functions["readout"], parameters, carry)
    _check_maps("readout", readout, "[B, H, W, K]")


def _check_arrays(parameters: Any) -> None:
    """Raises InputError unless all leaves are what JAX computes with."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(parameters):
        try:
            jax.eval_shape(lambda x: x, leaf)
        except TypeError:
            name = jax.tree_util.keystr(path)
            raise InputError(f"parameters{name} is {leaf!r}: an array is needed") from None


def _check_maps(name: str, found: Any, axes: str) -> None:
    """Raises InputError unless it is one array of four axes, the first that of the frames."""
    _check_batch(name, found)
    if not hasattr(found, "shape") or len(found.shape) != 4:
        raise InputError(
            f"{name} gives {jax.tree.map(jnp.shape, found)}: one array of four axes is needed, "
            f"{axes}"
        )


def _check_batch(name: str, tree: Any) -> None:
    """Of all arrays the first axis is that of the frames computed together."""
    for leaf in jax.tree.leaves(tree):
        if leaf.shape[:1] != (_BATCH,):
            raise InputError(
                f"{name} gives an array {list(leaf.shape)} for {_BATCH} frames: the first axis has "
                "to be that of the frames"
            )
