"""A frame of a video, as it is shown and as a model takes it."""

import dataclasses

import av
import numpy as np
from av.video.reformatter import Interpolation

from rsf_jax.ops.pixels import luminance


@dataclasses.dataclass(frozen=True)
class Picture:
    """One frame.

    Attributes:
        image: uint8 [h, w, 3], the original, upright.
        frame: uint8 [H, W, 1 or 3], resized for the model.
        seconds: when it is shown, from the first frame on.
    """

    image: np.ndarray
    frame: np.ndarray
    seconds: float


class Shaper:
    """Turns decoded frames of any size into pictures of one size.

    Attributes:
        shape: (H, W) of the model's frames; None until the first frame gives its own.
        channels: 1 for gray, 3 for color.
    """

    def __init__(self, shape: tuple[int, int] | None, channels: int) -> None:
        self.shape, self.channels = shape, channels

    def picture(self, decoded: av.VideoFrame, seconds: float) -> Picture:
        """Returns the picture of a decoded frame, turned upright."""
        # What the file says in degrees, counterclockwise; phones store upright videos lying.
        turns = round(decoded.rotation / 90) % 4
        image = _turned(decoded.to_ndarray(format="rgb24"), turns)
        if self.shape is None:
            self.shape = (image.shape[0], image.shape[1])
        return Picture(image, self._frame(decoded, self.shape, turns), seconds)

    def picture_of_image(self, image: np.ndarray, seconds: float) -> Picture:
        """Returns the picture of an image, uint8 [h, w, 3]."""
        return self.picture(av.VideoFrame.from_ndarray(image, format="rgb24"), seconds)

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
