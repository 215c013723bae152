"""Videos that are arrays in memory."""

import hashlib
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grain
import numpy as np

from rsf_jax.arguments import check_number, several
from rsf_jax.data.augmentation import Example
from rsf_jax.data.division import divide
from rsf_jax.data.identity import Identity
from rsf_jax.errors import InputError
from rsf_jax.measures.losses import IGNORED
from rsf_jax.shown import short

_WHITE = 255


def read_splits(
    train: Any, validation: Any, test: Any, calibration: Any, ignored: int | None = None
) -> dict[str, list[Example]]:
    """Returns the videos of each split, checked.

    Args:
        train: a pair, frames and masks, see `read_arrays`.
        validation: likewise, or the share of the training videos that is taken for it.
        test: frames and masks.
        calibration: likewise; None for no such split.
        ignored: see `read_arrays`.

    Raises:
        InputError: as `read_arrays`; or if videos are of different sizes, or nothing is left to
            train on.
    """
    splits = {"train": _read(train, "training videos", ignored)}
    if isinstance(validation, numbers.Real | np.bool_):
        check_number("validation", validation, "a share below 1 is needed", lambda x: 0 < x < 1)
        splits |= _without_share(splits["train"], float(validation))
    else:
        splits["validation"] = _read(validation, "validation videos", ignored)
    splits["test"] = _read(test, "test videos", ignored)
    if calibration is not None:
        splits["calibration"] = _read(calibration, "calibration videos", ignored)
    _check_alike(splits)
    return splits


def _read(given: Any, what: str, ignored: int | None) -> list[Example]:
    # An array is a sequence as well: of two videos it would be taken for frames and masks.
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(f"{what}: a pair (frames, masks) is needed")
    frames, masks = given
    return read_arrays(frames, masks, what, ignored)


def read_arrays(
    frames: Any, masks: Any, what: str = "videos", ignored: int | None = None
) -> list[Example]:
    """Returns videos, checked, as those of a dataset are.

    Args:
        frames: uint8 in 0..255 or float in 0..1, [V, T, H, W, C]; floats are rounded to 255 levels.
        masks: integers or booleans [V, T, H, W], the class of every pixel.
        what: named in errors.
        ignored: value of pixels whose class is not known; None for 255.

    Raises:
        InputError: if shapes do not fit each other, or a value is out of range.
    """
    frames, masks = _array(frames, f"frames of {what}"), _array(masks, f"masks of {what}")
    if frames.ndim != 5 or not frames.size:
        raise InputError(
            f"frames of {what} have the shape {frames.shape}: [V, T, H, W, C] is needed"
        )
    if masks.shape != frames.shape[:-1]:
        raise InputError(
            f"masks of {what} have the shape {masks.shape}: that of the frames, "
            f"{frames.shape[:-1]}, is needed"
        )
    return [
        {"frames": _bytes(f, what), "masks": _classes(m, what, ignored)}
        for f, m in zip(frames, masks)
    ]


def _array(values: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{what} are no array: all must be of one length and size") from error


def checked_names(class_names: Any, classes: int) -> list[str]:
    """Returns what classes are called: their numbers unless names are given.

    Args:
        class_names: what was given; None for numbers.
        classes: of the masks.

    Raises:
        InputError: if these are no different texts, or there are too few.
    """
    if class_names is None:
        return list(map(str, range(classes)))
    needed = "a list of different texts is needed, a name for each class"
    names = several("class_names", class_names, needed)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"class_names is {short(list(names))}: {needed}")
    if classes > len(names):
        raise InputError(f"class_names has {len(names)} names, the masks have {classes} classes")
    return list(map(str, names))


