"""Networks to try reuse on: of the shapes of AlexNet and ResNet-18, in Flax, nothing special."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from rsf_jax.typing import Array

# Output channels, kernel, stride and padding of each convolution; whether a pooling follows.
_ALEXNET = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


_CONV = partial(nn.Conv, precision="highest")
_DENSE = partial(nn.Dense, precision="highest")


class AlexNet(nn.Module):
    """Five convolutions, then three dense layers on a 6x6 average of the map.

    Attributes:
        classes: number of logits.
        hidden: units of both hidden dense layers.

    Source: Krizhevsky 2014, "One weird trick", as in torchvision; without dropout.
    """

    classes: int = 1000
    hidden: int = 4096

    @nn.compact
    def __call__(self, frame: Array) -> jax.Array:
        """Maps a frame [B, H, W, 3] to logits [B, classes]."""
        x = jnp.asarray(frame)
        for channels, kernel, stride, padding, pooled in _ALEXNET:
            x = nn.relu(_CONV(channels, (kernel, kernel), stride, padding)(x))
            if pooled:
                x = nn.max_pool(x, (3, 3), (2, 2))
        x = _average_to(x, 6)
        x = x.reshape(x.shape[0], -1)
        for _ in range(2):
            x = nn.relu(_DENSE(self.hidden)(x))
        return _DENSE(self.classes)(x)


def _average_to(x: jax.Array, side: int) -> jax.Array:
    """Average pooling to side x side values, or to the map's own size where that is less."""
    strides = tuple(max(n // side, 1) for n in x.shape[1:3])
    window = tuple(max(n - (side - 1) * s, 1) for n, s in zip(x.shape[1:3], strides))
    return nn.avg_pool(x, window, strides)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip.

    Attributes:
        channels: of its output.
        stride: of its first convolution.
    """

    channels: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> jax.Array:
        """Maps [B, H, W, C] to [B, H / stride, W / stride, channels]."""
        y = nn.relu(_norm()(_conv(self.channels, 3, self.stride)(x)))
        y = _norm()(_conv(self.channels, 3)(y))
        if self.stride > 1 or x.shape[-1] != self.channels:
            x = _norm()(_conv(self.channels, 1, self.stride)(x))
        return nn.relu(x + y)


class ResNet(nn.Module):
    """Residual network of basic blocks.

    Attributes:
        blocks: number of blocks of each part; (2, 2, 2, 2) is ResNet-18.
        width: channels of the first part, doubled from part to part.
        classes: number of logits.

    Source: He et al. 2016.
    """

    blocks: Sequence[int] = (2, 2, 2, 2)
    width: int = 64
    classes: int = 1000

    @nn.compact
    def __call__(self, frame: Array) -> jax.Array:
        """Maps a frame [B, H, W, 3] to logits [B, classes]."""
        x = nn.relu(_norm()(_conv(self.width, 7, 2)(frame)))
        x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        for part, count in enumerate(self.blocks):
            for block in range(count):
                stride = 2 if part > 0 and block == 0 else 1
                x = BasicBlock(self.width * 2**part, stride)(x)
        return _DENSE(self.classes)(x.mean((1, 2)))


def _conv(channels: int, kernel: int, stride: int = 1) -> nn.Conv:
    return _CONV(channels, (kernel, kernel), stride, kernel // 2, use_bias=False)


def _norm() -> nn.BatchNorm:
    return nn.BatchNorm(use_running_average=True)
