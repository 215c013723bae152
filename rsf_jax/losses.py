"""Losses per pixel."""

import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Float, Int

from rsf_jax.typing import Array


def focal_loss(
    logits: Float[Array, "*axes K"], labels: Int[Array, "*axes"], gamma: float = 2.0
) -> Float[Array, "*axes"]:
    """Focal loss of every pixel: `-(1 - p)^gamma log p`, p the probability of the true class.

    The weight `(1 - p)^gamma` carries no gradient, as in the published code; Lin et al. define the
    loss with it.

    Args:
        logits: float32 [..., K].
        labels: integer [...], class indices in 0..K-1.
        gamma: focusing exponent, at least 0; with 0 this is the cross-entropy.

    Returns:
        float32 [...].

    Source: Lin et al. 2017, eq. 4; Wang et al. 2023, section 4.2 and published code.
    """
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    weight = (-jnp.expm1(-cross_entropy)) ** gamma
    return lax.stop_gradient(weight) * cross_entropy
