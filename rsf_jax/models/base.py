"""What every model offers, and what running one starts from."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from flax.errors import ScopeCollectionNotFound, ScopeParamNotFoundError, ScopeParamShapeError

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.ops.pixels import as_float
from rsf_jax.ops.prepared import SPECTRA
from rsf_jax.policies.base import Halting
from rsf_jax.shown import in_a_line, short
from rsf_jax.typing import (
    Array,
    BatchSize,
    Carry,
    Drive,
    FeatureMap,
    Float,
    Frame,
    FrameLogits,
    Leaf,
    Variables,
    Video,
    VideoLogits,
)


@flax.struct.dataclass
class State:
    """What a video leaves behind for its next frame.

    Attributes:
        carry: the cell's state, a pytree of arrays with the batch first.
        frame_index: int32 [B], frames seen so far.
        memory: what the policy carries from frame to frame, if it carries anything.
    """

    __repr__ = in_a_line

    carry: Carry
    frame_index: Leaf
    memory: Any = ()


@flax.struct.dataclass
class Prepared:
    """Variables with all that depends on them and on the frame size alone.

    It applies the model's pieces, so that nothing else needs model and variables side by side.

    Attributes:
        variables: Flax variables, with the collection `spectra`.
        model: what they are of.
        frame_shape: (height, width) in pixels.
    """

    variables: Leaf
    model: "VideoModel" = flax.struct.field(pytree_node=False)
    frame_shape: tuple[int, int] = flax.struct.field(pytree_node=False)

    def __repr__(self) -> str:
        """Returns a line: variables and spectra would fill screens."""
        height, width = self.frame_shape
        return (
            f"<Prepared {type(self.model).__name__}, {short(self.variables)}, frames of "
            f"{height}x{width} pixels>"
        )

    def apply(self, method: str | Callable, *args: Any) -> Any:
        """Calls a method of the model, or a function of it, with the variables."""
        return self.model.apply(self.variables, *args, method=method)

    def drive(self, frame: Frame) -> Drive:
        """Returns x_t, which enters every step of a frame [B, H, W, I]."""
        return self.apply("drive", frame)

    def step(self, carry: Carry, drive: Drive) -> Carry:
        """Applies one recurrent step."""
        return self.apply("step", carry, drive)

    def hidden(self, carry: Carry) -> FeatureMap:
        """Returns the hidden state h [B, C, H, W] of a carry."""
        return self.apply("hidden", carry)

    def readout(self, carry: Carry) -> FrameLogits:
        """Returns the logits [B, H, W, K] of a carry."""
        return self.apply("readout", carry)

    @property
    def halting(self) -> Halting | None:
        """The model's halting head, for policies that read it; None if it has none."""
        head = self.model.halting_head
        return Halting(head, partial(self.apply, "halt")) if head else None

    def initial_carry(self, batch_size: BatchSize) -> Carry:
        """Returns what a step starts from before the first frame."""
        return self.model.initial_carry(batch_size, *self.frame_shape)


def _replaced(prepared: Prepared, **updates: Any) -> Prepared:
    """As of any dataclass of Flax, but for variables, on which the spectra depend."""
    if updates:
        raise InputError(
            "prepared variables cannot be replaced, or their spectra would be old: call "
            "prepare(model, variables, frame_shape)"
        )
    return prepared


setattr(Prepared, "replace", _replaced)  # noqa: B010


