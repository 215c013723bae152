"""A frame as a function of arrays alone: what every kind of program is made of."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.models.base import State, prepare
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy
from rsf_jax.programs.weights import restore
from rsf_jax.trained.model import Trained
from rsf_jax.unroll import run_frame


def first_state(trained: Trained, policy: StepPolicy, frame_shape: tuple[int, int]) -> State:
    """Returns the state of one video before its first frame, of model and policy."""
    frame = jnp.zeros((1, *frame_shape, trained.config.input_channels))
    state = trained.model.initial_state(1, frame_shape)
    return dataclasses.replace(state, memory=policy.init_memory(frame))


def frame_step(
    trained: Trained, policy: StepPolicy, frame_shape: tuple[int, int]
) -> Callable[[Mapping[str, Any], list[Any], Any], list[Any]]:
    """Returns `step(weights, state, frame)`, traceable.

    It takes weights as `weights.store` gives them, the arrays of a state, and a frame, uint8
    [B, H, W, I]; and returns the arrays of the next state, logits and steps.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        frame_shape: (height, width) in pixels.
    """
    structure = jax.tree.structure(first_state(trained, policy, frame_shape))

    def step(weights: Mapping[str, Any], leaves: list[Any], frame: Any) -> list[Any]:
        state, out = run_frame(
            trained.model,
            prepare(trained.model, restore(weights), frame_shape),
            jax.tree.unflatten(structure, leaves),
            as_float(frame),
            policy,
            stateful=trained.config.stateful,
        )
        return [*jax.tree.leaves(state), out.logits, out.steps]

    return step


def arguments(
    trained: Trained, policy: StepPolicy, frame_shape: tuple[int, int], size: Any
) -> tuple[list[jax.ShapeDtypeStruct], jax.ShapeDtypeStruct]:
    """Returns shapes and types of a state's arrays and of a frame.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        frame_shape: (height, width) in pixels.
        size: videos B: a number, or a symbol of `jax.export`.
    """
    like = jax.tree.leaves(first_state(trained, policy, frame_shape))
    leaves = [jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype) for x in like]
    shape = (size, *frame_shape, trained.config.input_channels)
    return leaves, jax.ShapeDtypeStruct(shape, jnp.uint8)
