"""The score of single images, whatever the number of classes."""

from rsf_jax.measures.foreground import BINARY, foreground, foreground_iou, is_scored
from rsf_jax.measures.segmentation import confusion_matrix, mean_iou
from rsf_jax.typing import Array, Float, Int


def image_iou(
    logits: Float[Array, "*axes H W K"], labels: Int[Array, "*axes H W"]
) -> Float[Array, "*axes"]:
    """IoU of each image: of the foreground, or the mean over the classes that are in it.

    Args:
        logits: float32 [..., H, W, K].
        labels: int [..., H, W], class of every pixel; what is no class is not counted.

    Returns:
        float32 [...] in 0..1, NaN for an image without a label.
    """
    return class_iou(logits.argmax(-1), labels, logits.shape[-1])


def class_iou(
    predicted: Int[Array, "*axes H W"], labels: Int[Array, "*axes H W"], classes: int
) -> Float[Array, "*axes"]:
    """As `image_iou`, of predicted classes.

    Args:
        predicted: int [..., H, W], class of every pixel.
        labels: likewise; what is no class is not counted.
        classes: K.
    """
    if classes == BINARY:
        truth = foreground(labels, labels)
        return foreground_iou(foreground(predicted, labels), truth, is_scored(labels))
    return mean_iou(confusion_matrix(predicted, labels, classes))
