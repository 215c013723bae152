"""Masks of every kind that people have to class indices: gray, palette, color, 16-bit, JPEG."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping

import numpy as np
from PIL import Image
from video_records.labels import IGNORED

from frame_folders import videos
from frame_folders.images import opened, pixels_of

Color = tuple[int, int, int]  # red, green, blue

_LOSSLESS = ("PNG", "BMP", "TIFF", "GIF")
_LOSSY = ("JPEG",)
_DEEP = ("I", "F")  # what modes of Pillow beyond 8 bits begin with
# Of a mask that was stored with loss: pixels between two classes, which are left unlabeled.
_MOST_BETWEEN = 0.2
_NEAR = 40  # of 255: what a lossy mask of 0 and 255 may be off


class MaskReader:
    """Reads masks as indices.

    A color image, and a palette whose colors are among those of the classes, are read by color;
    any other palette by its indices, as gray images are.

    Args:
        colors: index of each color; None if the classes have none.
        settings: where colors are given, for messages.
    """

    def __init__(self, colors: Mapping[Color, int] | None, settings: str = "dataset.yaml") -> None:
        self._colors, self._settings = dict(colors or {}), settings
        self._palette: dict[int, tuple[Color, str]] = {}

    def __call__(self, path: pathlib.Path) -> np.ndarray:
        """Returns the indices of a mask, uint8 [H, W].

        Raises:
            ValueError: if it cannot be read, or what it holds stands for nothing.
        """
        if videos.is_frame(path):
            return self._of_color(videos.read_frame(path), lossy=True)
        image = opened(path, (*_LOSSLESS, *_LOSSY))
        with image:
            lossy = image.format in _LOSSY
            _check_depth(image)
            _check_opaque(image)
            if image.mode == "P":
                return self._of_palette(image, path.name)
            if image.mode in ("1", "L") and not lossy:
                return pixels_of(image, None).astype(np.uint8)
            if image.mode.startswith(_DEEP):
                return _of_deep(pixels_of(image, None))
            return self._of_color(pixels_of(image, "RGB"), lossy=lossy)

    def _of_palette(self, image: Image.Image, name: str) -> np.ndarray:
        indices = pixels_of(image, None)
        entries = np.reshape(image.getpalette("RGB") or [], (-1, 3))
        used = {
            int(i): _color(entries[i]) for i in np.unique(indices) if i < len(entries) and i < 255
        }
        if self._colors and used and all(color in self._colors for color in used.values()):
            table = np.full(256, IGNORED, np.uint8)
            for index, color in used.items():
                table[index] = self._colors[color]
            return table[indices].astype(np.uint8)
        alike = sum(color in self._colors for color in used.values())
        for index, color in used.items():
            self._check_palette(index, color, name, by_colors=alike > len(used) / 2)
        return indices.astype(np.uint8)

    def _check_palette(self, index: int, color: Color, name: str, *, by_colors: bool) -> None:
        """An index whose color is another class's, or differs from mask to mask, means nothing."""
        if by_colors and self._colors.get(color, index) != index:
            raise ValueError(
                f"has the color {color} of class {self._colors[color]} at index {index} of its "
                f"palette, and others that `colors` in {self._settings} does not have: correct "
                "`colors`, or save the mask as gray indices"
            )
        known, first = self._palette.setdefault(index, (color, name))
        if known != color and not self._colors:
            raise ValueError(
                f"has another palette than {first}: index {index} is {color} here, {known} there. "
                f"Give the color of each class as `colors` in {self._settings}"
            )

    def _of_color(self, pixels: np.ndarray, *, lossy: bool) -> np.ndarray:
        gray = _is_gray(pixels, _NEAR if lossy else 0)
        if self._colors and not (lossy and gray and self._is_binary(pixels)):
            return _by_color(pixels, self._colors, lossy, self._settings)
        if not gray:
            raise ValueError(
                "is a color image: give the color of each class, colors: [[red, green, blue], "
                f"...], in {self._settings}, or save indices (8-bit gray or palette PNG)"
            )
        return _binary(pixels[..., 0]) if lossy else pixels[..., 0]

    def _is_binary(self, pixels: np.ndarray) -> bool:
        """Whether there is white, and no class is of that color."""
        return bool(pixels.min(-1).max() > 255 - _NEAR) and (255, 255, 255) not in self._colors


