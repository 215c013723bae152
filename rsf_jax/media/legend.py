"""What the colors of an overlay mean."""

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from rsf_jax.media.lettering import STRIP, TEXT_COLOR
from rsf_jax.media.typefaces import font, legible


class Entry(NamedTuple):
    """A name and its color: of a square, or of a line where `line` is true."""

    name: str
    color: tuple[int, ...]
    line: bool = False


@functools.lru_cache(maxsize=16)  # the same below every frame of a video
def legend(entries: tuple[Entry, ...], letters: int, width: int) -> np.ndarray:
    """Returns colors with their names, uint8 [h, width, 3], on as many lines as needed.

    Args:
        entries: names and colors.
        letters: height of letters, in pixels.
        width: in pixels.
    """
    lines, line = _lines(entries, letters, width), round(STRIP * letters)
    canvas = Image.new("RGB", (width, line * len(lines)))
    pen = ImageDraw.Draw(canvas)
    for number, of_line in enumerate(lines):
        middle = number * line + line // 2
        for left, entry in of_line:
            half, right = letters // 2, left if entry.line else left + letters
            pen.rectangle((left, middle - half, right, middle + half), fill=entry.color)
            place = (right + letters // 2, middle)
            face, name = legible(entry.name)
            pen.text(place, name, TEXT_COLOR, font(letters, face), anchor="lm")
    return np.array(canvas)


def _lines(entries: tuple[Entry, ...], letters: int, width: int) -> list[list[tuple[int, Entry]]]:
    """Where each entry begins, line by line."""
    lines: list[list[tuple[int, Entry]]] = [[]]
    left = start = letters // 2
    for entry in entries:
        face, name = legible(entry.name)
        length = int(1.5 * letters + font(letters, face).getlength(name))
        if lines[-1] and left + length > width:
            lines.append([])
            left = start
        lines[-1].append((left, entry))
        left += length + letters
    return lines
