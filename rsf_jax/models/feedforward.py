"""Networks without recurrence that the paper compares with: FF-*, FF-res-* and Conv3D-*."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rsf_jax.arguments import check_choice, check_odd, whole
from rsf_jax.models.base import VideoModel
from rsf_jax.models.gabor import SIZE
from rsf_jax.models.recurrent import convolve_frame
from rsf_jax.ops.conv import METHODS
from rsf_jax.ops.initializers import torch_uniform
from rsf_jax.ops.norm import RUNNING_STATISTICS, RunningNorm, per_channel
from rsf_jax.ops.prepared import PreparedModule
from rsf_jax.ops.rounding import COMPUTE_DTYPES, FLOAT32
from rsf_jax.typing import (
    Array,
    BatchSize,
    FeatureMap,
    Float,
    Frame,
    FrameLogits,
    Video,
    VideoLogits,
)

SKIPS = ("none", "own", "published")


class FeedforwardState(NamedTuple):
    """What a frame leaves behind.

    Attributes:
        features: float32 [B, C, H, W], the last layer's output.
        pending: for each layer, float32 [B, S - 1, C, H, W]: what the frames so far will add to
            the layer's next outputs, the soonest first. Empty where S is 1.
    """

    features: FeatureMap
    pending: tuple[Float[Array, "B S C H W"], ...]


class Layer(PreparedModule):
    """Causal convolution over space and time: `y_t = b + sum_s W_s * x_{t - s}`, s < S.

    Parameters: `kernel` [k, k, C, S C], the kernels for this frame and for the S - 1 frames before
    it side by side, and `bias` [C].
    """

    channels: int = 25
    kernel_size: int = 15
    span: int = 1

    def __post_init__(self) -> None:
        """Checks the attributes."""
        whole("channels", self.channels)
        whole("span", self.span)
        check_odd("kernel_size", self.kernel_size)
        super().__post_init__()

    def setup(self) -> None:
        """Declares the parameters with PyTorch's initialization."""
        c, k, s = self.channels, self.kernel_size, self.span
        uniform = torch_uniform(k * k * c * s)
        self.kernel = self.param("kernel", uniform, (k, k, c, s * c), jnp.float32)
        self.bias = self.param("bias", uniform, (c,), jnp.float32)

    def prepare(self, height: int, width: int) -> None:
        """Stores the kernel's spectrum."""
        self.store_spectrum("kernel", self.kernel, height, width)

    def __call__(
        self, x: FeatureMap, pending: Float[Array, "B S C H W"]
    ) -> tuple[FeatureMap, Float[Array, "B S C H W"]]:
        """Returns the layer's output, and what is pending after this frame."""
        if self.span == 1:  # without an axis of frames, which not every user of the trace knows
            y = self.convolve_prepared("kernel", self.kernel, x)
            return y + per_channel(self.bias), pending
        parts = self._parts(x)
        # What this frame adds to its own output and the next ones, onto what was pending.
        parts = parts.at[:, :-1].add(pending)
        return parts[:, 0] + per_channel(self.bias), parts[:, 1:]

    def video(self, x: Float[Array, "BT C H W"], frame_count: int) -> Float[Array, "BT C H W"]:
        """Returns the layer's output for all frames of videos at once, frames inside videos."""
        parts = self._parts(x)
        parts = parts.reshape(-1, frame_count, *parts.shape[1:])
        total = parts[:, :, 0]
        for s in range(1, self.span):
            total = total.at[:, s:].add(parts[:, :-s, s])
        return total.reshape(x.shape) + per_channel(self.bias)

    def _parts(self, x: FeatureMap) -> Float[jax.Array, "B S C H W"]:
        """What each frame adds to its own output and to the next ones."""
        y = self.convolve_prepared("kernel", self.kernel, x)
        return jnp.stack(jnp.split(y, self.span, axis=1), axis=1)


