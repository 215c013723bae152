"""Animated WebP, which not every build of FFmpeg decodes, as a source of frames."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from rsf_jax.errors import InputError
from rsf_jax.media.pictures import Picture, Shaper
from rsf_jax.media.source import Source

_ANIMATED = 0x02  # of the flags of the extended header
_USUAL = 0.1  # seconds of a frame that states no time


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP of several frames."""
    with path.open("rb") as file:
        head = file.read(21)
    extended = len(head) == 21 and head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X"
    return extended and bool(head[20] & _ANIMATED)


class AnimationSource(Source):
    """The frames of an animated WebP, shown once."""

    def __init__(self, path: Path, shaper: Shaper) -> None:
        try:
            self._opened = Image.open(path, formats=("WEBP",))
            self._total = getattr(self._opened, "n_frames", 1)
            each = self._duration()
        except Exception as error:  # of Pillow's, by what is damaged
            raise InputError(f"{path} cannot be read as an animation: {error}") from None
        self._closed = False
        super().__init__(path.name, path.stem, False, 1 / each, shaper)

    def _read(self) -> Iterator[Picture]:
        seconds = 0.0
        for index in range(self._total):
            if self._closed:
                return
            try:
                self._opened.seek(index)
                image = np.array(self._opened.convert("RGB"))
                each = self._duration()
            except Exception as error:  # what follows builds upon it
                self.problem = (
                    f"{self.label} ends after {index} of {self._total} frames: it is cut short or "
                    f"damaged ({error})"
                )
                return
            self.count += 1
            yield self._shaper.picture_of_image(image, seconds, index)
            seconds += each

    def _duration(self) -> float:
        """Seconds that the present frame is shown."""
        self._opened.load()
        return float(self._opened.info.get("duration") or 1000 * _USUAL) / 1000

    def close(self) -> None:
        """Ends it: no more frames are read."""
        self._closed = True
