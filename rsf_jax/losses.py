"""Losses per pixel, and their mean over an image."""

import dataclasses

import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Float, Int

from rsf_jax.typing import Array

# Of a pixel that nobody has labelled.
IGNORED = 255


def focal_loss(
    logits: Float[Array, "*axes K"], labels: Int[Array, "*axes"], gamma: float = 2.0
) -> Float[Array, "*axes"]:
    """Focal loss of every pixel: `-(1 - p)^gamma log p`, p the probability of the true class.

    The weight `(1 - p)^gamma` carries no gradient, as in the published code; Lin et al. define the
    loss with it.

    Args:
        logits: float32 [..., K].
        labels: integer [...], class indices in 0..K-1; anything for `IGNORED`.
        gamma: focusing exponent, at least 0; with 0 this is the cross-entropy.

    Returns:
        float32 [...].

    Source: Lin et al. 2017, eq. 4; Wang et al. 2023, section 4.2 and published code.
    """
    known = jnp.where(labels == IGNORED, 0, labels)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    weight = (-jnp.expm1(-cross_entropy)) ** gamma
    return lax.stop_gradient(weight) * cross_entropy


def mean_over_labelled(
    losses: Float[Array, "*axes H W"],
    labels: Int[Array, "*axes H W"],
    class_weights: tuple[float, ...] | None = None,
) -> Float[Array, "*axes"]:
    """Mean loss of the labelled pixels of each image, weighted by their classes.

    Args:
        losses: float32 [..., H, W].
        labels: integer [..., H, W], class indices or `IGNORED`.
        class_weights: for each class; None for one alike.

    Returns:
        float32 [...]; 0 for an image without a label.
    """
    weights = (labels != IGNORED).astype(losses.dtype)
    if class_weights is not None:
        known = jnp.where(labels == IGNORED, 0, labels)
        weights = weights * jnp.asarray(class_weights, losses.dtype)[known]
    total = weights.sum((-2, -1))
    return (losses * weights).sum((-2, -1)) / jnp.where(total > 0, total, 1)


@dataclasses.dataclass(frozen=True)
class Objective:
    """What training makes small, and validation compares checkpoints by.

    Attributes:
        gamma: exponent of the focal loss.
        class_weights: of the pixels of each class; None for one alike.
        step_decay: weight of the loss after a recurrent step relative to that of the next one; 0
            counts the last step alone. Of training only.
    """

    gamma: float = 2.0
    class_weights: tuple[float, ...] | None = None
    step_decay: float = 0.0

    def __call__(
        self, logits: Float[Array, "*axes H W K"], labels: Int[Array, "*axes H W"]
    ) -> Float[Array, "*axes"]:
        """Returns the loss of each image."""
        return mean_over_labelled(
            focal_loss(logits, labels, self.gamma), labels, self.class_weights
        )


FOCAL = Objective()
