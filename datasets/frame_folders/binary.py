"""Masks of 0 and 255: is 255 the object, or is it unlabeled?"""

from __future__ import annotations

import dataclasses

from video_records.labels import IGNORED

from frame_folders.census import Census
from frame_folders.labels import Labels
from frame_folders.problems import Problems

FULL = 255  # what paint programs and most binary masks have for an object


def leniently(labels: Labels) -> Labels:
    """Labels that take 255 of two classes, whatever it will turn out to be."""
    if len(labels.names) != 2 or labels.read_as:
        return labels
    return dataclasses.replace(labels, read_as=((FULL, IGNORED),))


def settle(labels: Labels, census: Census, problems: Problems) -> tuple[Labels, list[str]]:
    """Decides by what all masks hold together what 255 is.

    With two classes and masks that hold 0 and 255 alone, 255 is class 1.

    Args:
        labels: as the settings have them.
        census: of all masks.
        problems: takes a mask with 255 where that stands for nothing.

    Returns:
        The labels to read masks by, and what there is to say of it.

    Raises:
        ValueError: where it cannot be told.
    """
    kinds = {kind: found for kind, found in census.kinds.items() if FULL in kind}
    if not kinds or labels.read_as:
        return labels, []
    every = frozenset().union(*census.kinds)
    if len(labels.names) != 2:
        _refuse_if_binary(labels, every)
        return labels, []
    if 1 not in every:
        return _without_ones(labels, every)
    if labels.ignored != FULL:
        path, count = next(iter(kinds.values()))
        others = f", as have {count - 1} more" if count > 1 else ""
        problems.add(path, f"has index 255; allowed are {labels.allowed()}{others}")
    elif not labels.ignored_is_given and not any(1 in kind for kind in kinds):
        _refuse_if_mixed(census)
    return labels, []


def _without_ones(labels: Labels, every: frozenset[int]) -> tuple[Labels, list[str]]:
    name = labels.names[1]
    if 0 not in every:
        raise ValueError(
            f"every labeled pixel of all masks is 255: that is {name} everywhere, or nothing is "
            f"labeled; masks need 0 for {labels.names[0]} and 1 for {name}"
        )
    if labels.ignored == FULL and labels.ignored_is_given:
        raise ValueError(
            f"no mask has class 1, {name}, and `ignored: 255` says that 255 is unlabeled: if 255 "
            f"is {name}, take that line out of dataset.yaml"
        )
    ignored = labels.ignored if labels.ignored != FULL else 254
    read = dataclasses.replace(labels, ignored=ignored, read_as=((FULL, 1),))
    return read, [f"masks hold 0 and 255: 255 is read as class 1, {name}"]


def _refuse_if_binary(labels: Labels, every: frozenset[int]) -> None:
    if every == {0, FULL}:
        raise ValueError(
            f"all masks hold 0 and 255 alone, which is {labels.names[0]} and unlabeled, where "
            f"{len(labels.names)} classes are named: binary masks are of two classes"
        )


def _refuse_if_mixed(census: Census) -> None:
    """Some masks are of 0 and 1, others of 0 and 255: 255 may be either."""
    full = census.kinds.get(frozenset({0, FULL}))
    if full is None:
        return
    one = next(path for kind, (path, _) in census.kinds.items() if 1 in kind)
    raise ValueError(
        f"{one.name} and others hold 1, {full[0].name} and others 0 and 255: write `ignored: 255` "
        "into dataset.yaml if 255 is unlabeled there; if it is class 1, make it 1 in these masks"
    )
