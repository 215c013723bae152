"""Checks of what users hand to a model."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import several
from rsf_jax.errors import InputError
from rsf_jax.models.base import (
    Prepared,
    State,
    VideoModel,
    checked_frame_shape,
    prepare,
)
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy, Stepwise
from rsf_jax.typing import Array, BatchSize, Frame, Variables


def check_frames(frames: Any, rank: int, axes: str, channels: int = 1) -> None:
    """Checks frames where they enter.

    Args:
        frames: what was given.
        rank: number of axes needed; the last one is that of channels.
        axes: the others as the message names them.
        channels: of a frame, 1 for gray and 3 for color.

    Raises:
        InputError: if rank, size or dtype is wrong; for NumPy arrays, also if values are NaN or
            outside 0..1.
    """
    wanted = f"[{axes}, {channels}]"
    if not isinstance(frames, Array):
        raise InputError(
            f"frames are {type(frames).__name__}: an array {wanted} of NumPy or JAX is needed"
        )
    shape, dtype = frames.shape, frames.dtype
    if len(shape) != rank or shape[-1] != channels:
        kind = "one gray channel" if channels == 1 else f"{channels} channels"
        raise InputError(f"frames have shape {list(shape)}: {wanted} is needed, {kind}")
    if 0 in shape:
        raise InputError(
            f"frames have shape {list(shape)}: every axis of {wanted} must be non-empty"
        )
    if dtype not in (jnp.float32, jnp.uint8):
        raise InputError(f"frames are {dtype}: float32 in 0..1 or uint8 in 0..255 is needed")
    if isinstance(frames, np.ndarray) and dtype != jnp.uint8:
        _check_values(frames)


def own_copy(tree: Any) -> Any:
    """Returns arrays that the caller may write to again at once.

    On a CPU, JAX reads NumPy arrays where they are while it computes: what a camera's buffer holds
    by then would be computed with.
    """
    if not any(isinstance(x, np.ndarray) for x in jax.tree.leaves(tree)):
        return tree
    return jax.tree.map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, tree)


def _check_values(frames: np.ndarray) -> None:
    """Only for frames on the host: values on a device cannot be seen without waiting for it."""
    kind = "gray values" if frames.shape[-1] == 1 else "values"
    if np.isnan(frames).any():
        raise InputError(f"frames hold {np.isnan(frames).sum()} NaN: {kind} in 0..1 are needed")
    low, high = frames.min(), frames.max()
    if low < 0 or high > 1:
        raise InputError(
            f"frames lie between {low:g} and {high:g}: {kind} in 0..1 are needed"
            + ("; divide by 255" if low >= 0 and 1 < high <= 255 else "")
        )


def check_policy(policy: Any) -> None:
    """Raises InputError unless it is a step policy."""
    if isinstance(policy, str):
        raise InputError(f"policy is {policy!r}: give rsf.parse_policy({policy!r})")
    kind: Any = type(policy)
    if isinstance(policy, type) or not (_offers(kind) or isinstance(policy, StepPolicy)):
        raise InputError(
            f"policy is {policy!r}: a step policy is needed, such as rsf.FixedSchedule(8, 2)"
        )
    if any(leaf is policy for leaf in jax.tree.leaves(policy)):
        raise InputError(
            f"policy {type(policy).__name__} is no pytree: decorate its class with "
            "flax.struct.dataclass, or register it with jax.tree_util"
        )


def checked_policies(policies: Any, name: str = "policies") -> tuple[StepPolicy, ...]:
    """Returns several policies; raises InputError unless these are step policies.

    Args:
        policies: a list of them, or anything else that holds some.
        name: of the argument.
    """
    needed = "a list of step policies is needed, such as [rsf.FixedSchedule(8, 2)]"
    found = several(name, policies, needed)
    for policy in found:
        check_policy(policy)
    return found


_MEMBERS = ("max_steps", "singles_out_first_frame", "init_memory", "unroll")


@functools.lru_cache(maxsize=64)  # a protocol looks for them anew in every object
def _offers(kind: type) -> bool:
    """Whether a class has what a step policy needs."""
    return all(hasattr(kind, name) for name in _MEMBERS)


def on_device(policy: StepPolicy) -> StepPolicy:
    """Returns a policy whose numbers are arrays: of whatever kind, they compile one program."""

    def place(x: Any) -> jax.Array:
        if isinstance(x, float):
            return _number(x)
        if isinstance(x, jax.Array) and x.dtype == jnp.float32 and not x.weak_type:
            return x
        if jnp.issubdtype(jnp.result_type(x), jnp.floating):
            return jnp.asarray(x, jnp.float32) if isinstance(x, jax.Array) else _put(np.float32(x))
        return x if isinstance(x, jax.Array) else _put(np.asarray(x))

    leaves, structure = jax.tree.flatten(policy)
    placed = [place(leaf) for leaf in leaves]
    if all(old is new for old, new in zip(leaves, placed)):
        return policy  # made anew it would check its fields anew
    return jax.tree.unflatten(structure, placed)


_NUMBERS: dict[Any, jax.Array] = {}
_MOST_NUMBERS = 256


def _number(x: float) -> jax.Array:
    """A number on the device: putting the four of a gate there took as long as the gate."""
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    key = (x, device, jax.sharding.get_abstract_mesh())
    found = _NUMBERS.get(key)
    if found is None or found.is_deleted():
        found = _put(np.float32(x))
        if not isinstance(found, jax.core.Tracer):  # which is of one function alone
            if len(_NUMBERS) >= _MOST_NUMBERS:
                _NUMBERS.clear()
            _NUMBERS[key] = found
    return found


def _put(x: Any) -> jax.Array:
    # In so many words: a transfer that is not asked for may be forbidden (`jax.transfer_guard`).
    return jax.device_put(x)


def checked_prepared(model: VideoModel, prepared: Prepared, shape: tuple[int, int]) -> Prepared:
    """Returns variables; raises InputError unless they were prepared by a model for a size."""
    again = f"call rsf_jax.prepare(model, variables, {shape})"
    if prepared.frame_shape != shape:
        raise InputError(
            f"variables were prepared for frames of {show_size(prepared.frame_shape)} pixels, "
            f"these have {show_size(shape)}: {again}"
        )
    if prepared.model is not model and prepared.model != model:
        raise InputError(f"variables were prepared by another model: {again} with this one")
    return prepared


def as_prepared(
    model: VideoModel, variables: Variables | Prepared, frame_shape: tuple[int, ...]
) -> Prepared:
    """Returns variables prepared for frames of (height, width) pixels, unless they are already.

    Raises:
        InputError: if they are of another size or model, or the size is none.
    """
    size = checked_frame_shape(frame_shape)
    if isinstance(variables, Prepared):
        return checked_prepared(model, variables, size)
    return prepare(model, variables, size)


def check_state(model: VideoModel, state: Any, frame: Frame) -> None:
    """Raises InputError unless a state fits the model and a frame [B, H, W, 1]."""
    batch, height, width, _ = frame.shape
    if isinstance(state, State):  # what a policy has left in it is another's: see `with_memory`
        state = dataclasses.replace(state, memory=())
    if _kinds(state) == _initial_kinds(model, batch, (height, width)):
        return
    expected = _initial_state(model, batch, (height, width))
    wanted, given = jax.tree.map(jnp.shape, expected), jax.tree.map(jnp.shape, state)
    if wanted == given:
        _check_types(expected, state)
    else:
        raise InputError(
            f"the state does not belong to this model and frame: its arrays have shapes "
            f"{_shapes(given)}, a batch of {batch} frames of {show_size((height, width))} pixels "
            f"needs {_shapes(wanted)}; start from model.initial_state({batch}, ({height}, {width}))"
        )


def with_memory(policy: StepPolicy, state: State, frame: Frame) -> State:
    """Returns a state with what a policy carries; raises InputError if another one's is there."""
    if getattr(type(policy), "init_memory", None) is Stepwise.init_memory:
        # Most policies carry nothing: tracing that took a third of a small live frame's time.
        is_empty = isinstance(state.memory, tuple) and not state.memory
        return state if is_empty else dataclasses.replace(state, memory=())
    expected = _memory(policy, frame)
    if not jax.tree.leaves(expected):
        return dataclasses.replace(state, memory=expected)
    if not jax.tree.leaves(state.memory):
        return dataclasses.replace(state, memory=policy.init_memory(as_float(frame)))
    if jax.tree.map(jnp.shape, expected) != jax.tree.map(jnp.shape, state.memory):
        raise InputError(
            f"the state was left by another policy than {policy}: start from model.initial_state, "
            "or go on with state.replace(memory=())"
        )
    return state


