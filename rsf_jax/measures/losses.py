"""Losses per pixel, and their mean over an image."""

import dataclasses
import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool, Float, Integer

from rsf_jax.arguments import check_choice
from rsf_jax.errors import InputError
from rsf_jax.measures.evidence import evidential_loss
from rsf_jax.typing import Array

# Of a pixel.
FOCAL_LOSS, EVIDENTIAL_LOSS = "focal", "evidential"
LOSSES = (FOCAL_LOSS, EVIDENTIAL_LOSS)
# Of a pixel that nobody has labeled, in every built dataset: docs/dataset-contract.md.
IGNORED = 255


def focal_loss(
    logits: Float[Array, "*axes K"],
    labels: Integer[Array, "*axes"] | Bool[Array, "*axes"],
    gamma: float = 2.0,
) -> Float[Array, "*axes"]:
    """Focal loss of every pixel: `-(1 - p)^gamma log p`, p the probability of the true class.

    The weight `(1 - p)^gamma` carries no gradient, as in the published code; Lin et al. define the
    loss with it.

    Args:
        logits: float32 [..., K].
        labels: integer or bool [...], class indices in 0..K-1; the loss is 0 for all others.
        gamma: focusing exponent, at least 0; with 0 this is the cross-entropy.

    Returns:
        float32 [...].

    Source: Lin et al. 2017, eq. 4; Wang et al. 2023, section 4.2 and published code.
    """
    import optax  # as long to import as all settings, whose choices are read here

    counts = is_labeled(labels, logits.shape[-1])
    known = jnp.where(counts, labels, 0).astype(jnp.int32)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    weight = (-jnp.expm1(-cross_entropy)) ** gamma
    return jnp.where(counts, lax.stop_gradient(weight) * cross_entropy, 0)


def is_labeled(
    labels: Integer[Array, "*axes"] | Bool[Array, "*axes"], classes: int = IGNORED
) -> Bool[Array, "*axes"]:
    """Which labels, or predictions, name a class: 0 to K-1. All others count nowhere.

    Losses and metrics share this rule.

    Args:
        labels: integer or bool [...].
        classes: K; without it all but negative ones and those from `IGNORED` on.
    """
    # Or JAX would have K in the type of the labels: 255 is -1 in int8.
    if labels.dtype.itemsize < 4:
        labels = labels.astype(jnp.int32)
    return (labels >= 0) & (labels < classes)


def mean_over_labeled(
    losses: Float[Array, "*axes H W"],
    labels: Integer[Array, "*axes H W"] | Bool[Array, "*axes H W"],
    class_weights: tuple[float, ...] | None = None,
    classes: int | None = None,
) -> Float[Array, "*axes"]:
    """Mean loss of the labeled pixels of each image, weighted by their classes.

    Args:
        losses: float32 [..., H, W].
        labels: integer or bool [..., H, W], class indices; what is none counts not.
        class_weights: for each class; None for one alike.
        classes: K; None for the number of weights, or any.

    Returns:
        float32 [...]; 0 for an image without a label.

    Raises:
        InputError: if there are not K weights.
    """
    if classes is None:
        classes = IGNORED if class_weights is None else len(class_weights)
    if class_weights is not None and len(class_weights) != classes:
        raise InputError(f"{len(class_weights)} class weights for {classes} classes: give each one")
    counts = is_labeled(labels, classes)
    weights = counts.astype(losses.dtype)
    if class_weights is not None:
        known = jnp.where(counts, labels, 0).astype(jnp.int32)
        weights = weights * jnp.asarray(class_weights, losses.dtype)[known]
    total = weights.sum((-2, -1))
    return (losses * weights).sum((-2, -1)) / jnp.where(total > 0, total, 1)


@dataclasses.dataclass(frozen=True)
class Objective:
    """What training makes small, and validation compares checkpoints by.

    Attributes:
        gamma: exponent of the focal loss; 0 makes cross-entropy of it.
        class_weights: of the pixels of each class; None for one alike.
        step_decay: weight of the loss after a recurrent step relative to that of the next one; 0
            counts the last step alone. Of training only.
        loss: of a pixel: "focal", or "evidential" as `evidential_loss` has it.
        divergence: weight of the divergence of the evidential loss.
        annealing: updates of training over which that weight rises from 0.
    """

    gamma: float = 2.0
    class_weights: tuple[float, ...] | None = None
    step_decay: float = 0.0
    loss: str = FOCAL_LOSS
    divergence: Any = 1.0
    annealing: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers; how many weights are needed is seen with the logits."""
        check_choice("loss", self.loss, LOSSES)
        for name in ("gamma", "step_decay", "divergence"):
            value = getattr(self, name)
            if isinstance(value, jax.Array):
                continue  # traced: see `at`
            if not isinstance(value, numbers.Real) or not 0 <= float(value) < float("inf"):
                raise InputError(f"{name} is {value!r}: a finite number of at least 0 is needed")
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", _weights(self.class_weights))

    def __call__(
        self,
        logits: Float[Array, "*axes H W K"],
        labels: Integer[Array, "*axes H W"] | Bool[Array, "*axes H W"],
    ) -> Float[Array, "*axes"]:
        """Returns the loss of each image."""
        if self.loss == EVIDENTIAL_LOSS:
            losses = evidential_loss(logits, labels, self.divergence)
        else:
            losses = focal_loss(logits, labels, self.gamma)
        return mean_over_labeled(losses, labels, self.class_weights, logits.shape[-1])

    def at(self, update: int | Array) -> "Objective":
        """Returns the objective of an update, of which so many were before; traceable.

        Validation has the whole weight of the divergence from the beginning, so that losses of
        different checkpoints can be compared.
        """
        if self.loss != EVIDENTIAL_LOSS or not self.annealing:
            return self
        risen = jnp.minimum(1.0, jnp.asarray(update, jnp.float32) / self.annealing)
        return dataclasses.replace(self, divergence=self.divergence * risen)


def _weights(weights: Any) -> tuple[float, ...]:
    values = np.asarray(weights)
    numeric = values.ndim == 1 and np.issubdtype(values.dtype, np.number)
    if not numeric or not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(f"class_weights are {weights!r}: a number of at least 0 for each class")
    return tuple(values.tolist())


FOCAL = Objective()
