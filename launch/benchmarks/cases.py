"""What is measured of a model: step, frame, video, update, live stream, and growth."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jax import lax

from benchmarks.pytorch import PyTorchModel
from rsf_jax.config.build import build_model, build_objective
from rsf_jax.config.config import Config
from rsf_jax.data.batch import Batch
from rsf_jax.gradients import BPTT, REMAT, Penalty
from rsf_jax.measures.losses import Objective
from rsf_jax.measures.timing import Case, compiled
from rsf_jax.models.base import Prepared, VideoModel, prepare
from rsf_jax.models.first import first_variables
from rsf_jax.ops.conv import KernelSpectrum, convolve, kernel_spectrum
from rsf_jax.policies import FixedSchedule
from rsf_jax.training.step import video_gradients
from rsf_jax.typing import Array
from rsf_jax.unroll import run_frame, run_video

METHODS = ("fft", "direct")
TORCH = "PyTorch"


@dataclasses.dataclass(frozen=True)
class Workload:
    """A model, its weights and random frames to run it on.

    Attributes:
        config: the model's configuration.
        model: the model.
        variables: random weights.
        frames: float32 [B, T, H, W, 1].
        torch: the same model in PyTorch, or None.
    """

    config: Config
    model: VideoModel
    variables: dict[str, Any]
    frames: np.ndarray
    torch: PyTorchModel | None

    def with_method(self, method: str) -> VideoModel:
        """The same model with another way to convolve."""
        return build_model(self.config.replace(conv_method=method))

    def prepared(self, model: VideoModel) -> Prepared:
        """The weights, prepared for the frames."""
        shape = self.frames.shape[2:4]
        return jax.jit(lambda v: prepare(model, v, shape))(self.variables)


def build_workload(
    config: Config, batch_size: int, frame_count: int, side: int, with_torch: bool
) -> Workload:
    """Returns a model with random weights and square frames of `side` pixels."""
    frames = random_frames(batch_size, frame_count, side)
    model = build_model(config)
    variables = first_variables(model, jax.random.key(0), frames[:1])
    torch = PyTorchModel(variables["params"]) if with_torch else None
    return Workload(config, model, variables, frames, torch)


def step_cases(work: Workload, steps: int = 8) -> dict[str, Case]:
    """The step alone, forward; times are per step and image."""
    frame = work.frames[:, 0]
    units = steps * len(frame)
    rng = np.random.default_rng(1)
    carry = jax.tree.map(
        lambda x: rng.random(x.shape, np.float32),
        work.model.initial_carry(len(frame), *frame.shape[1:3]),
    )
    cases = {}
    for method in METHODS:
        model = work.with_method(method)
        prepared = work.prepared(model)
        drive = jax.jit(Prepared.drive)(prepared, frame)
        repeat = functools.partial(_repeat_step, steps)
        cases[method] = compiled(repeat, prepared, carry, drive, units=units)
    if work.torch is not None:
        theirs = functools.partial(work.torch.steps, carry, np.asarray(drive), steps)
        cases[TORCH] = Case(theirs, units)
    return cases


def _repeat_step(steps: int, prepared: Prepared, carry: Any, drive: Array) -> Any:
    def body(carry: Any, _: None) -> tuple[Any, None]:
        return prepared.step(carry, drive), None

    return lax.scan(body, carry, length=steps)[0]


def frame_cases(work: Workload, steps: Iterable[int]) -> dict[str, Case]:
    """One frame with stem and readout, for several numbers of steps; times are per frame."""
    frame = work.frames[:, 0]
    state = work.model.initial_state(frame.shape[0], frame.shape[1:3])
    prepared = work.prepared(work.model)

    def run(steps: int, frame: jax.Array) -> Any:
        return run_frame(work.model, prepared, state, frame, FixedSchedule(steps, steps))

    return {f"{n} steps": compiled(functools.partial(run, n), frame) for n in steps}


def video_cases(work: Workload, schedules: Iterable[FixedSchedule]) -> dict[str, Case]:
    """Whole videos; times are per video."""
    prepared = work.prepared(work.model)

    def run(schedule: FixedSchedule, frames: jax.Array) -> Any:
        return run_video(work.model, prepared, frames, schedule).logits

    units = work.frames.shape[0]
    return {
        str(s): compiled(functools.partial(run, s), work.frames, units=units) for s in schedules
    }


def training_cases(work: Workload, schedule: FixedSchedule) -> dict[str, Case]:
    """Loss and gradients of videos; times are per recurrent step and image.

    The method is the configuration's: XLA's CPU gradients of direct convolutions take seconds.
    """
    batch_size, frame_count = work.frames.shape[:2]
    batch = random_batch(work.frames)
    counts = step_counts(schedule, frame_count)
    units = sum(counts) * batch_size
    cases = {}
    for remat in REMAT:
        call = functools.partial(
            gradients,
            work.model,
            dataclasses.replace(schedule, gradient=BPTT(remat)),
            build_objective(work.config),
            None,
        )
        name = f"remat {remat}"
        cases[name] = compiled(call, work.variables, batch, units=units)
    if work.torch is not None:
        gamma = work.config.focal_gamma
        cases[TORCH] = Case(
            functools.partial(work.torch.gradients, work.frames, batch.masks, counts, gamma), units
        )
    return cases


def gradients(
    model: VideoModel,
    schedule: FixedSchedule,
    objective: Objective,
    penalty: Penalty | None,
    variables: dict[str, Any],
    batch: Batch,
) -> Any:
    """Loss, mIoU and gradients of a batch whose videos count alike."""
    shares = batch.weights / batch.weights.sum()
    return video_gradients(
        model, variables, batch, shares, schedule, objective=objective, penalty=penalty
    )


def stream_cases(work: Workload, schedules: Iterable[FixedSchedule]) -> dict[str, Case]:
    """A live stream: one frame after another, each result on the host; times are per frame."""
    frames = work.frames[:1]
    prepared = work.prepared(work.model)
    frame_count = frames.shape[1]
    cases = {}
    for schedule in schedules:
        ours = functools.partial(_stream, work.model, prepared, schedule, frames)
        cases[str(schedule)] = Case(ours, frame_count)
        if work.torch is not None:
            counts = step_counts(schedule, frame_count)
            theirs = functools.partial(work.torch.stream, frames[0], counts)
            cases[f"{schedule}, {TORCH}"] = Case(theirs, frame_count)
    return cases


def _stream(
    model: VideoModel, prepared: Prepared, schedule: FixedSchedule, frames: np.ndarray
) -> np.ndarray:
    state = model.initial_state(1, frames.shape[2:4])
    classes = []
    for t in range(frames.shape[1]):
        state, out = run_frame(model, prepared, state, frames[:, t], schedule)
        classes.append(np.asarray(out.logits[0]).argmax(-1))
    return np.stack(classes)


def growth_cases(channels: int, kernel_size: int, side: int, batch_size: int) -> dict[str, Case]:
    """One convolution by every method; times are per image."""
    rng = np.random.default_rng(2)
    x = rng.random((batch_size, channels, side, side), np.float32)
    kernel = rng.random((kernel_size, kernel_size, channels, channels), np.float32) - 0.5
    spectrum = jax.jit(kernel_spectrum, static_argnums=(1, 2))(kernel, side, side)

    def fft(x: jax.Array, kernel: jax.Array, spectrum: KernelSpectrum) -> Array:
        return convolve(x, kernel, method="fft", spectrum=spectrum)

    def direct(x: jax.Array, kernel: jax.Array) -> Array:
        return convolve(x, kernel, method="direct")

    return {
        "fft": compiled(fft, x, kernel, spectrum, units=batch_size),
        "direct": compiled(direct, x, kernel, units=batch_size),
    }


def agreement(work: Workload, schedule: FixedSchedule) -> float | None:
    """Share of pixels of a stream that PyTorch's model gives the same class; None without it."""
    if work.torch is None:
        return None
    frames = work.frames[:1]
    ours = _stream(work.model, work.prepared(work.model), schedule, frames)
    theirs = work.torch.stream(frames[0], step_counts(schedule, frames.shape[1]))
    return float(np.mean(ours == theirs))


def random_frames(batch_size: int, frame_count: int, side: int) -> np.ndarray:
    """Noise, float32 [B, T, side, side, 1] in 0..1."""
    shape = (batch_size, frame_count, side, side, 1)
    return np.random.default_rng(0).random(shape, np.float32)


def random_batch(frames: np.ndarray) -> Batch:
    """Videos with random masks."""
    masks = (frames[..., 0] > 0.5).astype(np.uint8)
    return Batch(frames, masks, np.ones(len(frames), np.float32))


def step_counts(schedule: FixedSchedule, frame_count: int) -> list[int]:
    """Recurrent steps of every frame of a video."""
    return [schedule.slow] + [schedule.fast] * (frame_count - 1)
