"""Finds frames and masks in a folder, and divides their sequences into splits."""

from __future__ import annotations

import pathlib

from frame_folders.listing import read_pairs
from frame_folders.problems import Problems
from frame_folders.sequences import Frame, in_order, split_name

from own_video.settings import Splits

LIST = "frames.txt"
MASKS = "_mask"  # what the folder of a sequence's masks ends in

_IMAGES = (".png", ".jpg", ".jpeg", ".webp")
_TRAINING_SHARE = 0.8


def find_sequences(folder: pathlib.Path, problems: Problems) -> dict[str, list[Frame]]:
    """Frames by sequence, in order of frame number; sequences in order of name.

    Args:
        folder: a folder with a list `frames.txt`, or with `{sequence}/` beside `{sequence}_mask/`.
        problems: takes lists and files that cannot be used.
    """
    listing = folder / LIST
    if listing.is_file():
        pairs = [(folder / image, folder / mask) for image, mask in read_pairs(listing, problems)]
    else:
        pairs = _in_folders(folder, problems)
    frames = [_frame(folder, *pair, problems) for pair in pairs]
    found = in_order([frame for frame in frames if frame is not None], problems)
    return {name: found[name] for name in sorted(found)}


def _in_folders(
    folder: pathlib.Path, problems: Problems
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    inside = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    sequences = sorted(p for p in inside if not p.name.endswith(MASKS))
    if not sequences:
        problems.add(folder, f"has neither {LIST} nor folders {{sequence}} and {{sequence}}{MASKS}")
    pairs = []
    for sequence in sequences:
        masks = sequence.with_name(sequence.name + MASKS)
        images = sorted(p for p in sequence.iterdir() if p.suffix.lower() in _IMAGES)
        if not images:
            problems.add(sequence, f"has no images ({', '.join(_IMAGES)})")
        pairs += [(image, masks / f"{image.stem}.png") for image in images]
    _note_lonely_masks({mask for _, mask in pairs}, inside, problems)
    return pairs


def _note_lonely_masks(
    wanted: set[pathlib.Path], inside: list[pathlib.Path], problems: Problems
) -> None:
    """A mask without an image is a misspelt name, or a frame that was forgotten."""
    for masks in sorted(p for p in inside if p.name.endswith(MASKS)):
        for mask in sorted(masks.glob("*.png")):
            if mask not in wanted:
                problems.add(mask, f"has no image in {masks.name.removesuffix(MASKS)}")


def _frame(
    folder: pathlib.Path, image: pathlib.Path, mask: pathlib.Path, problems: Problems
) -> Frame | None:
    name = split_name(image.stem)
    if name is None:
        problems.add(image, "has no frame number at the end of its name, such as 0001")
        return None
    place = image.parent
    inside = place != folder and place.is_relative_to(folder)
    sequence = place.relative_to(folder).as_posix() if inside else place.name
    return Frame(image, mask, sequence, number=name[1])


def divide(sequences: dict[str, list[Frame]], splits: Splits | None) -> dict[str, list[Frame]]:
    """Frames of every split.

    Args:
        sequences: frames by sequence.
        splits: sequences of every split. None takes four fifths of the sequences, in their order,
            for training and the others for the test; of a single one, the first four fifths of
            its frames.

    Raises:
        ValueError: when there is no sequence of a name that `splits` has.
    """
    if splits is None:
        return _by_share(sequences)
    unknown = [name for names in splits.values() for name in names if name not in sequences]
    if unknown:
        raise ValueError(
            f"splits of dataset.yaml has the sequence {unknown[0]!r}, which is not there: choose "
            f"from {', '.join(sequences) or '(none found)'}"
        )
    return {
        split: [f for name in names for f in sequences[name]] for split, names in splits.items()
    }


def _by_share(sequences: dict[str, list[Frame]]) -> dict[str, list[Frame]]:
    parts = list(sequences.values())
    if len(parts) == 1:
        (frames,) = parts
        return dict(zip(("train", "test"), _cut(frames)))
    train, test = _cut(parts)
    return {
        "train": [f for part in train for f in part],
        "test": [f for part in test for f in part],
    }


def _cut(items: list) -> tuple[list, list]:
    """The first four fifths and the rest; neither is empty if there are two items."""
    first = max(1, min(len(items) - 1, round(_TRAINING_SHARE * len(items))))
    return items[:first], items[first:]
