"""Logits as evidence: a Dirichlet distribution over class probabilities, and what it does not know.

Source: Sensoy et al. 2018.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Bool, Integer

from rsf_jax.typing import Array, Float


def concentration(logits: Float[Array, "*axes K"]) -> Float[Array, "*axes K"]:
    """Returns the parameters of the Dirichlet distribution: evidence plus one, at least 1.

    Evidence is the softplus of the logits. It grows with them, so that the most probable class is
    that of the largest logit, as with the softmax.
    """
    return jax.nn.softplus(logits) + 1


def vacuity(logits: Float[Array, "*axes K"]) -> Float[Array, "*axes"]:
    """Returns the uncertainty u = K / sum alpha, in 0..1: 1 without any evidence."""
    return logits.shape[-1] / concentration(logits).sum(-1)


def evidential_loss(
    logits: Float[Array, "*axes K"],
    labels: Integer[Array, "*axes"] | Bool[Array, "*axes"],
    divergence: float | Array = 1.0,
) -> Float[Array, "*axes"]:
    """Expected squared error of every pixel's class probabilities, and evidence for other classes.

    With p = alpha / S and S = sum alpha, the error expected under the Dirichlet distribution is
    `sum_k (y_k - p_k)^2 + p_k (1 - p_k) / (S + 1)`. What evidence there is for classes other than
    the true one adds the divergence from the uniform distribution of the parameters without the
    true class's evidence.

    Args:
        logits: float32 [..., K].
        labels: integer or bool [...], class indices in 0..K-1; the loss is 0 for all others.
        divergence: weight of the divergence, lambda.

    Returns:
        float32 [...].

    Source: Sensoy et al. 2018, eq. 5 and the divergence below it.
    """
    alpha = concentration(logits)
    truth = jax.nn.one_hot(labels.astype(jnp.int32), logits.shape[-1], dtype=logits.dtype)
    total = alpha.sum(-1, keepdims=True)
    p = alpha / total
    error = (jnp.square(truth - p) + p * (1 - p) / (total + 1)).sum(-1)
    misleading = divergence_from_uniform(truth + (1 - truth) * alpha)
    return truth.sum(-1) * (error + divergence * misleading)


def divergence_from_uniform(alpha: Float[Array, "*axes K"]) -> Float[Array, "*axes"]:
    """Returns the Kullback-Leibler divergence of Dirichlet distributions from the uniform one."""
    total, classes = alpha.sum(-1), alpha.shape[-1]
    spread = (alpha - 1) * (lax.digamma(alpha) - lax.digamma(total)[..., None])
    of_one = lax.lgamma(jnp.asarray(classes, alpha.dtype))
    return lax.lgamma(total) - of_one - lax.lgamma(alpha).sum(-1) + spread.sum(-1)
