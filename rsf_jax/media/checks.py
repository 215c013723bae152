"""Checks of images, class maps and colors: arrays of NumPy or JAX, or lists."""

from typing import Any

import numpy as np

from rsf_jax.errors import InputError

UNSEEN = 255  # of a class map, where the model was shown nothing


def checked_image(image: Any) -> np.ndarray:
    """Returns an image as an array; InputError unless it is uint8 [h, w, 3] and not empty."""
    array = _array("the image", image, "uint8 [h, w, 3]")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise InputError(
            f"the image is {array.dtype} {list(array.shape)}: it has to be uint8 [h, w, 3]"
        )
    return array


def checked_colors(colors: Any) -> np.ndarray:
    """Returns colors as an array; InputError unless they are uint8 [K, 3], K 1 to 256."""
    array = _array("the colors", colors, "uint8 [K, 3]")
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"colors are {array.dtype} {list(array.shape)}: give uint8 [K, 3]")
    if not 1 <= len(array) <= 256:
        raise InputError(f"there are {len(array)} colors: give 1 to 256, one for each class")
    return array


def checked_classes(classes: Any, count: int, unseen: bool = False) -> np.ndarray:
    """Returns a class map as an array.

    Raises:
        InputError: unless it is integers [H, W] in 0..count - 1, with `unseen` 255 too.
    """
    array = _array("the class map", classes, "integers [H, W]")
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.integer) or not array.size:
        raise InputError(
            f"classes are {array.dtype} {list(array.shape)}: give integers [H, W], such as "
            "`logits.argmax(-1)`"
        )
    found = array[array != UNSEEN] if unseen and array.max() == UNSEEN else array
    if found.size and (found.min() < 0 or found.max() >= count):
        wrong = found.min() if found.min() < 0 else found.max()
        raise InputError(f"a pixel has class {wrong}: there are colors for 0 to {count - 1}")
    return array


def _array(name: str, value: Any, needed: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:  # of lists that are no rectangle
        raise InputError(f"{name} is no array ({error}): give {needed}") from None
