"""A folder of images as a source of frames."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rsf_jax.arguments import check_number
from rsf_jax.errors import InputError
from rsf_jax.media.pictures import Picture, Shaper
from rsf_jax.media.source import Source
from rsf_jax.media.still import eight_bit

# Pillow opens more, one of them (PostScript) by starting another program, whatever a file's suffix.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class FolderSource(Source):
    """The images of a folder in natural order, 2 before 10; or one image by itself."""

    def __init__(self, path: Path, images_per_second: int | float, shaper: Shaper) -> None:
        needed = "it has to be from 0.000001 to 1,000,000, for example 25"
        rate = check_number("images_per_second", images_per_second, needed, _is_rate)
        self._paths = _images_in(path) if path.is_dir() else [path]
        self._seconds_each = 1 / rate
        self._closed = False
        name = path.resolve().name or "images"
        label, name = (f"{name}/", name) if path.is_dir() else (path.name, path.stem)
        super().__init__(label, name, False, float(rate), shaper)

    def _read(self) -> Iterator[Picture]:
        for index, path in enumerate(self._paths):
            if self._closed:
                return
            try:
                image = _load(path)
            except InputError as error:
                self._leave_out(str(error))
                continue
            self.count += 1
            seconds = index * self._seconds_each
            yield self._shaper.picture_of_image(image, seconds, index, path.name)

    def _leave_out(self, why: str) -> None:
        if not self.skipped:  # of thousands, one tells enough
            self.note(f"{self.label}: an image is left out: {why}")
        self.skipped += 1
        if self.skipped == len(self._paths):
            self.problem = f"{self.label} has no image that can be read: {why}"

    def close(self) -> None:
        """Ends it: no more images are read."""
        self._closed = True


def _is_rate(x: float) -> bool:
    return 1e-6 <= x <= 1e6


def is_image(path: Path) -> bool:
    """Whether a file is an image by itself, as a photograph is, and no animation."""
    if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
        return False
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            # A photograph may have a second one, as for depth, behind it; pages are no frames.
            return opened.format in ("JPEG", "MPO", "TIFF") or getattr(opened, "n_frames", 1) == 1
    except Exception:  # by what is damaged, see below
        return False


def _images_in(folder: Path) -> list[Path]:
    # What begins with a dot is hidden, as what macOS writes beside each file of other systems.
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    ]
    if not found:
        raise InputError(
            f"folder {folder} holds no images: files that end in {', '.join(IMAGE_SUFFIXES)} are "
            "taken, folders inside it are not looked into"
        )
    return sorted(found, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sorts digits as the numbers they are, and the rest without regard to case."""
    parts = re.findall(r"(\d+)|(\D+)", path.name)
    return [(int(number or 0), text.lower()) for number, text in parts], path.name


def _load(path: Path) -> np.ndarray:
    """An image as uint8 [h, w, 3], upright; InputError if it cannot be read."""
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            return np.array(eight_bit(ImageOps.exif_transpose(opened)).convert("RGB"))
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    except Exception:  # Damaged files raise a dozen kinds in Pillow, by format and place.
        raise InputError(f"{path.name} is damaged, or no image of a kind that is read") from None
