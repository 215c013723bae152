"""What every model offers, and the recurrent one: stem, cell and readout as a Flax module."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import ScopeCollectionNotFound, ScopeParamNotFoundError, ScopeParamShapeError

from rsf_jax.arguments import whole
from rsf_jax.cells import RecurrentCell
from rsf_jax.errors import InputError
from rsf_jax.models.gabor import SIZE, gabor_filters
from rsf_jax.ops.initializers import torch_uniform
from rsf_jax.ops.norm import normalize, per_channel
from rsf_jax.ops.prepared import SPECTRA
from rsf_jax.typing import (
    Array,
    Carry,
    FeatureMap,
    Float,
    Frame,
    FrameLogits,
    Kernel,
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

    def apply(self, method: str | Callable, *args: Any) -> Any:
        """Calls a method of the model, or a function of it, with the variables."""
        return self.model.apply(self.variables, *args, method=method)

    def drive(self, frame: Frame) -> FeatureMap:
        """Returns x_t, which enters every step of a frame [B, H, W, I]."""
        return self.apply("drive", frame)

    def step(self, carry: Carry, drive: FeatureMap) -> Carry:
        """Applies one recurrent step."""
        return self.apply("step", carry, drive)

    def hidden(self, carry: Carry) -> FeatureMap:
        """Returns the hidden state h [B, C, H, W] of a carry."""
        return self.apply("hidden", carry)

    def readout(self, carry: Carry) -> FrameLogits:
        """Returns the logits [B, H, W, K] of a carry."""
        return self.apply("readout", carry)

    def initial_carry(self, batch_size: int) -> Carry:
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
    """

    # Without annotations: not fields, which would be arguments.
    recurrent = True
    norm_statistics = "sample"
    input_channels = 1

    def __call__(self, frames: Video, policy: Any = None) -> VideoLogits:
        """Runs a video, as `run_video` does, where a model is a layer of another.

        `model.apply(variables, frames, rsf.FixedSchedule(8, 2))`; `init` needs the shapes alone,
        and no policy.

        Args:
            frames: float32 [B, T, H, W, I] in 0..1.
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
            _, logits = self.once(self.initial_carry(batch_size, height, width), frames[:, 0])
            return jnp.broadcast_to(logits[:, None], (batch_size, length, *logits.shape[1:]))
        if policy is None:
            raise InputError(
                "a model is applied to a video under a policy: give one, as in "
                "model.apply(variables, frames, rsf.FixedSchedule(8, 2)), or call rsf.run_video"
            )
        from rsf_jax.unroll import run_video  # which is made of models

        model, variables = self.unbind()
        return run_video(model, variables, frames, policy).logits

    def initial_state(self, batch_size: int, frame_shape: tuple[int, int]) -> State:
        """Returns the state in front of the first frame; needs no variables.

        Args:
            batch_size: number of videos B.
            frame_shape: (height, width) in pixels.
        """
        carry = self.initial_carry(batch_size, *frame_shape)
        return State(carry, jnp.zeros((batch_size,), jnp.int32))

    def initial_carry(self, batch_size: int, height: int, width: int) -> Carry:
        """Returns what a step starts from in front of the first frame."""
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

    def once(self, carry: Carry, frame: Frame) -> tuple[Carry, FrameLogits]:
        """Applies one step to a frame and reads it out."""
        carry = self.step(carry, self.drive(frame))
        return carry, self.readout(carry)


class Stem(nn.Module):
    """7x7 convolution from Gabor filters, then squared: the drive of the recurrence.

    A color stem begins with the same filters on every channel, divided by their number: a gray
    picture given as color begins as the gray model would see it, and training tells colors apart.

    Source: Wang et al. 2023, eq. 3 and published code, for gray frames.
    """

    channels: int

    @nn.compact
    def __call__(self, frame: Frame) -> FeatureMap:
        """Maps a frame [B, H, W, I] to the drive [B, C, H, W]."""
        inputs = frame.shape[-1]
        filters = np.repeat(gabor_filters(self.channels), inputs, axis=2) / np.float32(inputs)
        kernel = self.param("kernel", lambda _: jnp.asarray(filters))
        bias = self.param("bias", torch_uniform(SIZE * SIZE), (self.channels,), jnp.float32)
        return jnp.square(convolve_frame(frame, kernel) + per_channel(bias))


class Readout(nn.Module):
    """Normalisation and 1x1 convolution to one logit per class.

    Source: Wang et al. 2023, eq. 5 and published code.
    """

    classes: int
    norm_statistics: str

    @nn.compact
    def __call__(self, hidden: FeatureMap) -> FrameLogits:
        """Maps a hidden state [B, C, H, W] to logits [B, H, W, K]."""
        channels = hidden.shape[1]
        scale = self.param("norm_scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("norm_bias", nn.initializers.zeros, (channels,), jnp.float32)
        x = normalize(hidden, scale, bias, self.norm_statistics)
        return nn.Conv(
            self.classes,
            (1, 1),
            kernel_init=nn.initializers.xavier_normal(),
            bias_init=nn.initializers.constant(math.log(0.99 / 0.01)),
            precision="highest",
            name="conv",
        )(jnp.moveaxis(x, 1, -1))


class RecurrentModel(VideoModel):
    """Stem, recurrent cell, readout: `x_t = stem(I_t)`, `h <- cell(h, x_t)`, `y_t = readout(h)`.

    Attributes:
        cell: the recurrent cell.
        classes: number of output classes K.
        input_channels: channels I of a frame: 1 for gray, 3 for color.

    Raises:
        InputError: if the cell is none, or there are no classes.

    Source: Wang et al. 2023, eq. 1-5, for gray frames and two classes.
    """

    cell: RecurrentCell
    classes: int = 2
    input_channels: int = 1

    def __post_init__(self) -> None:
        """Checks the attributes."""
        if isinstance(self.cell, type):
            name = self.cell.__name__
            raise InputError(f"cell is the class {name}: give a cell, such as {name}(channels=25)")
        if not isinstance(self.cell, RecurrentCell):
            raise InputError(f"cell is {self.cell!r}: a RecurrentCell is needed, as HGRUCell()")
        whole("classes", self.classes)
        whole("input_channels", self.input_channels)
        super().__post_init__()

    def setup(self) -> None:
        """Declares stem and readout; the cell is given."""
        self.stem = Stem(self.cell.channels)
        self.output = Readout(self.classes, self.cell.norm_statistics)

    @property
    def norm_statistics(self) -> str:  # type: ignore[override]
        """What the cell and the readout normalise by."""
        return self.cell.norm_statistics

    def initial_carry(self, batch_size: int, height: int, width: int) -> Carry:
        """Returns the cell's state in front of the first frame."""
        return self.cell.initial_carry(batch_size, height, width)

    def prepare(self, frame_shape: tuple[int, int]) -> None:
        """Stores the cell's spectra."""
        self.cell.prepare(*frame_shape)

    def drive(self, frame: Frame) -> FeatureMap:
        """Returns x_t, or what the cell makes of it: it enters every step (recall)."""
        return self.cell.drive(self.stem(frame))

    def step(self, carry: Carry, drive: FeatureMap) -> Carry:
        """Applies one recurrent step.

        Raises:
            InputError: if the cell returns another kind of carry than it is given.
        """
        after = self.cell(carry, drive)
        if _kind(after) != _kind(carry):
            raise InputError(
                f"a step of {type(self.cell).__name__} makes {_kind(after)} of a carry "
                f"{_kind(carry)}: it must return what it is given and `initial_carry` returns, "
                "of the same structure, shapes and types"
            )
        return after

    def hidden(self, carry: Carry) -> FeatureMap:
        """Returns the hidden state h [B, C, H, W] of a carry."""
        return self.cell.hidden(carry)

    def readout(self, carry: Carry) -> FrameLogits:
        """Returns logits [B, H, W, K]."""
        return self.output(self.cell.hidden(carry))


