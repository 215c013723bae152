"""Text in pictures."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rsf_jax.media.typefaces import font, legible

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
    face, text = legible(" ".join(caption.split()))
    room = width - size
    length = font(size, face).getlength(text)
    if length <= room:
        return font(size, face), text
    smaller = font(max(_LEAST_LETTERS, int(size * room / length)), face)
    if smaller.getlength(text) <= room:
        return smaller, text
    text = text[: int(len(text) * room / smaller.getlength(text))]
    while text and smaller.getlength(text + "...") > room:
        text = text[:-1]
    return smaller, text + "..."