@functools.lru_cache(maxsize=64)  # tracing it took most of a live frame's time outside the model
def _initial_state(model: VideoModel, batch: BatchSize, size: tuple[int, int]) -> Any:
    return jax.eval_shape(lambda: model.initial_state(batch, size))


@functools.lru_cache(maxsize=64)
def _initial_kinds(model: VideoModel, batch: BatchSize, size: tuple[int, int]) -> Any:
    return _kinds(_initial_state(model, batch, size))


def _kinds(tree: Any) -> tuple[Any, list[Any]]:
    """Structure, shapes and types, to be compared at once; None of what is no array."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(getattr(x, "shape", None), getattr(x, "dtype", None)) for x in leaves]


def _memory(policy: StepPolicy, frame: Frame) -> Any:
    """What a policy carries at first, as shapes and types."""
    leaves, structure = jax.tree.flatten(policy)
    kinds = tuple(
        (leaf.shape, leaf.dtype)
        if isinstance(leaf, jax.Array)
        else (jnp.shape(leaf), jnp.result_type(leaf))
        for leaf in leaves
    )
    return _memory_of_kind(structure, kinds, frame.shape, frame.dtype)


@functools.lru_cache(maxsize=64)  # as above
def _memory_of_kind(structure: Any, kinds: tuple, shape: tuple[BatchSize, ...], dtype: Any) -> Any:
    policy = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(*kind) for kind in kinds])
    frame = jax.ShapeDtypeStruct(shape, dtype)
    return jax.eval_shape(lambda p, f: p.init_memory(as_float(f)), policy, frame)


def _check_types(expected: Any, state: Any) -> None:
    for wanted, given in zip(jax.tree.leaves(expected), jax.tree.leaves(state)):
        dtype = jnp.result_type(given)
        # What is computed with weights of float64 is of float64.
        is_double = (wanted.dtype, dtype) == (jnp.float32, jnp.float64)
        if dtype != wanted.dtype and not is_double:
            raise InputError(
                f"the state has an array of {dtype} where this model's are {wanted.dtype}: give "
                "what run_frame returned, or model.initial_state"
            )


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return jax.tree.leaves(tree, is_leaf=_is_shape)


def _is_shape(x: Any) -> bool:
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)


def show_size(shape: tuple[int, int]) -> str:
    """Returns a frame size as messages show it."""
    return f"{shape[0]}x{shape[1]}"
