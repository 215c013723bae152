"""Finds the images of Pathfinder, and their masks or labels, in the folders of its generator."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import re

import numpy as np
from contours.files import read_frame, read_target
from frame_folders.names import files, visible
from frame_folders.problems import Problems
from frame_folders.sequences import Frame

IMAGES = "imgs"
MASKS = ("gt", "segs", "masks")
METADATA = "metadata"

_NAME = re.compile(r"sample_(?P<number>\d{1,9})", re.ASCII)
# A row is: folder, name, number, label and what the image was made with.
_FOLDER, _FILE, _LABEL = 0, 1, 3
_LISTS = {"train": "train*.txt", "validation": "val*.txt", "test": "test*.txt"}
# Without lists eight of ten images are for training; the next one and the last one are for:
_TENTHS = {8: "validation", 9: "test"}


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        frames: of every split; each is a sequence by itself.
        labels: of every image, 0 or 1, where there are no masks.
    """

    frames: dict[str, list[Frame]]
    labels: dict[pathlib.Path, int]


def read_mask(labels: dict[pathlib.Path, int], path: pathlib.Path) -> np.ndarray:
    """Reads a mask, or what stands for one: uint8 [H, W].

    Args:
        labels: of images without a mask, which are the label's class at every pixel.
        path: of a mask, or of such an image.

    Raises:
        ValueError: when the file is damaged or is not 8-bit gray.
    """
    if path in labels:
        return np.full_like(read_frame(path)[..., 0], labels[path])
    return read_target(path)


def find(folder: pathlib.Path, problems: Problems) -> Found:
    """Images of every split.

    Args:
        folder: of one difficulty, such as `curv_contour_length_14`.
        problems: takes files that cannot be used.
    """
    images = [path for part in _parts(folder / IMAGES) for path in files(part, (".png",))]
    if not images:
        problems.add(folder / IMAGES, "missing, or without images such as 1/sample_0.png")
    masks = next((folder / name for name in MASKS if (folder / name).is_dir()), None)
    labels = {} if masks else _labels(folder, problems)
    if masks is None and not labels:
        problems.add(
            folder / METADATA,
            f"missing, and there is none of the folders {', '.join(MASKS)}: labels are needed",
        )
    frames = []
    for image in sorted(images, key=_order):
        if masks is None and image not in labels:
            continue
        name = f"{image.parent.name}/{image.stem}"
        mask = image if masks is None else masks / image.parent.name / image.name
        frames.append(Frame(image, mask, name, number=0))
    return Found(_divide(folder, frames, problems), labels)


def _parts(folder: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in visible(folder) if path.is_dir()] if folder.is_dir() else []


def _order(path: pathlib.Path) -> tuple[str, int, str]:
    match = _NAME.fullmatch(path.stem)
    return path.parent.name, int(match["number"]) if match else -1, path.name


def _labels(folder: pathlib.Path, problems: Problems) -> dict[pathlib.Path, int]:
    """The label of every image that the metadata name."""
    found = {}
    for path in files(folder / METADATA, (".npy", ".txt")):
        for row in _rows(path, problems):
            if len(row) <= _LABEL or row[_LABEL] not in ("0", "1"):
                problems.add(path, f"has a row without a label of 0 or 1: {' '.join(row)[:60]!r}")
                break
            found[folder / row[_FOLDER] / row[_FILE]] = int(row[_LABEL])
    return found


def _rows(path: pathlib.Path, problems: Problems) -> list[list[str]]:
    """Rows of metadata, which are text or an array of text, whatever the file's ending."""
    content = problems.content(path)
    try:
        if content.startswith(b"\x93NUMPY"):
            array = np.load(io.BytesIO(content), allow_pickle=False)
            return [[str(word) for word in np.atleast_1d(row)] for row in array]
        return [line.split() for line in content.decode().splitlines() if line.strip()]
    except ValueError as error:
        problems.add(path, f"cannot be read as text or an array of text ({error})")
        return []


def _divide(
    folder: pathlib.Path, frames: list[Frame], problems: Problems
) -> dict[str, list[Frame]]:
    """By lists of images, if there are any, else by tenths.

    Where there is no list of the test, that of validation is it.
    """
    found = {split: sorted(folder.glob(pattern)) for split, pattern in _LISTS.items()}
    lists = {split: paths for split, paths in found.items() if paths}
    if "test" not in lists and "validation" in lists:
        lists["test"] = lists.pop("validation")
    missing = [_LISTS[split] for split in ("train", "test") if split not in lists]
    if lists and missing:
        problems.add(
            folder / missing[0],
            f"missing, where there is {next(iter(lists.values()))[0].name}: lists of the images of "
            "train and of test or val are needed, or none at all",
        )
    elif lists:
        named = {split: _named(paths, problems) for split, paths in lists.items()}
        return {
            split: [frame for frame in frames if frame.sequence in names]
            for split, names in named.items()
        }
    divided: dict[str, list[Frame]] = {"train": [], "validation": [], "test": []}
    for index, frame in enumerate(frames):
        divided[_TENTHS.get(index % 10, "train")].append(frame)
    return divided


def _named(paths: list[pathlib.Path], problems: Problems) -> set[str]:
    """The images of lists, as `1/sample_0`: of a path the last folder and the name count."""
    lines = [line for path in paths for line in problems.text(path).splitlines()]
    words = [line.split()[0] for line in lines if line.strip()]
    return {"/".join(pathlib.PurePosixPath(word).with_suffix("").parts[-2:]) for word in words}
