"""A bar of recurrent steps for each of the last frames, below them."""

import collections

import numpy as np
from PIL import Image, ImageDraw

from rsf_jax.media.lettering import TEXT_COLOR
from rsf_jax.media.typefaces import font
from rsf_jax.streaming import FrameResult

# Of Okabe and Ito's colors, told apart by color-blind readers too.
BAR, FRESH = (86, 180, 233), (240, 228, 66)
_LINE = (90, 90, 90)
_HEIGHT = 3.2  # in heights of letters
_FRAMES = 60  # side by side
_LEAST_PITCH = 3  # pixels from bar to bar


class StepChart:
    """Recurrent steps of the last frames; the newest is on the right.

    A frame without a step has no bar; one that was dropped or failed no ground line either. A line
    in front of a bar says that its frame began from a fresh state.

    Args:
        most: steps at which a bar reaches the top: the most that a frame can get.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._last: collections.deque[FrameResult] = collections.deque(maxlen=2 * _FRAMES)

    def add(self, result: FrameResult) -> None:
        """Takes the next frame."""
        self._last.append(result)

    def draw(self, letters: int, width: int) -> np.ndarray:
        """Returns the chart, uint8 [h, width, 3].

        Args:
            letters: height of letters, in pixels.
            width: in pixels.
        """
        height, pitch = round(_HEIGHT * letters), max(_LEAST_PITCH, width // _FRAMES)
        canvas = Image.new("RGB", (width, height))
        pen = ImageDraw.Draw(canvas)
        left = self._scale(pen, letters, height)
        bottom, room = height - 3, height - 3 - letters // 2
        for place, result in enumerate(reversed(self._last), start=1):
            x = width - letters // 2 - place * pitch
            if x < left:
                break
            if result.outputs is None:
                continue
            pen.line((x, bottom + 1, x + pitch - 1, bottom + 1), _LINE)
            if result.steps:
                tall = max(1, round(room * min(result.steps / self._most, 1.0)))
                pen.rectangle((x + 1, bottom - tall + 1, x + pitch - 1, bottom), BAR)
            if result.first:
                pen.line((x, 0, x, bottom), FRESH)
        return np.array(canvas)

    def _scale(self, pen: ImageDraw.ImageDraw, letters: int, height: int) -> int:
        """Draws what the height means; returns where bars may begin."""
        edge = letters // 2
        pen.text((edge, edge), f"{self._most}", TEXT_COLOR, font(letters), anchor="lt")
        pen.text((edge, height - 3), "steps", TEXT_COLOR, font(letters), anchor="ls")
        return int(edge + font(letters).getlength("steps")) + letters
