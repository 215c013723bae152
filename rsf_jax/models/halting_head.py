"""The halting head: how sure a recurrent step leaves the model that it was the last."""

import math

import flax.linen as nn
import jax.numpy as jnp

from rsf_jax.arguments import check_choice, check_number
from rsf_jax.ops.norm import normalize, per_channel
from rsf_jax.typing import Array, FeatureMap, Float

# What a head is trained for: which policy reads it.
PONDER, ACT = "ponder", "act"
HEADS = (PONDER, ACT)
PRIOR = 0.2  # probability of halting after a step that a head begins with, unless told otherwise
_WIDTH = 16  # of what is pooled, and of the layer behind it
# Squared movements relative to the squared size below which none is told from none, and as many
# decades as there are from there to one.
_STILL, _DECADES = 1e-6, 6


class HaltingHead(nn.Module):
    """Maps the hidden states in front of and after a recurrent step to a logit of halting.

    It sees two things. What the state is like: h, normalized by the statistics of each image as the
    readout does, through a 1x1 convolution and a rectifier, then the mean over the map. And how far
    the step has moved it: the squared movement over the mean of the squared sizes, on a logarithmic
    scale, of the whole state and of its pattern, each channel's mean over the map taken off. With
    the movement of the pattern alone it is the halting rule `pattern:rtol=...` with a threshold
    that is learned. Both go through a small dense layer.

    Its last weights begin at zero: the halting probability is `prior` after every step at first.

    Attributes:
        prior: probability of halting after a step, to begin with.

    Source: the probability is that of Banino et al. 2021 and of Graves 2016; what it is made of is
    this project's choice, see docs/decisions/0032-learned-halting.md.
    """

    prior: float = PRIOR

    @nn.compact
    def __call__(self, before: FeatureMap, after: FeatureMap) -> Float[Array, " B"]:
        """Returns the logit of each sample."""
        pooled = jnp.concatenate([self._content(after), movement(before, after)], 1)
        hidden = nn.relu(nn.Dense(_WIDTH, precision="highest", name="dense")(pooled))
        first = math.log(self.prior / (1 - self.prior))
        out = nn.Dense(
            1,
            kernel_init=nn.initializers.zeros,
            bias_init=nn.initializers.constant(first),
            precision="highest",
            name="out",
        )
        return out(hidden)[:, 0]

    def _content(self, hidden: FeatureMap) -> Float[Array, "B F"]:
        channels = hidden.shape[1]
        # The mean of a normalized channel says nothing: it is the same for every image. Hence what
        # is between normalization and mean.
        x = normalize(hidden, jnp.ones(channels), jnp.zeros(channels), "sample")
        kernel = self.param(
            "kernel", nn.initializers.lecun_normal(), (channels, _WIDTH), jnp.float32
        )
        bias = self.param("bias", nn.initializers.zeros, (_WIDTH,), jnp.float32)
        x = jnp.einsum("bchw,cf->bfhw", x, kernel, precision="highest") + per_channel(bias)
        return nn.relu(x).mean((2, 3))


def movement(before: FeatureMap, after: FeatureMap) -> Float[Array, "B 2"]:
    """Returns how far a step has moved the state, and its pattern, relative to their size.

    Decades of the squared movement over the mean of the squared sizes in front of and after it: 1
    where they are alike, -1 where nothing moves, or less than a thousandth of the size.
    """
    return jnp.stack(
        [_relative(before, after), _relative(_pattern(before), _pattern(after))], axis=1
    )


def _relative(before: FeatureMap, after: FeatureMap) -> Float[Array, " B"]:
    axes = (1, 2, 3)
    size = (jnp.square(before).sum(axes) + jnp.square(after).sum(axes)) / 2
    moved = jnp.square(after - before).sum(axes)
    # A state of zeros has no size to compare with, and has not moved.
    share = moved / jnp.where(size > 0, size, 1)
    return 1 + jnp.log(share + _STILL) * (2 / _DECADES / math.log(10))


def _pattern(hidden: FeatureMap) -> FeatureMap:
    return hidden - hidden.mean((2, 3), keepdims=True)


def check_head(head: str, prior: float) -> None:
    """Checks the fields `halting_head` and `ponder_prior` of a model.

    Raises:
        InputError: if the head is neither empty nor one of `HEADS`, or the prior no probability
            between 0 and 1.
    """
    if head != "":
        check_choice("halting_head", head, HEADS)
    check_number("ponder_prior", prior, "above 0 and below 1 is needed", lambda x: 0 < x < 1)
