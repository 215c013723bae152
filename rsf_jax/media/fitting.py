"""How frames of one shape become frames of a model's, and its class maps go back."""

import copy
import functools
import math
import re
from collections.abc import Sequence

import av
import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.media.checks import UNSEEN, checked_image
from rsf_jax.media.resizing import nearest, resized
from rsf_jax.models.base import checked_frame_shape

SQUEEZE, LETTERBOX, CROP, TILES = "squeeze", "letterbox", "crop", "tiles"
FITS = (SQUEEZE, LETTERBOX, CROP, TILES)
_GRAMMAR = "squeeze, letterbox, crop, tiles or tiles:ROWS, as tiles:2"
_TILED = re.compile(r"tiles(?::([1-9]\d{0,2}))?")
_OVERLAP = 1 / 8  # of a tile's side, at least
_MOST_TILES = 256


def check_fit(name: str) -> None:
    """Raises InputError unless it names a way to fit."""
    if name not in FITS and not _TILED.fullmatch(str(name)):
        raise InputError(f"fit is {name!r}: choose {_GRAMMAR}")


class Fit:
    """A way from frames of one shape to frames of a model's, and back.

    - "squeeze": each side by its own factor; what is round becomes an ellipse.
    - "letterbox": as large as it goes into the model's frame, with black bars.
    - "crop": the middle, as large as the model's frame; the rest is not looked at.
    - "tiles": frames of the model's size, side by side at the source's own resolution, that overlap
      by an eighth at least; "tiles:2" makes the source smaller or larger first, such that two cover
      its shorter side. Each is a video of its own to a recurrent model.

    Example:
        >>> fit = Fit("letterbox", (108, 192), (36, 36))
        >>> frames = fit.frames(np.zeros((108, 192, 3), np.uint8))
        >>> frames.shape
        (1, 36, 36, 3)
        >>> fit.mask([np.ones((36, 36), int) for _ in frames]).shape
        (108, 192)

    Attributes:
        name: of the way.
        shape: (h, w) of the source, in square pixels.
        model: (H, W) of the model's frames.
        scaled: (height, width) that the source is resized to.
        corners: (top, left) of each of the model's frames within that; negative with bars.

    Args:
        name: of the way.
        shape: (h, w) of the source.
        model: (H, W) of the model's frames.

    Raises:
        InputError: if the name is none of these, a size is below 1, or more than 256 tiles would be
            needed.
    """

    def __init__(self, name: str, shape: tuple[int, int], model: tuple[int, int]) -> None:
        check_fit(name)
        try:
            self.shape, self.model = checked_frame_shape(shape), checked_frame_shape(model)
        except InputError:
            raise InputError(
                f"{shape!r} cannot be fitted to {model!r}: (height, width) of 1 pixel or more each"
            ) from None
        self.name, shape, model = name, self.shape, self.model
        if tiled := _TILED.fullmatch(name):
            self.scaled = _tiled_size(shape, model, int(tiled[1] or 0))
            self.corners = self._tiles()
        else:
            self.scaled = _size(name, shape, model)
            top, left = ((have - want) // 2 for have, want in zip(self.scaled, model))
            self.corners = ((top, left),)

    @property
    def narrowing(self) -> float:
        """How many times as narrow all becomes, against its height; below 1 it becomes wider."""
        (h, w), (height, width) = self.shape, self.scaled
        return (w / h) / (width / height)

    def stretched(self, shape: tuple[int, int]) -> "Fit":
        """Returns the same frames of a source of another shape, each side by its own factor."""
        other = copy.copy(self)
        other.shape = shape
        return other

    def frames(self, image: np.ndarray) -> np.ndarray:
        """Returns what a model is shown of an image, uint8 [N, H, W, 3].

        Args:
            image: uint8 [h, w, 3], of the source.

        Raises:
            InputError: if it is no image of that shape.
        """
        image = checked_image(image)
        if image.shape[:2] != self.shape:
            raise InputError(
                f"the image is {list(image.shape[:2])} pixels: this fits {list(self.shape)}"
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        return self.cut(resized(frame, *self.scaled))

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Returns the model's frames of an image that is `scaled`, [N, H, W, 3]."""
        found = np.zeros((len(self.corners), *self.model, image.shape[2]), image.dtype)
        for frame, (inner, outer) in zip(found, self._places):
            frame[inner] = image[outer]
        return found

    def mask(
        self, maps: Sequence[np.ndarray] | np.ndarray, shape: tuple[int, int] | None = None
    ) -> np.ndarray:
        """Returns the class map of the source of those of the model's frames.

        Where tiles overlap, the one decides whose edge is farther away.

        Args:
            maps: integers [H, W], one for each frame.
            shape: of the class map; that of the source if None.

        Returns:
            Integers [h, w], by nearest neighbor; `UNSEEN` (255) where the model was shown nothing,
            as around a crop.

        Raises:
            InputError: if they are not as many, or of another shape.
        """
        if len(maps) != len(self.corners) or any(m.shape != self.model for m in maps):
            raise InputError(
                f"the class maps are {[list(m.shape) for m in maps][:3]}: {len(self.corners)} of "
                f"{list(self.model)} are needed"
            )
        whole = np.full(self.scaled, UNSEEN, np.result_type(maps[0].dtype, np.uint8))
        for classes, (inner, outer), owned in zip(maps, self._places, self._owned):
            np.copyto(whole[outer], classes[inner], where=owned)
        return nearest(whole, *(shape or self.shape))

    def _tiles(self) -> tuple[tuple[int, int], ...]:
        tops, lefts = (_starts(have, want) for have, want in zip(self.scaled, self.model))
        if len(tops) * len(lefts) > _MOST_TILES:
            (h, w), (height, width) = self.shape, self.model
            raise InputError(
                f"{len(tops) * len(lefts)} tiles of {width}x{height} cover {w}x{h}, and "
                f"{_MOST_TILES} are the most: fit=tiles:2 makes the frame smaller before"
            )
        return tuple((top, left) for top in tops for left in lefts)

    @functools.cached_property
    def _places(self) -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """Where in the model's frames, and where in the scaled source, they share pixels."""
        found = []
        for corner in self.corners:
            begins = [max(0, -start) for start in corner]
            ends = [
                min(want, have - start)
                for start, want, have in zip(corner, self.model, self.scaled)
            ]
            rows, columns = (slice(a, b) for a, b in zip(begins, ends))
            moved = [slice(a + c, b + c) for a, b, c in zip(begins, ends, corner)]
            found.append(((rows, columns), (moved[0], moved[1])))
        return found

    @functools.cached_property
    def _owned(self) -> list[np.ndarray]:
        """Which of these pixels each decides, bool."""
        away = [np.minimum(np.arange(n) + 1, n - np.arange(n)) for n in self.model]
        depth = np.minimum(away[0][:, None], away[1])
        best = np.zeros(self.scaled, int)
        for inner, outer in self._places:
            np.maximum(best[outer], depth[inner], out=best[outer])
        taken, found = np.zeros(self.scaled, bool), []
        for inner, outer in self._places:
            owned = (depth[inner] == best[outer]) & ~taken[outer]
            taken[outer] |= owned
            found.append(owned)
        return found


def _size(name: str, shape: tuple[int, int], model: tuple[int, int]) -> tuple[int, int]:
    factors = [want / have for have, want in zip(shape, model)]
    if name == SQUEEZE:
        return model[0], model[1]
    if name == LETTERBOX:
        sides = [min(w, max(1, round(min(factors) * s))) for s, w in zip(shape, model)]
    else:
        sides = [max(w, round(max(factors) * s)) for s, w in zip(shape, model)]
    return sides[0], sides[1]


def _tiled_size(shape: tuple[int, int], model: tuple[int, int], rows: int) -> tuple[int, int]:
    """What is tiled: the source itself, or such that so many rows (or columns) cover it."""
    lengths = [rows * want - (rows - 1) * _overlap(want) if rows else want for want in model]
    factor = max(length / have for have, length in zip(shape, lengths))
    factor = factor if rows else max(1.0, factor)
    sides = [max(length, math.floor(factor * s + 0.5)) for s, length in zip(shape, lengths)]
    return sides[0], sides[1]


def _overlap(side: int) -> int:
    return math.ceil(side * _OVERLAP) if side > 1 else 0


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin that cover a length, evenly."""
    overlap = _overlap(side)
    count = max(1, math.ceil((length - overlap) / (side - overlap)))
    return [round(n * (length - side) / max(1, count - 1)) for n in range(count)]
