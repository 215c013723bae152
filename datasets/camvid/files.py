"""Finds the frames of a split in SegNet's layout of CamVid."""

from __future__ import annotations

import pathlib

from frame_folders.listing import read_pairs
from frame_folders.problems import Problems
from frame_folders.sequences import Frame, split_name

# Split of the dataset to the name of its list and folder.
SPLITS = {"train": "train", "validation": "val", "test": "test"}

_IMAGES = (".png", ".webp")

Pair = tuple[pathlib.Path, pathlib.Path]  # image, label


def find_frames(folder: pathlib.Path, name: str, problems: Problems) -> list[Frame]:
    """Frames of one split: those of its list, or all of its folder where there is no list.

    Args:
        folder: the folder with the lists and the folders of images.
        name: `train`, `val` or `test`.
        problems: takes lists and files that cannot be used.
    """
    listing = folder / f"{name}.txt"
    if listing.is_file():
        pairs = [_in_place(folder, *words) for words in read_pairs(listing, problems)]
    elif (folder / name).is_dir():
        pairs = _in_folder(folder, name, problems)
    else:
        problems.add(listing, f"missing, and there is no folder {name} either")
        return []
    return [frame for pair in pairs if (frame := _frame(*pair, problems)) is not None]


def _in_place(folder: pathlib.Path, image: str, label: str) -> Pair:
    """Paths of a list, `/SegNet/CamVid/train/name.png`, of which folder and name count."""
    paths = [folder.joinpath(*pathlib.PurePosixPath(p).parts[-2:]) for p in (image, label)]
    return _in_either_format(paths[0]), paths[1]


def _in_folder(folder: pathlib.Path, name: str, problems: Problems) -> list[Pair]:
    images = sorted(path for path in (folder / name).iterdir() if path.suffix in _IMAGES)
    if not images:
        problems.add(folder / name, f"has no images ({' or '.join(_IMAGES)})")
    return [(path, folder / f"{name}annot" / f"{path.stem}.png") for path in images]


def _in_either_format(image: pathlib.Path) -> pathlib.Path:
    """The file itself, or its WebP version if only that is there."""
    webp = image.with_suffix(".webp")
    return webp if not image.exists() and webp.exists() else image


def _frame(image: pathlib.Path, label: pathlib.Path, problems: Problems) -> Frame | None:
    name = split_name(image.stem)
    if name is None:
        problems.add(image, "has no frame number at the end of its name, as 0001TP_006690 has")
        return None
    return Frame(image, label, sequence=name[0], number=name[1])
