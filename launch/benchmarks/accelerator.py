"""What a GPU or a TPU is asked first: which convolution is faster, in which type, on how many."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from benchmarks import cases
from benchmarks.cases import METHODS, Workload
from rsf_jax.config.build import (
    build_model,
    build_objective,
    build_schedule,
    training_schedule,
)
from rsf_jax.config.config import Config
from rsf_jax.measures.timing import Case, compiled
from rsf_jax.ops.conv import convolve
from rsf_jax.ops.rounding import COMPUTE_DTYPES
from rsf_jax.parallel.devices import Devices
from rsf_jax.training.state import build_optimizer, create_state
from rsf_jax.training.step import make_train_step
from rsf_jax.typing import Array

# Sides of square kernels, from which on one is measured to be faster.
KERNELS = (3, 5, 7, 9, 15)


def rule_cases(
    channels: int, kernel_size: int, side: int, batch_size: int, compute_dtype: str
) -> dict[str, Case]:
    """A convolution with its two gradients, by every method; times are per image."""
    rng = np.random.default_rng(0)
    x, y = rng.random((2, batch_size, channels, side, side), np.float32)
    kernel = rng.random((kernel_size, kernel_size, channels, channels), np.float32) - 0.5

    def all_three(method: str, x: Array, kernel: Array, y: Array) -> Any:
        one = functools.partial(convolve, method=method, compute_dtype=compute_dtype)
        output, transposed = jax.vjp(one, x, kernel)
        return output, transposed(y)

    return {
        method: compiled(functools.partial(all_three, method), x, kernel, y, units=batch_size)
        for method in METHODS
    }


def rule_of(medians: Mapping[tuple[str, int, str], float]) -> dict[str, int | None]:
    """Returns, for every type, what `rsf_jax/ops/rule.py` should say of the device.

    Args:
        medians: times by (type, side of the kernel, method).

    Returns:
        The area of the smallest kernel from which on all that were measured are faster in the
        frequency domain; None if the largest is not.
    """
    found: dict[str, int | None] = {}
    for dtype in dict.fromkeys(dtype for dtype, _, _ in medians):
        found[dtype] = None
        for side in sorted({side for of, side, _ in medians if of == dtype}, reverse=True):
            if medians[dtype, side, "fft"] >= medians[dtype, side, "direct"]:
                break
            found[dtype] = side * side
    return found


def type_cases(work: Workload) -> dict[str, Case]:
    """Loss and gradients in every type; times are per recurrent step and image."""
    schedule = training_schedule(work.config)
    batch = cases.random_batch(work.frames)
    units = sum(cases.step_counts(schedule, work.frames.shape[1])) * len(work.frames)
    found = {}
    for dtype in COMPUTE_DTYPES:
        config = work.config.replace(compute_dtype=dtype)
        call = functools.partial(
            cases.gradients,
            build_model(config),
            build_schedule(config),
            build_objective(config),
            None,
        )
        found[dtype] = compiled(call, work.variables, batch, units=units)
    return found


def device_cases(config: Config, videos: int, frame_count: int, side: int) -> dict[str, Case]:
    """An update on one device and on all there are, of so many videos each; times are per video."""
    counts = dict.fromkeys((1, len(jax.local_devices())))
    return {
        f"{count} device{'s' * (count > 1)}": _update_case(config, count, videos, frame_count, side)
        for count in counts
    }


def _update_case(config: Config, count: int, videos: int, frame_count: int, side: int) -> Case:
    devices, model = Devices(count), build_model(config)
    optimizer = build_optimizer(config, 1)
    update = devices.compile(
        make_train_step(
            model,
            build_schedule(config),
            optimizer,
            objective=build_objective(config),
            axis_name=devices.axis_name,
        )
    )
    state = devices.replicate(create_state(model, optimizer, 0, (side, side)))
    frames = cases.random_frames(videos * count, frame_count, side)
    batch = devices.shard(cases.random_batch(frames))
    return Case(lambda: jax.block_until_ready(update(state, batch)), videos * count)
