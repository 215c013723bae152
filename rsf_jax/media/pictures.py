"""A frame of a video, as it is shown and as a model takes it."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

from rsf_jax.media.fitting import CROP, LETTERBOX, SQUEEZE, Fit, check_fit
from rsf_jax.media.resizing import resized
from rsf_jax.media.upright import Orientation, orientation
from rsf_jax.ops.pixels import luminance

_SQUARE = Fraction(1)


@dataclasses.dataclass(frozen=True)
class Picture:
    """One frame.

    It keeps what was decoded, half the bytes of an image or less; the image is made of it when it
    is asked for, as many a frame of a camera is never drawn.

    Attributes:
        frames: uint8 [N, H, W, 1 or 3], for the model: one, or as many as there are tiles.
        fit: what they are of the image.
        stored: (height, width) of the decoded frame.
        orientation: what turns the decoded frame upright.
        seconds: when it is shown, from the first frame on.
        index: its place in the source, counted from 0; what could not be decoded has one too.
        file: name of the file that it is, of a folder of images; empty otherwise.
        damaged: whether the decoder had to patch it up.
    """

    decoded: av.VideoFrame | None = dataclasses.field(repr=False)
    frames: np.ndarray = dataclasses.field(repr=False)
    fit: Fit = dataclasses.field(repr=False)
    stored: tuple[int, int]
    orientation: Orientation
    seconds: float
    index: int = 0
    file: str = ""
    damaged: bool = False

    def lean(self) -> "Picture":
        """Returns the picture without its pixels, which has no image: for what is not drawn."""
        return dataclasses.replace(self, decoded=None)

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, about, as long as no image was made of it."""
        return self.frames.nbytes + (3 * math.prod(self.stored) // 2 if self.decoded else 0)

    def moved(self, seconds: float, index: int) -> "Picture":
        """Returns the picture with another time and place."""
        return dataclasses.replace(self, seconds=seconds, index=index)

    @property
    def frame(self) -> np.ndarray:
        """The (first) frame for the model, uint8 [H, W, 1 or 3]."""
        return self.frames[0]

    @functools.cached_property
    def image(self) -> np.ndarray:
        """The original as it is shown, uint8 [h, w, 3]: upright, its pixels square."""
        if self.decoded is None:
            raise ValueError("the picture has been made lean: it has no pixels")
        lying = self.orientation.shape(*self.fit.shape)
        return self.orientation.applied(resized(self.decoded, *lying))

    def mask(self, maps: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """Returns the class map of the whole of those of its frames.

        Args:
            maps: integers [H, W], one for each frame.

        Returns:
            Integers: [H, W] as they are of a squeezed frame; else of the frame as it is stored,
            upright.
        """
        if self.fit.name == SQUEEZE:
            return maps[0]
        return self.fit.mask(maps, self.orientation.shape(*self.stored))


class Shaper:
    """Turns decoded frames of any size into pictures for a model.

    Attributes:
        shape: (H, W) of the model's frames; None until the first frame gives its own.
        channels: 1 for gray, 3 for color.
        aspect: of a stored pixel, its width by its height.

    Args:
        shape: (H, W) of the model's frames; None for those of the first.
        channels: 1 for gray, 3 for color.
        fit: name of the way that frames are fitted.
    """

    def __init__(self, shape: tuple[int, int] | None, channels: int, fit: str = SQUEEZE) -> None:
        check_fit(fit)
        self.shape, self.channels, self.aspect, self._name = shape, channels, _SQUARE, fit
        self._fits: dict[tuple[int, int], Fit] = {}
        self._first: Fit | None = None

    def go_on_from(self, other: "Shaper") -> None:
        """Makes frames of the shape that another one's have, and as many: of the same video."""
        self.shape, self._first = other.shape, other._first

    def picture(
        self, decoded: av.VideoFrame, seconds: float, index: int = 0, file: str = ""
    ) -> Picture:
        """Returns the picture of a decoded frame."""
        turned = orientation(decoded)
        shown = turned.shape(*_square_size(decoded, self.aspect))
        if self.shape is None:
            self.shape = turned.shape(decoded.height, decoded.width)
        fit = self._fit(shown, self.shape)
        image = turned.applied(resized(decoded, *turned.shape(*fit.scaled)))
        frames = fit.cut(image if self.channels == 3 else luminance(image))
        stored, damaged = (decoded.height, decoded.width), bool(decoded.is_corrupt)
        return Picture(decoded, frames, fit, stored, turned, seconds, index, file, damaged)

    def picture_of_image(
        self, image: np.ndarray, seconds: float, index: int = 0, file: str = ""
    ) -> Picture:
        """Returns the picture of an image, uint8 [h, w, 3]."""
        return self.picture(av.VideoFrame.from_ndarray(image, format="rgb24"), seconds, index, file)

    def _fit(self, shown: tuple[int, int], model: tuple[int, int]) -> Fit:
        """How frames of a shape are fitted; of tiles there are as many in all frames."""
        if shown not in self._fits:
            tiled = self._name not in (SQUEEZE, LETTERBOX, CROP)
            first = self._first if tiled else None
            fit = first.stretched(shown) if first else Fit(self._name, shown, model)
            self._fits[shown], self._first = fit, self._first or fit
        return self._fits[shown]


def _square_size(frame: av.VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """(height, width) in square pixels: the side that is too short grows, so that none is lost."""
    wider, higher = max(aspect, _SQUARE), max(1 / aspect, _SQUARE)
    return round(frame.height * higher), round(frame.width * wider)