def checked_colors(colors: Any, classes: int) -> np.ndarray:
    """Returns uint8 [K, 3] of the colors of K classes.

    Raises:
        InputError: if they are none.
    """
    found = _array(colors, "colors")
    are_whole = np.issubdtype(found.dtype, np.integer) and found.shape == (classes, 3)
    if not (are_whole and found.min() >= 0 and found.max() <= _WHITE):
        raise InputError(
            f"colors are {found.dtype} {list(found.shape)}: red, green and blue, whole numbers in "
            f"0..255, are needed for each of {classes} classes"
        )
    return found.astype(np.uint8)


def _bytes(frames: np.ndarray, what: str) -> np.ndarray:
    if frames.dtype == np.uint8:
        return frames
    if not np.issubdtype(frames.dtype, np.floating):
        raise InputError(
            f"frames of {what} are {frames.dtype}: uint8 in 0..255 or float in 0..1 are needed"
        )
    if not (frames.min() >= 0 and frames.max() <= 1):  # NaN too
        raise InputError(f"frames of {what} have values that are not in 0..1: divide them by white")
    return np.rint(frames * _WHITE).astype(np.uint8)


def _classes(masks: np.ndarray, what: str, ignored: int | None) -> np.ndarray:
    if not (masks.dtype == bool or np.issubdtype(masks.dtype, np.integer)):
        raise InputError(f"masks of {what} are {masks.dtype}: numbers of classes are needed")
    if ignored is not None and ignored != IGNORED:
        masks = _renumbered(masks.astype(np.int64), what, ignored)
    if masks.min() < 0 or masks.max() > IGNORED:
        raise InputError(
            f"masks of {what} have values from {masks.min()} to {masks.max()}: classes are "
            f"numbered from 0, {IGNORED} is a pixel whose class is not known"
        )
    return masks.astype(np.uint8)


def _renumbered(masks: np.ndarray, what: str, ignored: int) -> np.ndarray:
    """Masks whose unlabeled pixels are `IGNORED`, as those of all datasets are."""
    if (masks == IGNORED).any():
        raise InputError(
            f"masks of {what} hold {IGNORED} and ignored is {ignored}: write {ignored} there if it "
            "is unlabeled, or the number of its class"
        )
    return np.where(masks == ignored, IGNORED, masks)


def _without_share(videos: list[Example], share: float) -> dict[str, list[Example]]:
    """Training and validation videos; which is which depends on their number alone."""
    count = max(1, round(share * len(videos)))
    if count >= len(videos):
        raise InputError(
            f"validation is {share}: of {len(videos)} training videos a share above 0 is needed "
            "that leaves some to train on"
        )
    parts = divide(len(videos), count, 0)
    return {
        name: [videos[n] for n in getattr(parts, name).tolist()] for name in ("train", "validation")
    }


def _check_alike(splits: dict[str, list[Example]]) -> None:
    wanted = splits["train"][0]["frames"].shape[1:]
    for name, videos in splits.items():
        found = videos[0]["frames"].shape[1:]
        if found != wanted:
            raise InputError(
                f"frames of {name} videos are {found}, those of training videos {wanted}: one size "
                "[H, W, C] is needed"
            )


def count_classes(splits: Iterable[Sequence[Example]]) -> int:
    """Returns one more than the highest class in any mask, at least 2."""
    known = (v["masks"][v["masks"] < IGNORED] for videos in splits for v in videos)
    return max([2, *(int(labels.max()) + 1 for labels in known if labels.size)])


def identity_of(splits: Mapping[str, Sequence[Example]]) -> Identity:
    """Returns the identity of videos: of every one of their values."""
    digest = hashlib.sha256()
    for name, videos in splits.items():
        digest.update(f"{name} {len(videos)}".encode())
        for video in videos:
            for array in (video["frames"], video["masks"]):
                digest.update(f"{array.shape}".encode())
                digest.update(array.tobytes())
    counts = ", ".join(f"{len(videos)} {name}" for name, videos in splits.items())
    return Identity(digest.hexdigest(), f"arrays ({counts} videos)")


def as_split(videos: Sequence[Example]) -> grain.MapDataset:
    """Returns videos as a split of a dataset."""
    return grain.MapDataset.source(videos)
