"""Finds the frames of CamVid, in SegNet's layout, as released, and as others have repackaged it."""

from __future__ import annotations

import pathlib

from frame_folders.listing import read_pairs
from frame_folders.names import IMAGE_ENDINGS, Masks, files, visible
from frame_folders.problems import Problems
from frame_folders.sequences import Frame, split_name

# Split of the dataset to the name of its list and folder.
SPLITS = {"train": "train", "validation": "val", "test": "test"}
VALID = "valid.txt"  # names of validation images, where all images lie in one folder

_ANNOTATIONS = ("{}annot", "{}_labels", "{}_label", "{}_masks", "{}_mask", "{}_annot")
_IMAGES = ("701_stillsraw", "stillsraw", "images")
_LABELS = ("labeledapproved", "labels", "masks")
# SegNet's division. Of one sequence the first part is for training; of another a short stretch, of
# which every second frame is labeled, is for validation, and the rest has even numbers.
_LAST_OF_TRAINING = 8520
_STRETCH = range(7959, 8160, 2)


def find_frames(folder: pathlib.Path, problems: Problems) -> dict[str, list[Frame]]:
    """Frames of every split.

    Where there are neither lists nor folders of splits, all images of one folder are divided as
    SegNet has divided them; `valid.txt`, if there is one, names those of validation.

    Args:
        folder: the folder that was given.
        problems: takes lists and files that cannot be used.
    """
    together = _one_folder(folder)
    if together is None:
        return {split: _of_split(folder, name, problems) for split, name in SPLITS.items()}
    frames = _in_folder(*together, problems)
    listing = folder / VALID
    valid = set(problems.text(listing).split()) if listing.is_file() else None
    found: dict[str, list[Frame]] = {split: [] for split in SPLITS}
    for frame in frames:
        split = _split_of(frame, valid)
        if split is None:
            problems.add(
                frame.image,
                "is of none of CamVid's four sequences: give train.txt, val.txt and test.txt, or "
                "folders train, val and test",
            )
        else:
            found[split].append(frame)
    return found


def _one_folder(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path] | None:
    """The folders of all images and all labels, if no split has a list or a folder."""
    if any((folder / f"{n}.txt").is_file() or (folder / n).is_dir() for n in SPLITS.values()):
        return None
    inside = [path for path in visible(folder) if path.is_dir()]
    images = [path for path in inside if path.name.lower().startswith(_IMAGES)]
    labels = [path for path in inside if path.name.lower().startswith(_LABELS)]
    return (images[0], labels[0]) if images and labels else None


def _split_of(frame: Frame, valid: set[str] | None) -> str | None:
    if valid is not None and frame.image.name in valid:
        return "validation"
    if frame.sequence == "0001TP":
        return "train" if frame.number <= _LAST_OF_TRAINING else "test"
    if frame.sequence == "0016E5":
        return "validation" if valid is None and frame.number in _STRETCH else "train"
    return {"0006R0": "train", "Seq05VD": "test"}.get(frame.sequence)


def _of_split(folder: pathlib.Path, name: str, problems: Problems) -> list[Frame]:
    """Frames of one split: those of its list, or all of its folder where there is no list."""
    listing = folder / f"{name}.txt"
    if listing.is_file():
        pairs = [_in_place(folder, *words) for words in read_pairs(listing, problems)]
        return _frames(pairs, problems)
    if (folder / name).is_dir():
        return _in_folder(folder / name, _annotations(folder, name), problems)
    problems.add(listing, f"missing, and there is no folder {name} either")
    return []


def _annotations(folder: pathlib.Path, name: str) -> pathlib.Path:
    candidates = [folder / pattern.format(name) for pattern in _ANNOTATIONS]
    return next((path for path in candidates if path.is_dir()), candidates[0])


Pair = tuple[pathlib.Path, pathlib.Path]  # image, label


def _in_place(folder: pathlib.Path, image: str, label: str) -> Pair:
    """Paths of a list, `/SegNet/CamVid/train/name.png`, of which folder and name count."""
    paths = [folder.joinpath(*pathlib.PurePosixPath(p).parts[-2:]) for p in (image, label)]
    return _in_any_format(paths[0]), paths[1]


def _in_folder(images: pathlib.Path, annotations: pathlib.Path, problems: Problems) -> list[Frame]:
    found, labels = files(images, IMAGE_ENDINGS), Masks(annotations)
    if not found:
        problems.add(images, f"has no images ({' or '.join(IMAGE_ENDINGS)})")
    pairs = [(path, labels.of(path) or annotations / f"{path.stem}.png") for path in found]
    return _frames(pairs, problems)


def _in_any_format(image: pathlib.Path) -> pathlib.Path:
    """The file itself, or one of another format if only that is there."""
    if image.exists():
        return image
    others = [path for path in files(image.parent, IMAGE_ENDINGS) if path.stem == image.stem]
    return others[0] if others else image


def _frames(pairs: list[Pair], problems: Problems) -> list[Frame]:
    frames = []
    for image, label in pairs:
        name = split_name(image.stem)
        if name is None:
            problems.add(image, "has no frame number at the end of its name, as 0001TP_006690 has")
        else:
            frames.append(Frame(image, label, sequence=name[0], number=name[1]))
    return frames
