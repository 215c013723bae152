"""What the masks of all videos hold together: what 255 means in them, and which classes."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from rsf_jax.data.augmentation import Example
from rsf_jax.errors import InputError
from rsf_jax.measures.foreground import BINARY
from rsf_jax.measures.losses import IGNORED

Splits = dict[str, list[Example]]
_FULL = 255  # what most binary masks have for an object


def settled_masks(splits: Splits, names: Sequence[str], ignored_is_given: bool) -> Splits:
    """Returns videos whose masks are of classes, and 255 where nothing is known.

    With two classes and masks that hold 0 and 255 alone, 255 is class 1: builders read folders so
    too (`datasets/frame_folders/binary.py`, `census.py`).

    Args:
        splits: videos by split.
        names: of the classes.
        ignored_is_given: whether somebody has said which value is unlabeled.

    Raises:
        InputError: if it cannot be told what 255 is, nothing is labeled in a split, or one of two
            classes is in no mask.
    """
    if not ignored_is_given and _is_object(splits, names):
        splits = {split: [_with_ones(video) for video in of] for split, of in splits.items()}
        _say(f"masks hold 0 and 255: 255 is read as class 1, {names[1]}")
    _check_counts(splits, names)
    return splits


def _is_object(splits: Splits, names: Sequence[str]) -> bool:
    """Whether 255 is class 1."""
    # A split that has videos with each set of values.
    kinds = {
        frozenset(np.unique(video["masks"]).tolist()): split
        for split, videos in splits.items()
        for video in videos
    }
    every = frozenset().union(*kinds)
    if _FULL not in every:
        return False
    if len(names) != BINARY:
        _refuse_if_binary(every, names)
        return False
    if 1 not in every:
        if 0 in every:
            return True
        raise InputError(
            f"every pixel of all masks is 255: that is {names[1]} everywhere, or nothing is "
            f"labeled; masks need 0 for {names[0]} and 1 for {names[1]}"
        )
    if not any({1, _FULL} <= kind for kind in kinds):
        _refuse_if_mixed(kinds)
    return False


def _refuse_if_binary(every: frozenset[int], names: Sequence[str]) -> None:
    if every == {0, _FULL}:
        raise InputError(
            f"all masks hold 0 and 255 alone, which is {names[0]} and unlabeled, where "
            f"{len(names)} classes are named: binary masks are of two classes"
        )


def _refuse_if_mixed(kinds: Mapping[frozenset[int], str]) -> None:
    """Some masks are of 0 and 1, others of 0 and 255: 255 may be either."""
    full = kinds.get(frozenset({0, _FULL}))
    if full is None:
        return
    one = next(split for kind, split in kinds.items() if 1 in kind)
    raise InputError(
        f"masks of a {one} video hold 1, of a {full} video 0 and 255: give ignored=255 if 255 is "
        "unlabeled there; if it is class 1, make it 1 in these masks"
    )


def _with_ones(video: Example) -> Example:
    return {**video, "masks": np.where(video["masks"] == _FULL, np.uint8(1), video["masks"])}


def _check_counts(splits: Splits, names: Sequence[str]) -> None:
    """Looks for splits and classes that have no pixel."""
    absent = {}
    for split, videos in splits.items():
        pixels = np.zeros(256, np.int64)
        for video in videos:
            pixels += np.bincount(video["masks"].ravel(), minlength=256)
        if not np.any(pixels[:IGNORED]):
            raise InputError(
                f"no pixel of {split} videos is labeled: their masks hold nothing but {IGNORED}, "
                "or what is given as `ignored`"
            )
        absent[split] = [k for k in range(len(names)) if not pixels[k]]
    nowhere = set.intersection(*map(set, absent.values()))
    if nowhere and len(names) == BINARY:
        missing = min(nowhere)
        raise InputError(
            f"no mask has a pixel of class {missing}, {names[missing]}: look into the masks, and "
            "at class_names and ignored"
        )
    for split, of_split in absent.items():
        if of_split:
            listed = ", ".join(names[k] for k in of_split)
            _say(f"no mask of {split} videos has a pixel of {listed}")


def _say(what: str) -> None:
    logging.getLogger(__name__).warning("%s", what)
