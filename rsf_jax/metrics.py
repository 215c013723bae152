"""Measures of segmentation quality."""

import jax.numpy as jnp
from jaxtyping import Bool, Float

from rsf_jax.typing import Array


def foreground_iou(
    predicted: Bool[Array, "*axes H W"], truth: Bool[Array, "*axes H W"]
) -> Float[Array, "*axes"]:
    """Intersection over union of the foreground of each image.

    The project's "mIoU" is the mean of this over frames and videos.

    Args:
        predicted: bool [..., H, W], pixels predicted as foreground.
        truth: bool [..., H, W].

    Returns:
        float32 [...] in 0..1; 1 where both are empty.

    Source: Wang et al. 2023, published code.
    """
    intersection = jnp.sum(predicted & truth, axis=(-2, -1))
    union = jnp.sum(predicted | truth, axis=(-2, -1))
    return jnp.where(union == 0, 1.0, intersection / jnp.maximum(union, 1))
