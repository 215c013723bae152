"""A U-Net with a recurrent unit at its bottom, a whole pass of which is a recurrent step."""

import dataclasses
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from rsf_jax.arguments import check_choice, flag, whole
from rsf_jax.cells.dru import DRU, ConvBlock, kaiming_conv, kaiming_normal, normalize_groups
from rsf_jax.errors import InputError
from rsf_jax.models.base import VideoModel
from rsf_jax.models.formats import Signature
from rsf_jax.models.halting_head import PRIOR, HaltingHead, check_head
from rsf_jax.ops.direct import Conv
from rsf_jax.ops.rounding import COMPUTE_DTYPES, FLOAT32
from rsf_jax.typing import Array, BatchSize, FeatureMap, Float, Frame, FrameLogits

_LEVELS = 4  # times the map is halved
_SMALLEST = 2**_LEVELS
# What tells it by its weights, in which `carry_output` does not show.
SIGNATURE = Signature(
    "params.from_frame.kernel",
    (3, 3, "input_channels", "channels"),
    beside=("params.head.kernel",),
    sizes={"classes": ("params.head.kernel", 3, 2)},
)


class UNetState(NamedTuple):
    """What a recurrent step leaves.

    Attributes:
        hidden: float32 [B, C, H / 16, W / 16], rounded down: the unit's state h.
        output: float32 [B, H, W, K], logits, fed back to the next step.
    """

    hidden: Float[Array, "B C H W"]
    output: FrameLogits


class Decoder(nn.Module):
    """One level up: 2x2 transposed convolution, the skip beside it, two 3x3 convolutions.

    Attributes:
        channels: of the result.
        compute_dtype: in which its 3x3 convolutions multiply.
    """

    channels: int
    compute_dtype: str = FLOAT32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B h w D"], skip: Float[Array, "B H W C"]
    ) -> Float[Array, "B H W C"]:
        """Returns features of the skip's size."""
        x = _fit(Double(self.channels, name="up")(x), skip.shape[1], skip.shape[2])
        x = jnp.concatenate([skip, x], -1)
        conv = kaiming_conv(self.channels, self.compute_dtype)
        for i in range(2):
            x = nn.relu(conv(name=f"conv_{i}")(x))
        return x


class Double(nn.Module):
    """A 2x2 transposed convolution of stride 2: every pixel becomes four.

    Attributes:
        channels: of the result.
    """

    channels: int

    @nn.compact
    def __call__(self, x: Float[Array, "B h w D"]) -> Float[Array, "B H W C"]:
        """Returns features of twice the height and width."""
        kernel = self.param(
            "kernel", kaiming_normal, (2, 2, x.shape[-1], self.channels), jnp.float32
        )
        bias = self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        # Windows do not overlap: it is a product of matrices.
        pixels = jnp.einsum("bhwd,kldc->bhkwlc", x, kernel, precision="highest")
        batch_size, height, _, width, _, channels = pixels.shape
        return pixels.reshape(batch_size, 2 * height, 2 * width, channels) + bias[None, None, None]


