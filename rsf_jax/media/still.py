"""Images of any depth with the 8 bits a channel that frames have."""

import numpy as np
from PIL import Image

from rsf_jax.errors import InputError


def eight_bit(image: Image.Image) -> Image.Image:
    """Returns an image with 8 bits a channel: what Pillow makes of deeper ones is black and white.

    Of 16 bits the upper 8 are taken; floats are for 0..1, and come to the nearest of 256 levels.

    Args:
        image: of any mode.

    Raises:
        InputError: if its range cannot be known: of whole numbers of 32 bits, and of floats that
            are not all in 0..1.
    """
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "I":
        raise InputError(
            "its values are whole numbers of 32 bits, whose range is not known: save it with 8 or "
            "16 bits"
        )
    if image.mode == "F":
        values = np.asarray(image)
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise InputError(
                f"its values are floats from {low:g} to {high:g}: 0..1 is needed, or 8 or 16 bits"
            )
        return Image.fromarray(np.rint(255 * values).astype(np.uint8))
    return image