class VideoModel(nn.Module):
    """What `run_video` and `run_frame` need of a model; they put these pieces together.

    Attributes:
        recurrent: whether `step` may be applied several times to a frame.
        norm_statistics: "sample", "batch" or "running".
        input_channels: channels of a frame.
        halting_head: what its halting head is trained for, "ponder" or "act"; empty without one. A
            class with such a field can have one: `setup` then declares `halting`, a `HaltingHead`.
    """

    # Without annotations: not fields, which would be arguments.
    recurrent = True
    norm_statistics = "sample"
    input_channels = 1
    halting_head = ""

    def __call__(self, frames: Video, policy: Any = None) -> VideoLogits:
        """Runs a video, as `run_video` does, where a model is a layer of another.

        `model.apply(variables, frames, rsf.FixedSchedule(8, 2))`; `init` needs the shapes alone,
        and no policy.

        Args:
            frames: float32 [B, T, H, W, I] in 0..1, or uint8 in 0..255.
            policy: how many recurrent steps each frame gets.

        Returns:
            Logits, float32 [B, T, H, W, K].

        Raises:
            InputError: without a policy, and as `run_video`.
        """
        if jnp.ndim(frames) != 5 or frames.shape[-1] != self.input_channels:
            raise InputError(
                f"frames have shape {list(jnp.shape(frames))}: "
                f"[B, T, H, W, {self.input_channels}] is needed"
            )
        if self.is_initializing():
            batch_size, length, height, width, _ = frames.shape
            start = self.initial_carry(batch_size, height, width)
            carry, logits = self.once(start, as_float(frames[:, 0]))
            if self.halting_head:
                self.halt(start, carry)
            return jnp.broadcast_to(logits[:, None], (batch_size, length, *logits.shape[1:]))
        if policy is None:
            raise InputError(
                "a model is applied to a video under a policy: give one, as in "
                "model.apply(variables, frames, rsf.FixedSchedule(8, 2)), or call rsf.run_video"
            )
        from rsf_jax.unroll import run_video  # which is made of models

        return run_video(self, self.variables, frames, policy).logits

    def initial_state(self, batch_size: BatchSize, frame_shape: tuple[int, int]) -> State:
        """Returns the state before the first frame; needs no variables.

        Args:
            batch_size: number of videos B.
            frame_shape: (height, width) in pixels.

        Raises:
            InputError: if they are none.
        """
        if not jax.export.is_symbolic_dim(batch_size):
            batch_size = whole("batch_size", batch_size, least=0)
        carry = self.initial_carry(batch_size, *checked_frame_shape(frame_shape))
        return State(carry, jnp.zeros((batch_size,), jnp.int32))

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> Carry:
        """Returns what a step starts from before the first frame."""
        raise NotImplementedError

    def prepare(self, frame_shape: tuple[int, int]) -> None:
        """Stores kernel spectra in the collection `spectra`; `rsf_jax.prepare` calls it."""
        raise NotImplementedError

    def resume(self, carry: Carry) -> Carry:
        """Returns what the next frame starts from, given what the last one left.

        All of it, unless a model says otherwise. It must not need parameters.
        """
        return carry

    def drive(self, frame: Frame) -> FeatureMap:
        """Returns x_t, which enters every step of the frame."""
        raise NotImplementedError

    def step(self, carry: Carry, drive: FeatureMap) -> Carry:
        """Applies one step."""
        raise NotImplementedError

    def hidden(self, carry: Carry) -> FeatureMap:
        """Returns the hidden state h [B, C, H, W] of a carry."""
        raise NotImplementedError

    def readout(self, carry: Carry) -> FrameLogits:
        """Returns logits [B, H, W, K]."""
        raise NotImplementedError

    def halt(self, before: Carry, after: Carry) -> Float[Array, " B"]:
        """Returns the logit of halting after a step.

        Args:
            before: the state from which the step has started.
            after: the state that it has reached.

        Raises:
            InputError: if the model has no halting head.
        """
        if not self.halting_head:
            raise InputError(f"{type(self).__name__} has no halting head")
        return self.halting(self.hidden(before), self.hidden(after))

    def once(self, carry: Carry, frame: Frame) -> tuple[Carry, FrameLogits]:
        """Applies one step to a frame and reads it out."""
        carry = self.step(carry, self.drive(frame))
        return carry, self.readout(carry)


def prepare(model: VideoModel, variables: Variables, frame_shape: tuple[int, int]) -> Prepared:
    """Computes what depends on the parameters and the frame size alone.

    Takes the place of `variables` in `run_video` and `run_frame`, so that a live stream pays for
    the kernel spectra once. Differentiable in `variables`.

    Args:
        model: the model.
        variables: Flax variables.
        frame_shape: (height, width) in pixels.

    Returns:
        A pytree; compute it anew after every change of the parameters.

    Raises:
        InputError: if the variables are of another model, or the frame size is none.
    """
    model, frame_shape = checked_model(model), checked_frame_shape(frame_shape)
    with check_variables(variables):
        _, spectra = model.apply(variables, frame_shape, method="prepare", mutable=[SPECTRA])
    return Prepared({**variables, **spectra}, model, frame_shape)


def checked_model(model: Any) -> VideoModel:
    """Returns a model; of one that is a layer of a module that is running, the model alone.

    What is compiled for a model is found by its settings alone.

    Raises:
        InputError: if it is none.
    """
    if isinstance(model, type) and issubclass(model, VideoModel):
        raise InputError(f"model is the class {model.__name__}: give a model, {model.__name__}(..)")
    if not isinstance(model, VideoModel):
        raise InputError(f"model is {model!r}: give one, such as rsf.build_model(config) returns")
    return model if model.scope is None else model.unbind()[0]


def checked_frame_shape(shape: Any, name: str = "frame_shape") -> tuple[int, int]:
    """Returns (height, width) in pixels, whole numbers of Python or NumPy.

    Args:
        shape: what was given.
        name: of the argument.

    Raises:
        InputError: if it is something else.
    """
    try:
        height, width = (whole("", side) for side in shape)
    except (TypeError, ValueError, InputError):
        raise InputError(
            f"{name} is {shape!r}: (height, width) of 1 pixel or more is needed"
        ) from None
    return height, width


@contextlib.contextmanager
def check_variables(variables: Any) -> Iterator[None]:
    """Makes InputError of what Flax says, while a model is applied, of variables that do not fit.

    Args:
        variables: Flax variables, or `Prepared`.

    Raises:
        InputError: if these are no variables, or of another model.
    """
    found = variables.variables if isinstance(variables, Prepared) else variables
    if not isinstance(found, Mapping):
        raise InputError(
            f"variables are {type(variables).__name__}: what model.init gives is needed"
        )
    try:
        yield
    except (ScopeCollectionNotFound, ScopeParamNotFoundError, ScopeParamShapeError) as error:
        said = str(error).partition(" (https://")[0]
        raise InputError(f"these are not the variables of this model: {said}") from error


def count_parameters(variables: Variables) -> int:
    """Returns the number of trainable values.

    Raises:
        InputError: if these are no variables.
    """
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise InputError(f"variables are {short(variables)}: what model.init gives is needed")
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
