"""Normalization with the statistics of the current input, or with running ones."""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.arguments import check_choice
from rsf_jax.typing import Array, FeatureMap, Float

EPSILON = 1e-3

STATISTICS = ("sample", "batch")
RUNNING_STATISTICS = ("running", "batch")

# The Flax collection of running statistics, beside "params".
RUNNING = "batch_stats"


def normalize(x: FeatureMap, scale: Array, bias: Array, statistics: str) -> FeatureMap:
    """Normalizes each channel: `scale (x - mean) / sqrt(variance + 1e-3) + bias`.

    There are no running statistics: training and inference do the same, at every recurrent step.

    Args:
        x: float32 [B, C, H, W].
        scale: float32 [C].
        bias: float32 [C].
        statistics: "sample" takes mean and (biased) variance over height and width of each image,
            so that a result never depends on what it is batched with; "batch" takes them over the
            batch too, as the published code does.

    Returns:
        float32 [B, C, H, W].

    Raises:
        InputError: if the statistics are neither.

    Source: Wang et al. 2023, published code; "sample" is this project's choice.
    """
    check_choice("norm_statistics", statistics, STATISTICS)
    axes = (2, 3) if statistics == "sample" else (0, 2, 3)
    # One pass: moments about the mean of every eighth row. It lies within 2.7 deviations of the
    # mean, whatever the values: at most three bits are lost. A single pixel may lie anywhere.
    # See docs/decisions/0004-normalization.md.
    origin = lax.stop_gradient(x[:, :, ::8].mean(axes, keepdims=True))
    moved = x - origin
    mean = moved.mean(axes, keepdims=True)
    variance = jnp.square(moved).mean(axes, keepdims=True) - jnp.square(mean)
    gain = per_channel(scale) * lax.rsqrt(variance + EPSILON)
    # One product and one sum: with `moved - mean` XLA's backward loops ran at an eighth of their
    # speed. Of `moved`, or a large offset would cost accuracy.
    return moved * gain + (per_channel(bias) - mean * gain)


class RunningNorm(nn.Module):
    """Batch normalization that remembers its statistics for later, as PyTorch's does.

    With the collection `batch_stats` mutable (training), each channel is normalized by mean and
    (biased) variance over batch, height and width, and the running ones move a tenth of the way
    toward them, the variance unbiased. Otherwise (inference) the running ones are used: what an
    image gets does not depend on its batch.

    Parameters: `scale`, `bias` [C]. Statistics: `mean`, `variance` [C] and `count`, int32, the
    updates they have seen.

    Attributes:
        statistics: "running" as above; "batch" normalizes by the batch at inference too.
    """

    statistics: str = "running"
    epsilon: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        """Checks the statistics."""
        check_choice("norm_statistics", self.statistics, RUNNING_STATISTICS)
        super().__post_init__()

    @nn.compact
    def __call__(self, x: FeatureMap) -> FeatureMap:
        """Normalizes a feature map [B, C, H, W]."""
        channels = x.shape[1]
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        mean = self.variable(RUNNING, "mean", jnp.zeros, (channels,), jnp.float32)
        variance = self.variable(RUNNING, "variance", jnp.ones, (channels,), jnp.float32)
        count = self.variable(RUNNING, "count", jnp.zeros, (), jnp.int32)
        training = self.is_mutable_collection(RUNNING) and not self.is_initializing()
        if self.statistics == "running" and not training:
            return self._normalize(x, scale, bias, mean.value, variance.value)
        batch_mean, batch_variance = jnp.mean(x, (0, 2, 3)), jnp.var(x, (0, 2, 3))
        if training:
            size = x.size // channels
            unbiased = batch_variance * (size / max(size - 1, 1))
            mean.value = self._move(mean.value, batch_mean)
            variance.value = self._move(variance.value, unbiased)
            count.value += 1
        return self._normalize(x, scale, bias, batch_mean, batch_variance)

    def _move(self, old: jax.Array, new: jax.Array) -> jax.Array:
        return old + self.momentum * (lax.stop_gradient(new) - old)

    def _normalize(
        self, x: FeatureMap, scale: Array, bias: Array, mean: Array, variance: Array
    ) -> FeatureMap:
        gain = scale * lax.rsqrt(variance + self.epsilon)
        return x * per_channel(gain) + per_channel(bias - mean * gain)


class GroupNorm(nn.Module):
    """`flax.linen.GroupNorm` of a map, whose statistics a CPU finds faster.

    Parameters: `scale`, `bias` [C].

    Attributes:
        groups: of channels that lie side by side; statistics are those of a group of an image.
    """

    groups: int
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        """Normalizes features, channels last."""
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        return _normalize_groups(x, scale, bias, self.groups, self.epsilon)


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def _normalize_groups(x: Array, scale: Array, bias: Array, groups: int, epsilon: float) -> Array:
    by = partial(_by_groups, groups=groups, epsilon=epsilon)
    return lax.platform_dependent(
        x, scale, bias, cpu=partial(by, moments=_by_rows), default=partial(by, moments=_at_once)
    )


@_normalize_groups.defjvp
def _tangent_of_groups(groups: int, epsilon: float, primals: Any, tangents: Any) -> Any:
    # Of the usual form: XLA's loops over the derivative of sums by rows took twice its time.
    by = partial(_by_groups, groups=groups, epsilon=epsilon, moments=_at_once)
    return jax.jvp(by, primals, tangents)


def _by_groups(
    x: Array, scale: Array, bias: Array, *, groups: int, epsilon: float, moments: Any
) -> Array:
    """Moments in one pass, as Flax has them, and one product and one sum for every value."""
    mean, square = moments(x, groups), moments(x * x, groups)
    inverse = lax.rsqrt(jnp.maximum(square - mean * mean, 0) + epsilon)
    of_channel = partial(jnp.repeat, repeats=x.shape[-1] // groups, axis=1)
    gain = scale[None] * of_channel(inverse)
    offset = bias[None] - gain * of_channel(mean)
    return x * gain[:, None, None] + offset[:, None, None]


def _at_once(x: Array, groups: int) -> Array:
    return x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups).mean((1, 3))


def _by_rows(x: Array, groups: int) -> Array:
    """The mean of each group [B, G]: first over rows, whose pixels and channels lie in one line.

    XLA's sums over all pixels of a few channels use an eighth of a CPU's vectors.
    """
    batch, height, width, channels = x.shape
    row = x.reshape(batch, height, width * channels).sum(1)
    total = row.reshape(batch, width, groups, channels // groups).sum((1, 3))
    return total / (height * width * (channels // groups))


def per_channel(values: Array) -> Array:
    """Shapes values [C] to be applied to a feature map [B, C, H, W]."""
    return values[None, :, None, None]
