"""Image files to arrays, and what is to be said of those that cannot be read."""

from __future__ import annotations

import collections
import dataclasses
import io
import pathlib
import warnings
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from frame_folders import videos
from frame_folders.census import Census
from frame_folders.labels import Labels
from frame_folders.problems import Problems
from frame_folders.sequences import Frame

Size = tuple[int, int]  # height, width

# Pillow would take more, and hand PostScript to Ghostscript, which runs it.
_PICTURES = ("PNG", "JPEG", "WEBP")

_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes beyond 8 bits
_INDEXED = ("1", "L", "P")  # one index a pixel; a palette's index, not its color


def read_image(path: pathlib.Path) -> np.ndarray:
    """Reads a PNG, JPEG or WebP image as uint8 [H, W, 3]; gray becomes three equal channels.

    Raises:
        ValueError: when the file is damaged, of another format or of more than 8 bits a channel.
    """
    with opened(path, _PICTURES) as image:
        if image.mode in _DEEP:
            raise ValueError(f"is of mode {image.mode}: 8 bits a channel is needed")
        return pixels_of(image, "RGB")


def read_picture(path: pathlib.Path) -> np.ndarray:
    """Reads an image, or a frame of a video, as uint8 [H, W, 3]."""
    return videos.read_frame(path) if videos.is_frame(path) else read_image(path)


def read_mask(path: pathlib.Path) -> np.ndarray:
    """Reads class indices from a PNG file, which is lossless, as uint8 [H, W].

    Raises:
        ValueError: when the file is damaged, of another format or not of one index a pixel.
    """
    return _read_plane(path, _INDEXED, "one class index a pixel (8-bit gray or palette)")


def read_gray(path: pathlib.Path) -> np.ndarray:
    """Reads an 8-bit gray PNG image as uint8 [H, W].

    Raises:
        ValueError: when the file is damaged or of another kind.
    """
    return _read_plane(path, ("L",), "8-bit gray")


@dataclasses.dataclass(frozen=True)
class Reading:
    """How the files of a dataset are read.

    Attributes:
        image: from a path to uint8 [H, W, channels]; ValueError when the file cannot be used.
        mask: from a path to class indices uint8 [H, W]; likewise.
        channels: of an image.
    """

    image: Callable[[pathlib.Path], np.ndarray]
    mask: Callable[[pathlib.Path], np.ndarray]
    channels: int


COLOR = Reading(read_image, read_mask, channels=3)


def _read_plane(path: pathlib.Path, modes: tuple[str, ...], needed: str) -> np.ndarray:
    with opened(path, ("PNG",)) as image:
        if image.mode not in modes:
            raise ValueError(f"is of mode {image.mode}: {needed} is needed")
        return pixels_of(image, None).astype(np.uint8)


def opened(path: pathlib.Path, formats: tuple[str, ...]) -> Image.Image:
    """Opens an image of one of Pillow's formats, whose checksums are compared if it has any."""
    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Decoding alone takes a PNG file with flipped bits; what is verified is used up.
            Image.open(io.BytesIO(content), formats=formats).verify()
            return Image.open(io.BytesIO(content), formats=formats)
    except UnidentifiedImageError:
        raise ValueError(f"damaged or of another format: {_either(formats)} is needed") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(
            f"claims to have more than {Image.MAX_IMAGE_PIXELS} pixels: damaged or far too large"
        ) from None
    except Exception as error:  # Pillow's formats raise whatever their parsers meet
        raise ValueError(f"damaged ({type(error).__name__} while reading)") from error


def pixels_of(image: Image.Image, mode: str | None) -> np.ndarray:
    """Decodes an opened image, converted to one of Pillow's modes if one is given."""
    try:
        # Upright, as viewers show it and as streams have it.
        upright = ImageOps.exif_transpose(image)
        array = np.array(upright.convert(mode) if mode else upright)
    except Exception as error:  # as above
        raise ValueError(f"damaged ({type(error).__name__} while reading)") from error
    return array


def _either(formats: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))


def check(
    frames: Iterable[Frame],
    labels: Labels,
    reading: Reading,
    problems: Problems,
    census: Census | None = None,
) -> Size | None:
    """Reads every file once, to find all that cannot be used before anything is written.

    Args:
        frames: the frames of all splits.
        labels: the indices that masks may hold.
        reading: how files are read.
        problems: takes what is found.
        census: takes the masks, if they are to be counted.

    Returns:
        The size that all images should have, which is the most frequent one; None without frames.
    """
    sizes: dict[pathlib.Path, Size] = {}
    for frame in frames:
        size = _check_image(frame.image, reading, problems)
        if size is not None:
            sizes[frame.image] = size
        mask = _check_mask(frame, size, labels, reading, problems)
        if census is not None and frame.mask is not None and mask is not None:
            census.add(frame.mask, mask)
    if not sizes:
        return None
    common = collections.Counter(sizes.values()).most_common(1)[0][0]
    for path, size in sizes.items():
        if size != common:
            problems.add(path, f"is {_in_words(size)}, most images are {_in_words(common)}")
            problems.advise("frames of one size are needed: make others the same or leave them out")
    return common


def _check_image(path: pathlib.Path, reading: Reading, problems: Problems) -> Size | None:
    if path in problems:
        return None
    if not videos.exists(path):
        problems.add(path, "missing")
        return None
    try:
        height, width, _ = reading.image(path).shape
    except ValueError as error:
        problems.add(path, str(error))
        return None
    return height, width


def _check_mask(
    frame: Frame, size: Size | None, labels: Labels, reading: Reading, problems: Problems
) -> np.ndarray | None:
    if frame.mask is None or frame.mask in problems:
        return None
    if not videos.exists(frame.mask):
        problems.add(frame.mask, f"missing, the mask of {frame.image.name}")
        return None
    try:
        mask = reading.mask(frame.mask)
    except ValueError as error:
        problems.add(frame.mask, str(error))
        return None
    if size is not None and mask.shape != size:
        turned = ", upright by its EXIF orientation" if mask.shape == size[::-1] else ""
        problems.add(
            frame.mask, f"is {_in_words(mask.shape)}, its image is {_in_words(size)}{turned}"
        )
    strange = labels.not_allowed(mask)
    if strange:
        indices = ", ".join(map(str, strange[:5])) + (", ..." if len(strange) > 5 else "")
        problems.add(frame.mask, f"has index {indices}; allowed are {labels.allowed()}")
    return mask


def _in_words(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size)) + " pixels (height x width)"
