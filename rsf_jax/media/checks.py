"""Checks of images, class maps and colors."""

import numpy as np

from rsf_jax.errors import InputError

UNSEEN = 255  # of a class map, where the model was shown nothing


def check_image(image: np.ndarray) -> None:
    """Raises InputError unless it is uint8 [h, w, 3] and not empty."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(
            f"the image is {image.dtype} {list(image.shape)}: it has to be uint8 [h, w, 3]"
        )


def check_colors(colors: np.ndarray) -> int:
    """Returns the number of colors; raises InputError unless they are uint8 [K, 3], K 1 to 256."""
    if colors.dtype != np.uint8 or colors.ndim != 2 or colors.shape[1] != 3:
        raise InputError(f"colors are {colors.dtype} {list(colors.shape)}: give uint8 [K, 3]")
    if not 1 <= len(colors) <= 256:
        raise InputError(f"there are {len(colors)} colors: give 1 to 256, one for each class")
    return len(colors)


def check_classes(classes: np.ndarray, count: int, unseen: bool = False) -> None:
    """Raises InputError unless they are integers [H, W] in 0..count - 1, with `unseen` 255 too."""
    if classes.ndim != 2 or not np.issubdtype(classes.dtype, np.integer) or not classes.size:
        raise InputError(
            f"classes are {classes.dtype} {list(classes.shape)}: give integers [H, W], such as "
            "`logits.argmax(-1)`"
        )
    found = classes[classes != UNSEEN] if unseen and classes.max() == UNSEEN else classes
    if found.size and (found.min() < 0 or found.max() >= count):
        wrong = found.min() if found.min() < 0 else found.max()
        raise InputError(f"a pixel has class {wrong}: there are colors for 0 to {count - 1}")
