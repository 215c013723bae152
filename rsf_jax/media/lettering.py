"""Text in pictures."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rsf_jax.errors import InputError

STRIP = 1.6  # height of a line, in heights of letters
TEXT_COLOR = (255, 255, 255)
_LEAST_LETTERS = 10  # pixels high


def letters_for(height: int, width: int) -> int:
    """Returns how high letters are below an image of a size, in pixels."""
    return max(_LEAST_LETTERS, min(height, width) // 20)


def strip(text: str, letters: int, width: int) -> np.ndarray:
    """Returns a line of text, light on black, uint8 [h, width, 3].

    Args:
        text: made smaller and at last cut off where it does not fit.
        letters: how high it is, in pixels.
        width: in pixels.
    """
    height = round(STRIP * letters)
    canvas = Image.new("RGB", (width, height))
    used, shown = _fit(text, letters, width)
    place = (letters // 2, height / 2)
    ImageDraw.Draw(canvas).text(place, shown, TEXT_COLOR, used, anchor="lm")
    return np.array(canvas)


def _fit(caption: str, size: int, width: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """The largest font of at most `size` in which a caption fits, and what of it fits."""
    text = " ".join(caption.split())
    room = width - size
    length = font(size).getlength(text)
    if length <= room:
        return font(size), text
    smaller = font(max(_LEAST_LETTERS, int(size * room / length)))
    if smaller.getlength(text) <= room:
        return smaller, text
    text = text[: int(len(text) * room / smaller.getlength(text))]
    while text and smaller.getlength(text + "...") > room:
        text = text[:-1]
    return smaller, text + "..."


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Returns Pillow's own font, in pixels.

    Raises:
        InputError: if this build of Pillow has none.
    """
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise InputError("this build of Pillow has no FreeType: install Pillow from its wheel")
    return found