def _kind(carry: Carry) -> str:
    """Structure, shapes and types of a carry, in a line."""
    return str(jax.tree.map(lambda x: f"{jnp.result_type(x)}{list(jnp.shape(x))}", carry))


@jax.jit  # by its name it can be told from what it is computed by
def convolve_frame(frame: Frame, kernel: Kernel) -> FeatureMap:
    """Convolves a frame [B, H, W, I] with the stem's kernel [7, 7, I, C]."""
    # As one product: XLA's CPU gradient of this convolution is ten times slower.
    flat = kernel.reshape(SIZE * SIZE * kernel.shape[2], -1)
    return jnp.einsum("bphw,pc->bchw", _windows(frame), flat, precision="highest")


def _windows(frame: Frame) -> Float[Array, "B P H W"]:
    """The SIZE x SIZE values of every channel around every pixel, zero beyond the frame."""
    height, width, inputs = frame.shape[1:]
    margin = SIZE // 2
    around = ((0, 0), (margin, margin), (margin, margin))
    planes = [jnp.pad(frame[..., channel], around) for channel in range(inputs)]
    shifts = [(i, j) for i in range(SIZE) for j in range(SIZE)]
    return jnp.stack(
        [plane[:, i : i + height, j : j + width] for i, j in shifts for plane in planes], axis=1
    )


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
    frame_shape = checked_frame_shape(frame_shape)
    with check_variables(variables):
        _, spectra = model.apply(variables, frame_shape, method="prepare", mutable=[SPECTRA])
    return Prepared({**variables, **spectra}, model, frame_shape)


def checked_frame_shape(shape: Any) -> tuple[int, int]:
    """Returns (height, width) in pixels, whole numbers of Python or NumPy.

    Raises:
        InputError: if it is something else.
    """
    try:
        height, width = (whole("", side) for side in shape)
    except (TypeError, ValueError, InputError):
        raise InputError(
            f"frame_shape is {shape!r}: (height, width) of 1 pixel or more is needed"
        ) from None
    return height, width


@contextlib.contextmanager
def check_variables(variables: Any) -> Iterator[None]:
    """Makes InputError of what Flax says, while a model is applied, of variables that do not fit.

    Raises:
        InputError: if these are no variables, or of another model.
    """
    if not isinstance(variables, Mapping):
        raise InputError(
            f"variables are {type(variables).__name__}: what model.init gives is needed"
        )
    try:
        yield
    except (ScopeCollectionNotFound, ScopeParamNotFoundError, ScopeParamShapeError) as error:
        said = str(error).partition(" (https://")[0]
        raise InputError(f"these are not the variables of this model: {said}") from error


def count_parameters(variables: Variables) -> int:
    """Returns the number of trainable values."""
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
