"""Finds frames and masks in a folder, and divides their sequences into splits."""

from __future__ import annotations

import collections
import pathlib

from frame_folders import videos
from frame_folders.listing import read_pairs
from frame_folders.names import sequence_and_number
from frame_folders.problems import Problems
from frame_folders.sequences import Frame, in_order

from own_video.layouts import MASKS, SPLITS, Finder, Pair
from own_video.settings import Splits

LIST = "frames.txt"
_TRAINING_SHARE = 0.8


def find_sequences(
    folder: pathlib.Path, problems: Problems, *, sparse: bool = False
) -> dict[str, list[Frame]]:
    """Frames by sequence, in order of frame number; sequences in order of name.

    Args:
        folder: a folder with a list `frames.txt`, or in one of the layouts of `layouts`.
        problems: takes lists and files that cannot be used.
        sparse: whether frames may be without a mask.
    """
    listing = folder / LIST
    if listing.is_file():
        listed = read_pairs(listing, problems, sparse=sparse)
        places = _places(folder, {(folder / image).parent for image, _ in listed})
        pairs = [
            Pair(path, folder / mask if mask else None, places[path.parent])
            for path, mask in ((folder / image, mask) for image, mask in listed)
        ]
    else:
        pairs = Finder(sparse, problems).find(folder)
        if not pairs and not len(problems):
            problems.add(
                folder,
                f"has neither {LIST} nor folders {{sequence}} and {{sequence}}{MASKS}, images and "
                f"masks, or videos and their masks",
            )
    missing = sum(pair.mask is not None and not videos.exists(pair.mask) for pair in pairs)
    if 0 < missing < len(pairs):
        problems.advise("with `sparse: true` in dataset.yaml frames may be without a mask")
    found = in_order(_frames(pairs, problems), problems)
    return {name: found[name] for name in sorted(found)}


def _places(folder: pathlib.Path, places: set[pathlib.Path]) -> dict[pathlib.Path, str]:
    """What folders of frames are called: by their path in `folder`, others by the end of theirs.

    Of these the shortest end is taken that no other folder has.
    """
    ends = collections.Counter(end for place in places for end in _ends(place))
    inside = {place for place in places if place != folder and place.is_relative_to(folder)}
    own = {place: next((e for e in _ends(place) if ends[e] == 1), "") for place in places - inside}
    return own | {place: place.relative_to(folder).as_posix() for place in inside}


def _ends(place: pathlib.Path) -> list[str]:
    """The last part of a path, the last two, and so on."""
    return [pathlib.PurePath(*place.parts[-n:]).as_posix() for n in range(1, len(place.parts) + 1)]


def _frames(pairs: list[Pair], problems: Problems) -> list[Frame]:
    """Frames whose sequence is a folder or a video, or a part of a folder whose names differ."""
    named = []
    for pair in pairs:
        name = sequence_and_number(pair.image.stem)
        if name is None:
            problems.add(pair.image, "has no frame number at the end of its name, such as 0001")
        else:
            named.append((pair, *name))
    names: dict[str, set[str]] = {}
    for pair, name, _ in named:
        names.setdefault(pair.place, set()).add(name)
    frames = [
        Frame(pair.image, pair.mask, _sequence(pair.place, name, names[pair.place]), number)
        for pair, name, number in named
    ]
    _check_folders(frames, problems)
    return frames


def _check_folders(frames: list[Frame], problems: Problems) -> None:
    """A sequence is in one folder: two that come to one name would be joined."""
    folders: dict[str, pathlib.Path] = {}
    for frame in frames:
        folder = folders.setdefault(frame.sequence, frame.image.parent)
        if folder != frame.image.parent:
            problems.add(
                frame.image.parent,
                f"has frames of a sequence {frame.sequence}, as {folder} has: rename one of them",
            )


def _sequence(place: str, name: str, names: set[str]) -> str:
    return f"{place}/{name}" if len(names) > 1 and name else place


def splits_by_folder(
    folder: pathlib.Path, sequences: dict[str, list[Frame]], problems: Problems
) -> Splits | None:
    """Splits by folders called train, val and test, or by lists in `ImageSets`, as DAVIS has them.

    Where there is no test, the validation sequences are the test.

    Args:
        folder: the folder that was given.
        sequences: frames by sequence.
        problems: takes lists that cannot be used, and folders that leave sequences out.
    """
    by_folder: dict[str, list[str]] = {}
    for name in sequences:
        by_folder.setdefault(SPLITS.get(name.partition("/")[0].lower(), ""), []).append(name)
    others = by_folder.pop("", [])
    found = _usable({} if others else by_folder) or _usable(_by_lists(folder, sequences, problems))
    if found is None and len(by_folder) > 1:
        lacking = f"{others[0]} is in none of them" if others else "train is not among them"
        problems.add(
            folder,
            f"has folders of the splits {', '.join(by_folder)}, but {lacking}: write `splits` into "
            "dataset.yaml",
        )
    return found


def _usable(found: dict[str, list[str]]) -> Splits | None:
    """Splits with a test; None without one, or without anything to train on."""
    if "test" not in found and "validation" in found:
        found = {"train": found.get("train", []), "test": found["validation"]}
    if not found.get("train") or "test" not in found:
        return None
    return {split: tuple(names) for split, names in found.items()}


def _by_lists(
    folder: pathlib.Path, sequences: dict[str, list[Frame]], problems: Problems
) -> dict[str, list[str]]:
    for path in sorted(folder.glob("ImageSets/*/train.txt"), reverse=True):
        found = {}
        for split in ("train", "val", "test"):
            listing = path.with_name(f"{split}.txt")
            lines = problems.text(listing).split() if listing.is_file() else []
            named = {
                part for line in lines for part in (line, pathlib.PurePosixPath(line).parent.name)
            }
            found[SPLITS[split]] = [name for name in sequences if name in named]
        if found["train"] and (found["validation"] or found["test"]):
            return {split: names for split, names in found.items() if names}
    return {}


def divide(sequences: dict[str, list[Frame]], splits: Splits | None) -> dict[str, list[Frame]]:
    """Frames of every split.

    Args:
        sequences: frames by sequence.
        splits: sequences of every split, or folders of them. None takes four fifths of the
            sequences, in their order, for training and the others for the test; of a single one,
            the first four fifths of its frames.

    Raises:
        ValueError: when there is no sequence of a name that `splits` has.
    """
    if splits is None:
        return _by_share(sequences)
    unknown = [name for names in splits.values() for name in names if not _named(sequences, name)]
    if unknown:
        raise ValueError(
            f"splits of dataset.yaml has the sequence {unknown[0]!r}, which is not there: choose "
            f"from {', '.join(sequences) or '(none found)'}"
        )
    return {
        split: [f for name in names for found in _named(sequences, name) for f in sequences[found]]
        for split, names in splits.items()
    }


def _named(sequences: dict[str, list[Frame]], name: str) -> list[str]:
    """The sequence of a name, or those of the folder of that name."""
    return [found for found in sequences if found == name or found.startswith(f"{name}/")]


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
