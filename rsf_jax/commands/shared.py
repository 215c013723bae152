"""What all commands share: flags, and the configuration that they name."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from absl import flags

import rsf_jax as rsf
from rsf_jax.config import presets
from rsf_jax.config.config import MODEL_FIELDS

PREFIX = "config."

CONFIG = flags.DEFINE_string(
    "config",
    None,
    f"preset: {presets.GRAMMAR}",
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "folder for checkpoints and results; runs/PRESET unless given"
)
PRETRAINED = flags.DEFINE_string(
    "pretrained",
    None,
    f"use a trained model that comes with the library ({', '.join(rsf.pretrained_names())}), a "
    "card (a file of JSON), the folder of one, or hf:OWNER/NAME of the Hugging Face hub; what is "
    "made with it goes to --workdir, or runs/pretrained/NAME",
)
CELLS = flags.DEFINE_string(
    "cells",
    None,
    "Python file that registers cells, networks, policies or halting metrics of your own "
    "(rsf.register_cell, rsf.register_network, rsf.register_policy, rsf.register_metric)",
)


def _define_config_flags() -> None:
    """One flag `--config.FIELD` for every field of a configuration, unset unless given."""
    define: dict[Any, Callable] = {
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
        str: flags.DEFINE_string,
    }
    for field in dataclasses.fields(rsf.Config):
        name, comment = PREFIX + field.name, f"{field.metadata['comment']}{_default(field)}"
        if field.name == "name":
            continue
        if field.metadata["choices"]:
            flags.DEFINE_enum(name, None, field.metadata["choices"], comment)
        else:
            define[field.type](name, None, comment)


def _default(field: dataclasses.Field) -> str:
    """What a setting is unless the preset says otherwise."""
    return "" if field.default == "" else f" [{str(field.default).lower()}]"


_define_config_flags()


def overrides() -> dict[str, object]:
    """Returns the fields that were given as flags."""
    names = [f.name for f in dataclasses.fields(rsf.Config) if f.name != "name"]
    given = {name: flags.FLAGS[PREFIX + name].value for name in names}
    return {name: value for name, value in given.items() if value is not None}


def refuse_settings(names_folder: bool = False) -> None:
    """Settings that would do nothing are a mistake.

    Args:
        names_folder: whether `--config` stands for the folder runs/PRESET where no other is given.
    """
    if given := overrides():
        raise rsf.InputError(f"--config.{min(given)} is not used here: leave it out")
    names_folder = names_folder and not (WORKDIR.value or PRETRAINED.value)
    if CONFIG.value and not names_folder:
        raise rsf.InputError(f"--config={CONFIG.value} is not used here: leave it out")


def model_settings() -> dict[str, object]:
    """Returns what `--config`, if given, says of the model: a checkpoint must agree with it."""
    if not CONFIG.value:
        return {}
    preset = rsf.get_config(CONFIG.value)
    return {name: getattr(preset, name) for name in MODEL_FIELDS}


def frame_size(text: str) -> tuple[int, int]:
    """Returns (height, width) in pixels of the value of a flag, such as 360x480."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise rsf.InputError(f"frame_size {text!r} is no HEIGHTxWIDTH in pixels, as 360x480")
    return int(match[1]), int(match[2])
