"""`dataset.yaml`: classes, and how the videos are divided and cut."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import yaml
from frame_folders.labels import Labels
from frame_folders.masks import Color, color_table
from video_records.labels import IGNORED

KEYS = ("classes", "colors", "background", "ignored", "ignored_color", "clip_length", "sparse")
KEYS += ("splits",)
SPLITS = ("train", "validation", "test")
_NEEDED_SPLITS = ("train", "test")
_DEFAULT_CLIP_LENGTH = 2

Splits = dict[str, tuple[str, ...]]  # names of sequences


@dataclasses.dataclass(frozen=True)
class Settings:
    """What `dataset.yaml` says.

    Attributes:
        labels: classes and their indices in the masks.
        clip_length: frames of a clip.
        splits: sequences of every split; None to divide them by their names.
        sparse: whether frames may be without a mask.
        index_of: index of each color in masks of colors; None if classes have none.
    """

    labels: Labels
    clip_length: int
    splits: Splits | None
    sparse: bool
    index_of: dict[Color, int] | None


def read_settings(path: pathlib.Path) -> Settings:
    """Reads and checks the file.

    Raises:
        ValueError: one line that names the file, the value and what is allowed.
    """
    values = _load(path)
    try:
        return _settings(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _load(path: pathlib.Path) -> Any:
    if not path.is_file():
        raise ValueError(f"{path} is missing: it must have at least a line `classes: [first, ...]`")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text file: write it in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "cannot be parsed"
        raise ValueError(f"{path}{where} is not valid YAML: {what}") from None


def _settings(values: Any) -> Settings:
    if not isinstance(values, dict):
        raise ValueError(f"lines `key: value` are needed, with the keys {', '.join(KEYS)}")
    unknown = [str(key) for key in values if key not in KEYS]
    if unknown:
        raise ValueError(f"unknown key {', '.join(unknown)}: choose from {', '.join(KEYS)}")
    names = _classes(values.get("classes"))
    colors = _colors(values.get("colors"), len(names))
    ignored = _ignored(values.get("ignored", IGNORED), names)
    ignored_color = _ignored_color(values.get("ignored_color"))
    return Settings(
        Labels(
            names,
            colors,
            ignored,
            ignored_is_given="ignored" in values,
            background=_background(values.get("background", names[0]), names),
        ),
        _clip_length(values.get("clip_length", _DEFAULT_CLIP_LENGTH)),
        _splits(values.get("splits")),
        _sparse(values.get("sparse", False)),
        color_table(colors, ignored, ignored_color),
    )


def _classes(value: Any) -> tuple[str, ...]:
    names = _names(value, "classes")
    if len(names) < 2:
        raise ValueError(
            f"classes has the name {names[0]!r} alone: two or more are needed, with one for what "
            "is none of the others"
        )
    if len(names) > IGNORED:
        raise ValueError(f"classes has {len(names)} names: at most {IGNORED} are possible")
    return names


def _names(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{key} is {value!r}: a list of names is needed, such as [first, second]")
    for name in value:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{key} has {name!r}, which is no text: put quotes around it")
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        raise ValueError(f"{key} has {twice[0]!r} twice: every name may be there once")
    return tuple(value)


def _colors(value: Any, classes: int) -> tuple[tuple[int, int, int], ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != classes:
        count = len(value) if isinstance(value, list) else value
        raise ValueError(
            f"colors is {count!r}: a list of one color for each of the {classes} "
            "classes is needed, [[red, green, blue], ...]"
        )
    return tuple(_color(color, "colors") for color in value)


def _background(value: Any, names: tuple[str, ...]) -> int | None:
    if value is None:
        return None
    if value not in names:
        raise ValueError(
            f"background is {value!r}: one of the classes {', '.join(names)} is needed, or null if "
            "pictures shall leave none clear"
        )
    return names.index(value)


def _color(value: Any, key: str) -> Color:
    if not (
        isinstance(value, list) and len(value) == 3 and all(_is_whole(c, 0, 255) for c in value)
    ):
        raise ValueError(f"{key} has {value!r}: [red, green, blue] from 0 to 255 is needed")
    red, green, blue = value
    return red, green, blue


def _ignored_color(value: Any) -> Color | None:
    return None if value is None else _color(value, "ignored_color")


def _sparse(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"sparse is {value!r}: true or false is needed")
    return value


def _ignored(value: Any, names: tuple[str, ...]) -> int:
    if not _is_whole(value, len(names), 255):
        raise ValueError(
            f"ignored is {value!r}: a whole number from {len(names)} to 255 is needed, because "
            f"0 to {len(names) - 1} are the classes"
        )
    return value


def _clip_length(value: Any) -> int:
    if not _is_whole(value, 1, 10**6):
        raise ValueError(f"clip_length is {value!r}: a number of frames is needed, 1 or more")
    return value


def _splits(value: Any) -> Splits | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"splits is {value!r}: lines `train: [sequence, ...]` are needed")
    unknown = [str(split) for split in value if split not in SPLITS]
    if unknown:
        raise ValueError(f"splits has {', '.join(unknown)}: choose from {', '.join(SPLITS)}")
    missing = [split for split in _NEEDED_SPLITS if split not in value]
    if missing:
        raise ValueError(f"splits has no {' and no '.join(missing)}: only validation may be absent")
    splits = {split: _names(value[split], f"splits.{split}") for split in SPLITS if split in value}
    every = [name for names in splits.values() for name in names]
    for name in every:
        if every.count(name) > 1:
            raise ValueError(f"splits has the sequence {name!r} in two splits: choose one")
    return splits


def _is_whole(value: Any, least: int, most: int) -> bool:
    # YAML's true and false are ints to Python.
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
