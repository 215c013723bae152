"""A frame of a video, as it is shown and as a model takes it."""

import dataclasses
import functools

import av
import numpy as np
from av.video.reformatter import Interpolation

from rsf_jax.ops.pixels import luminance


@dataclasses.dataclass(frozen=True)
class Picture:
    """One frame.

    It keeps what was decoded, half the bytes of an image or less; the image is made of it when it
    is asked for, as many a frame of a camera is never drawn.

    Attributes:
        frame: uint8 [H, W, 1 or 3], resized for the model.
        seconds: when it is shown, from the first frame on.
        index: its place in the source, counted from 0; what could not be decoded has one too.
        file: name of the file that it is, of a folder of images; empty otherwise.
    """

    decoded: av.VideoFrame = dataclasses.field(repr=False)
    turns: int
    frame: np.ndarray = dataclasses.field(repr=False)
    seconds: float
    index: int = 0
    file: str = ""

    def moved(self, seconds: float, index: int) -> "Picture":
        """Returns the picture with another time and place."""
        return dataclasses.replace(self, seconds=seconds, index=index)

    @property
    def damaged(self) -> bool:
        """Whether the decoder had to patch it up."""
        return bool(self.decoded.is_corrupt)

    @functools.cached_property
    def image(self) -> np.ndarray:
        """The original, uint8 [h, w, 3], upright."""
        return _turned(self.decoded.to_ndarray(format="rgb24"), self.turns)


class Shaper:
    """Turns decoded frames of any size into pictures of one size.

    Attributes:
        shape: (H, W) of the model's frames; None until the first frame gives its own.
        channels: 1 for gray, 3 for color.
    """

    def __init__(self, shape: tuple[int, int] | None, channels: int) -> None:
        self.shape, self.channels = shape, channels

    def picture(
        self, decoded: av.VideoFrame, seconds: float, index: int = 0, file: str = ""
    ) -> Picture:
        """Returns the picture of a decoded frame, turned upright."""
        # What the file says in degrees, counterclockwise; phones store upright videos lying.
        turns = round(decoded.rotation / 90) % 4
        if self.shape is None:
            shape = (decoded.height, decoded.width)
            self.shape = shape[::-1] if turns % 2 else shape
        frame = self._frame(decoded, self.shape, turns)
        return Picture(decoded, turns, frame, seconds, index, file)

    def picture_of_image(
        self, image: np.ndarray, seconds: float, index: int = 0, file: str = ""
    ) -> Picture:
        """Returns the picture of an image, uint8 [h, w, 3]."""
        return self.picture(av.VideoFrame.from_ndarray(image, format="rgb24"), seconds, index, file)

    def _frame(self, decoded: av.VideoFrame, shape: tuple[int, int], turns: int) -> np.ndarray:
        height, width = shape[::-1] if turns % 2 else shape
        # An area mean lets no pixel of the original go unseen, but makes blocks where it enlarges.
        shrinks = height <= decoded.height and width <= decoded.width
        interpolation = Interpolation.AREA if shrinks else Interpolation.BICUBIC
        resized = decoded.reformat(
            width=width, height=height, format="rgb24", interpolation=interpolation
        )
        frame = _turned(resized.to_ndarray(), turns)
        return frame if self.channels == 3 else luminance(frame)


def _turned(image: np.ndarray, turns: int) -> np.ndarray:
    """Turns an image [h, w, 3] counterclockwise by quarters."""
    return np.ascontiguousarray(np.rot90(image, turns))
