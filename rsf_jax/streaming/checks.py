"""What is checked of an engine's arguments and of frames."""

from typing import Any

import jax
import numpy as np

from rsf_jax.arguments import check_choice, check_function, check_number, whole
from rsf_jax.checks import check_frames, check_policy
from rsf_jax.errors import InputError
from rsf_jax.models import base as models
from rsf_jax.models.base import VideoModel
from rsf_jax.policies import StepPolicy
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.streaming.streams import WHEN_FULL


def check_functions(**functions: Any) -> None:
    """Raises InputError unless all can be called."""
    for name, function in functions.items():
        check_function(name, function)


def checked_frame_shape(shape: Any) -> tuple[int, int, int]:
    """Returns (height, width, channels) of frames.

    Raises:
        InputError: if it is something else.
    """
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise InputError(f"frame_shape is {shape!r}: (height, width, channels) is needed")
    height, width, channels = (whole("each of frame_shape", length) for length in shape)
    return height, width, channels


def checked_budget(budget: Any) -> float | None:
    """Returns a time in seconds, or None.

    Raises:
        InputError: if it is none of both.
    """
    if budget is None:
        return None
    needed = "seconds above 0 are needed, or None"
    return float(check_number("budget", budget, needed, lambda x: 0 < x < float("inf")))


def check_when_full(name: Any) -> None:
    """Raises InputError unless it is one of `WHEN_FULL`."""
    check_choice("when_full", name, WHEN_FULL)


def check_on_result(function: Any) -> None:
    """Raises InputError unless results can be given to it; None leaves them to `results`."""
    if function is not None:
        check_function("on_result", function)


def checked_model(model: Any) -> VideoModel:
    """Returns a model whose streams can be computed apart.

    Raises:
        InputError: if it is none.
    """
    model = models.checked_model(model)
    if not model.recurrent:
        raise InputError(
            "this model has no recurrent steps, so that no frame can end before another: "
            "use run_frame"
        )
    if model.norm_statistics != "sample":
        raise InputError(
            f"norm_statistics is {model.norm_statistics!r}: streams would change each other; "
            'build the model with "sample"'
        )
    return model


def checked_policy(policy: StepPolicy) -> StepwisePolicy:
    """Returns a policy that decides after every step, one rule for all streams."""
    check_policy(policy)
    if not isinstance(policy, StepwisePolicy):
        raise InputError(
            f"policy {policy} decides nothing after a step: streams need one with the methods "
            "of StepwisePolicy, such as should_continue, as FixedSchedule and DistanceHalting have"
        )
    if any(np.ndim(leaf) for leaf in jax.tree.leaves(policy)):
        raise InputError(
            f"policy {policy} has a value for each sample of a batch: streams share one rule"
        )
    # Arrays, so that a number of another type is not another program.
    return jax.tree.map(np.float32, policy)


def checked_frame(frame: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns a copy of a frame, uint8 or float32 in 0..1, on the host.

    Raises:
        InputError: if it is no array of that shape, or its values are none of a frame.
    """
    if not hasattr(frame, "shape") or tuple(frame.shape) != shape:
        given = list(frame.shape) if hasattr(frame, "shape") else type(frame).__name__
        raise InputError(f"the frame is {given}: an array {list(shape)} is needed")
    frame = np.asarray(frame)
    check_frames(frame[None], 4, "1, H, W", shape[-1])
    # Not the caller's array, who may write the next frame into it.
    return frame.copy()