def color_table(
    colors: tuple[Color, ...] | None, ignored: int, ignored_color: Color | None
) -> dict[Color, int] | None:
    """The index of each color; None if classes have no colors.

    Raises:
        ValueError: if two classes have one color.
    """
    if colors is None:
        return None
    table: dict[Color, int] = {}
    for index, color in [*enumerate(colors), (ignored, ignored_color)]:
        if color is None:
            continue
        if color in table:
            raise ValueError(f"colors has {list(color)} twice: classes need colors of their own")
        table[color] = index
    return table


def _of_deep(values: np.ndarray) -> np.ndarray:
    """16 bits a pixel: indices, or binary."""
    present = np.unique(values)
    if set(present.tolist()) <= {0, 65535}:
        return np.where(values > 0, np.uint8(255), np.uint8(0))
    if present[0] < 0 or present[-1] > 255 or (present % 1).any():
        raise ValueError(f"has the value {present[-1]:g}: indices are whole numbers from 0 to 255")
    return values.astype(np.uint8)


def _check_depth(image: Image.Image) -> None:
    """Pillow stretches what has fewer bits to 8, and keeps the upper 8 of colors that have more."""
    bits = re.search(r";(\d+)", str(image.tile[0][3])) if image.tile else None
    if bits and image.mode in ("L", "LA", "RGB", "RGBA"):
        raise ValueError(f"has {bits[1]} bits a channel: save it with 8")


def _check_opaque(image: Image.Image) -> None:
    if not image.has_transparency_data:
        return
    if image.mode.startswith(_DEEP):
        clear = pixels_of(image, None) == image.info["transparency"]
    else:
        clear = pixels_of(image, "RGBA")[..., 3] != 255
    if clear.any():
        raise ValueError("has transparent pixels: save it without an alpha channel")


def _is_gray(pixels: np.ndarray, tolerance: int) -> bool:
    spread = pixels.max(-1).astype(int) - pixels.min(-1)
    return bool((spread <= tolerance).mean() > 1 - _MOST_BETWEEN if tolerance else not spread.any())


def _binary(gray: np.ndarray) -> np.ndarray:
    """A mask of 0 and 255 that was stored with loss."""
    between = ((gray > _NEAR) & (gray < 255 - _NEAR)).mean()
    if between > _MOST_BETWEEN or (gray.max() > 1 and gray.max() < 128):
        raise ValueError(
            "is stored with loss, which changes indices: only masks of 0 and 255, or of the colors "
            "in `colors`, can be read from it; save it as PNG"
        )
    return np.where(gray > 127, np.uint8(255), np.uint8(0))


def _by_color(
    pixels: np.ndarray, colors: Mapping[Color, int], lossy: bool, settings: str
) -> np.ndarray:
    codes = pixels.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    present, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    found = np.stack([present >> 16, present >> 8 & 255, present & 255], -1)
    meanings = np.array([colors.get(_color(color), -1) for color in found])
    if lossy:
        meanings = _nearest(found, colors)
        if counts[meanings == IGNORED].sum() > _MOST_BETWEEN * codes.size:
            raise ValueError(f"has other colors than `colors` in {settings}")
    elif (meanings < 0).any():
        color = list(_color(found[meanings < 0][0]))
        raise ValueError(
            f"has the color {color}, which is none of `colors` in {settings}; if it means "
            f"unlabeled, write ignored_color: {color}"
        )
    return meanings.astype(np.uint8)[places].reshape(codes.shape)


def _nearest(found: np.ndarray, colors: Mapping[Color, int]) -> np.ndarray:
    """The index of the nearest color; `IGNORED` where that is not clear."""
    known = np.array(list(colors), float)
    distances = np.linalg.norm(found[:, None] - known, axis=-1)
    apart = np.linalg.norm(known[:, None] - known, axis=-1)
    limit = apart[apart > 0].min(initial=510) / 2
    indices = np.array(list(colors.values()))[distances.argmin(-1)]
    return np.where(distances.min(-1) < limit, indices, IGNORED)


def _color(values: np.ndarray) -> Color:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
