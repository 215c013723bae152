"""The recurrent model: stem, cell and readout."""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import whole
from rsf_jax.cells import RecurrentCell
from rsf_jax.errors import InputError
from rsf_jax.models.base import VideoModel
from rsf_jax.models.gabor import SIZE, gabor_filters
from rsf_jax.models.halting_head import PRIOR, HaltingHead, check_head
from rsf_jax.ops import portable
from rsf_jax.ops.direct import convolve_direct
from rsf_jax.ops.initializers import torch_uniform
from rsf_jax.ops.norm import normalize, per_channel
from rsf_jax.typing import Array, BatchSize, Carry, FeatureMap, Float, Frame, FrameLogits, Kernel


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
    """Normalization and 1x1 convolution to one logit per class.

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
        halting_head: what a halting head is trained for, "ponder" or "act"; empty for none.
        ponder_prior: probability of halting after a step that the head begins with.

    Raises:
        InputError: if the cell is none, there are no classes, or no such head.

    Source: Wang et al. 2023, eq. 1-5, for gray frames and two classes.
    """

    cell: RecurrentCell
    classes: int = 2
    input_channels: int = 1
    halting_head: str = ""
    ponder_prior: float = dataclasses.field(default=PRIOR, repr=False)

    def __post_init__(self) -> None:
        """Checks the attributes."""
        if isinstance(self.cell, type):
            name = self.cell.__name__
            raise InputError(f"cell is the class {name}: give a cell, such as {name}(channels=25)")
        if not isinstance(self.cell, RecurrentCell):
            raise InputError(f"cell is {self.cell!r}: a RecurrentCell is needed, as HGRUCell()")
        whole("classes", self.classes)
        whole("input_channels", self.input_channels)
        check_head(self.halting_head, self.ponder_prior)
        super().__post_init__()

    def setup(self) -> None:
        """Declares stem, readout and the head, if any; the cell is given."""
        self.stem = Stem(self.cell.channels)
        self.output = Readout(self.classes, self.cell.norm_statistics)
        if self.halting_head:
            self.halting = HaltingHead(self.ponder_prior)

    @property
    def norm_statistics(self) -> str:  # type: ignore[override]
        """What the cell and the readout normalize by."""
        return self.cell.norm_statistics

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> Carry:
        """Returns the cell's state before the first frame."""
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
    if portable.is_on():  # one operation there, and fast
        return jnp.moveaxis(convolve_direct(frame, kernel), -1, 1)
    # As one product: XLA's CPU gradient of this convolution is ten times slower.
    # See docs/decisions/0008-the-stem.md.
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
