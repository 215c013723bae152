"""What names of files and folders say: frame numbers, which mask belongs to which image, litter."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable

from frame_folders.sequences import split_name

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")

# What names of masks have more than those of images; the first that is there is taken.
_OF_MASKS = (
    *("_gtFine_labelTrainIds", "_gtFine_labelIds", "_gtCoarse_labelIds", "_labelTrainIds"),
    *("_labelIds", "_mask", "_masks", "_label", "_labels", "_gt", "_seg", "_segmentation"),
    *("_annotation", "_annotations", "_P", "_L"),
)
_OF_IMAGES = ("_leftImg8bit", "_image", "_img", "_rgb", "_frame")
_OF_FOLDERS = (
    *("_mask", "_masks", "_label", "_labels", "_gt", "_seg", "_segmentation", "_annotation"),
    *("_annotations", "_annot", "annot"),
)

_LITTER = ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")
# `frame001_left`: a number, and a word that all frames of a sequence have.
_WORD = re.compile(r"(?P<before>.*\d)(?P<word>[_\-. ][A-Za-z]+)")
# Seconds with a fraction.
_TIME = re.compile(r"(?P<whole>\d{1,12})\.(?P<part>\d{1,6})")


def visible(folder: pathlib.Path) -> list[pathlib.Path]:
    """What is in a folder but for hidden files and what operating systems leave, by name."""
    return sorted(
        p for p in folder.iterdir() if not p.name.startswith(".") and p.name not in _LITTER
    )


def files(folder: pathlib.Path, endings: tuple[str, ...]) -> list[pathlib.Path]:
    """The visible files with one of the endings, in capitals or not; none if there is no folder."""
    if not folder.is_dir():
        return []
    return [p for p in visible(folder) if p.suffix.lower() in endings and p.is_file()]


def sequence_and_number(stem: str) -> tuple[str, int] | None:
    """The sequence and the frame's number that a name has; None if it ends in no number."""
    time = _TIME.fullmatch(stem)
    if time is not None:
        return "", int(time["whole"] + time["part"].ljust(6, "0"))
    plain = without(stem, _OF_IMAGES)
    found = split_name(plain)
    word = _WORD.fullmatch(plain)
    if found is None and word is not None:
        found = split_name(word["before"])
        return found and (found[0] + word["word"], found[1])
    return found


def without(stem: str, endings: Iterable[str]) -> str:
    """A name without the first of the endings that it has, in capitals or not."""
    for ending in endings:
        if stem.lower().endswith(ending.lower()) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def is_mask(path: pathlib.Path) -> bool:
    """Whether a file or a folder is one of masks by its name."""
    return masks_of(path) != _name(path)


def masks_beside(path: pathlib.Path) -> list[pathlib.Path]:
    """Folders beside a folder or a file whose names say that they hold its masks."""
    folders = [p for p in visible(path.parent) if p.is_dir() and is_mask(p)]
    return [p for p in folders if masks_of(p) == _name(path)]


def masks_of(path: pathlib.Path) -> str:
    """What a file or a folder of masks has the masks of, by its name."""
    return without(_name(path), _OF_FOLDERS if path.is_dir() else _OF_MASKS)


def _name(path: pathlib.Path) -> str:
    return path.name if path.is_dir() else path.stem


class Masks:
    """The masks in a folder, to be found by the names of images."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._by_stem: dict[str, list[pathlib.Path]] = {}
        for path in files(folder, MASK_ENDINGS):
            self._by_stem.setdefault(path.stem.lower(), []).append(path)
        self._keys: set[str] = set()

    def of(self, image: pathlib.Path) -> pathlib.Path | None:
        """The mask of an image; None if there is none."""
        key = without(image.stem, _OF_IMAGES).lower()
        self._keys |= {key, image.stem.lower()}
        stems = (image.stem.lower(), *(key + ending.lower() for ending in _OF_MASKS))
        found = [path for stem in stems for path in self._by_stem.get(stem, []) if path != image]
        return min(found, key=lambda path: self._rank(path, stems), default=None)

    def lonely(self) -> list[pathlib.Path]:
        """Masks that are of none of the images that were asked for."""
        every = [path for paths in self._by_stem.values() for path in paths]
        return [path for path in every if not self._has_image(path.stem.lower())]

    def _has_image(self, stem: str) -> bool:
        parts = stem.split("_")
        return any("_".join(parts[:count]) in self._keys for count in range(len(parts), 0, -1))

    def _rank(self, path: pathlib.Path, stems: tuple[str, ...]) -> tuple[int, int]:
        return stems.index(path.stem.lower()), MASK_ENDINGS.index(path.suffix.lower())