class FeedforwardModel(VideoModel):
    """Stem, L layers of [convolution, normalization, ReLU], 1x1 readout; once a frame.

    With a span of one frame it is the paper's FF-L; with `skip`, FF-res-L, in which a layer adds
    an earlier output before its ReLU. With a span of several frames it is a causal
    three-dimensional convolution (Conv3D), which streams like the recurrent models.

    Parameters: `stem` [7, 7, I, C] without bias, `stem_norm`, `layers_l`, `norms_l`, `conv`.

    Attributes:
        layers_count: number of layers L.
        channels: channels C of every layer.
        kernel_size: side of the layers' kernels, odd, in pixels.
        span: frames S that a layer sees.
        skip: "none"; "own", each layer adds its own input; or "published", the same but for layer
            2, which adds the stem's output, as the published code does.
        classes: number of output classes K.
        input_channels: channels I of a frame: 1 for gray, 3 for color.
        norm_statistics: "running" (see `RunningNorm`) or "batch".
        conv_method: "auto", "fft" or "direct".
        compute_dtype: in which the layers multiply, "float32" or "bfloat16".

    Raises:
        InputError: if an attribute is none of these.

    Source: Wang et al. 2023, figure 3 and published code. The code of Conv3D and of FF-res-8 was
    not published.
    """

    # What is guessed of them: docs/decisions/0009-networks-of-the-paper.md.
    layers_count: int = 6
    channels: int = 25
    kernel_size: int = 15
    span: int = 1
    skip: str = "none"
    classes: int = 2
    norm_statistics: str = "running"
    conv_method: str = "auto"
    compute_dtype: str = FLOAT32
    input_channels: int = 1

    recurrent = False

    def __post_init__(self) -> None:
        """Checks the attributes."""
        for name in ("layers_count", "channels", "span", "classes"):
            whole(name, getattr(self, name))
        check_odd("kernel_size", self.kernel_size)
        check_choice("skip", self.skip, SKIPS)
        check_choice("norm_statistics", self.norm_statistics, RUNNING_STATISTICS)
        check_choice("conv_method", self.conv_method, METHODS)
        check_choice("compute_dtype", self.compute_dtype, COMPUTE_DTYPES)
        super().__post_init__()

    def setup(self) -> None:
        """Declares stem, layers and readout."""
        inputs = self.input_channels
        uniform = torch_uniform(SIZE * SIZE * inputs)
        shape = (SIZE, SIZE, inputs, self.channels)
        self.stem = self.param("stem", uniform, shape, jnp.float32)
        self.stem_norm = RunningNorm(self.norm_statistics)
        count = self.layers_count
        self.layers = [
            Layer(
                conv_method=self.conv_method,
                compute_dtype=self.compute_dtype,
                channels=self.channels,
                kernel_size=self.kernel_size,
                span=self.span,
            )
            for _ in range(count)
        ]
        self.norms = [RunningNorm(self.norm_statistics) for _ in range(count)]
        readout = torch_uniform(self.channels)
        self.conv = nn.Conv(
            self.classes, (1, 1), kernel_init=readout, bias_init=readout, precision="highest"
        )

    def initial_carry(self, batch_size: BatchSize, height: int, width: int) -> FeedforwardState:
        """Returns the state of a video of which nothing has been seen."""
        shape = (self.channels, height, width)
        pending = jnp.zeros((batch_size, self.span - 1, *shape), jnp.float32)
        features = jnp.zeros((batch_size, *shape), jnp.float32)
        return FeedforwardState(features, (pending,) * self.layers_count)

    def prepare(self, frame_shape: tuple[int, int]) -> None:
        """Stores the spectra of all layers."""
        for layer in self.layers:
            layer.prepare(*frame_shape)

    def drive(self, frame: Frame) -> FeatureMap:
        """Returns the stem's output, normalized."""
        return self.stem_norm(convolve_frame(frame, self.stem))

    def step(self, carry: FeedforwardState, drive: FeatureMap) -> FeedforwardState:
        """Applies all layers to a frame."""
        x, waiting = drive, []
        for i, layer in enumerate(self.layers):
            y, pending = layer(x, carry.pending[i])
            x = self._activate(i, y, x, drive)
            waiting.append(pending)
        return FeedforwardState(x, tuple(waiting))

    def video(self, frames: Video) -> VideoLogits:
        """Maps whole videos [B, T, H, W, I] to logits [B, T, H, W, K]: for training.

        Statistics are those of all frames together. By frames, which differ systematically, they
        would not be those that inference uses.
        """
        batch_size, frame_count = frames.shape[:2]
        drive = self.drive(frames.reshape(-1, *frames.shape[2:]))
        x = drive
        for i, layer in enumerate(self.layers):
            x = self._activate(i, layer.video(x, frame_count), x, drive)
        logits = self.conv(jnp.moveaxis(x, 1, -1))
        return logits.reshape(batch_size, frame_count, *logits.shape[1:])

    def _activate(self, i: int, y: FeatureMap, x: FeatureMap, drive: FeatureMap) -> FeatureMap:
        """What follows the convolution of layer i, given its input and the stem's output."""
        y = self.norms[i](y)
        if self.skip != "none":
            y = y + (drive if self.skip == "published" and i == 1 else x)
        return nn.relu(y)

    def hidden(self, carry: FeedforwardState) -> FeatureMap:
        """Returns the last layer's output [B, C, H, W]."""
        return carry.features

    def readout(self, carry: FeedforwardState) -> FrameLogits:
        """Returns logits [B, H, W, K]."""
        return self.conv(jnp.moveaxis(carry.features, 1, -1))