class RecurrentUNet(VideoModel):
    """U-Net with a dual-gated recurrent unit instead of its bottom (RecSlowFast-DRU).

    A recurrent step is a whole pass: the frame and the logits of the step before enter the encoder,
    four levels of widths C, 2C, 4C, 8C; after the fourth pooling the unit updates its state, of
    width 16C; the decoder makes the next logits of it. State and logits start at one.

    Attributes:
        channels: width C of the first level.
        classes: number of output classes K.
        input_channels: channels of a frame: 3 for color, 1 for gray.
        carry_output: whether a frame's first step sees the logits of the last frame, beside the
            unit's state; False starts them at one in every frame. The paper does not say which.
        compute_dtype: in which 3x3 convolutions multiply, "float32" or "bfloat16".
        halting_head: what a halting head is trained for, "ponder" or "act"; empty for none. It sees
            the state of the unit.
        ponder_prior: probability of halting after a step that the head begins with.

    Source: Wang et al. 2023, section 4.4, and the code of Wang et al. 2019. Guessed: the widths
    inside the unit, and biases that start at zero.
    """

    channels: int = 8
    classes: int = 11
    input_channels: int = 3
    carry_output: bool = True
    compute_dtype: str = FLOAT32
    halting_head: str = ""
    ponder_prior: float = dataclasses.field(default=PRIOR, repr=False)

    def __post_init__(self) -> None:
        """Checks the attributes."""
        for name in ("channels", "classes", "input_channels"):
            whole(name, getattr(self, name))
        flag("carry_output", self.carry_output)
        check_choice("compute_dtype", self.compute_dtype, COMPUTE_DTYPES)
        check_head(self.halting_head, self.ponder_prior)
        super().__post_init__()

    def setup(self) -> None:
        """Declares encoder, unit, decoder and the head, if any."""
        c, dtype = self.channels, self.compute_dtype
        # The first convolution in two parts: that of the frame is the same at every step.
        first = partial(Conv, c, kernel_init=_first_layer(self._entering), compute_dtype=dtype)
        self.from_frame = first()
        self.from_output = first(use_bias=False)
        self.first = _FirstBlock(c, dtype)
        self.encoder = [ConvBlock(c * 2**i, dtype) for i in range(1, _LEVELS)]
        self.unit = DRU(c * 2**_LEVELS, dtype)
        self.decoder = [Decoder(c * 2**i, dtype) for i in reversed(range(_LEVELS))]
        # Of logits, in float32 always.
        self.head = Conv(self.classes, (1, 1), kernel_init=kaiming_normal)
        if self.halting_head:
            self.halting = HaltingHead(self.ponder_prior)

    @property
    def _entering(self) -> int:
        """Channels that enter the encoder."""
        return self.input_channels + self.classes

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> UNetState:
        """Returns ones.

        Raises:
            InputError: if the frame is too small to be halved four times.
        """
        if min(height, width) < _SMALLEST:
            raise InputError(
                f"frames of {height}x{width} pixels cannot be halved {_LEVELS} times: at least "
                f"{_SMALLEST}x{_SMALLEST} are needed"
            )
        shape = (self.channels * 2**_LEVELS, height // _SMALLEST, width // _SMALLEST)
        output = jnp.ones((batch_size, height, width, self.classes), jnp.float32)
        return UNetState(jnp.ones((batch_size, *shape), jnp.float32), output)

    def prepare(self, frame_shape: tuple[int, int]) -> None:
        """Stores nothing: kernels are small."""

    def resume(self, carry: UNetState) -> UNetState:
        """Returns what the next frame starts from."""
        return carry if self.carry_output else carry._replace(output=jnp.ones_like(carry.output))

    def drive(self, frame: Frame) -> FeatureMap:
        """Returns the frame's part of the first convolution, [B, C, H, W]."""
        return jnp.moveaxis(self.from_frame(frame), -1, 1)

    def step(self, carry: UNetState, drive: FeatureMap) -> UNetState:
        """Applies one recurrent step: a pass of the network."""
        x = self.first(jnp.moveaxis(drive, 1, -1) + self.from_output(carry.output))
        skips = [x]
        for block in self.encoder:
            x = block(_halve(x))
            skips.append(x)
        hidden = self.unit(jnp.moveaxis(carry.hidden, 1, -1), _halve(x))
        x = hidden
        for decode, skip in zip(self.decoder, reversed(skips)):
            x = decode(x, skip)
        return UNetState(jnp.moveaxis(hidden, -1, 1), self.head(x))

    def hidden(self, carry: UNetState) -> FeatureMap:
        """Returns the unit's state h [B, C, H, W]: what is compared."""
        return carry.hidden

    def readout(self, carry: UNetState) -> FrameLogits:
        """Returns logits [B, H, W, K]."""
        return carry.output


class _FirstBlock(nn.Module):
    """`ConvBlock` behind its first convolution."""

    channels: int
    compute_dtype: str = FLOAT32

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        x = normalize_groups(x, "norm_0")
        x = kaiming_conv(self.channels, self.compute_dtype)(name="conv_1")(x)
        return normalize_groups(x, "norm_1")


def _first_layer(entering: int) -> nn.initializers.Initializer:
    """Kaiming's normal start of a 3x3 kernel, of which a module has a part of the inputs."""
    return nn.initializers.normal((2 / (9 * entering)) ** 0.5)


def _halve(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Maximum of every 2x2 pixels; written out, because XLA's gradient of it is slow on a CPU."""
    height, width = x.shape[1] // 2, x.shape[2] // 2
    x = x[:, : 2 * height, : 2 * width].reshape(x.shape[0], height, 2, width, 2, x.shape[-1])
    x = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(x[:, :, :, 0], x[:, :, :, 1])


def _fit(x: Float[Array, "B h w C"], height: int, width: int) -> Float[Array, "B H W C"]:
    """Appends zeros below and to the right, where an odd side was halved."""
    missing = (height - x.shape[1], width - x.shape[2])
    return jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
