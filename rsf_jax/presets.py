"""Presets: configurations by a grammar of names."""

import difflib
import re

from rsf_jax.config import Config
from rsf_jax.errors import InputError

_SCHEDULE = re.compile(
    r"(?P<data>[a-z0-9]+)_s(?P<slow>\d+)f(?P<fast>\d+)(?P<stateless>_stateless)?"
)
_DATASETS = {"easy": "t_pathfinder/easy", "hard": "t_pathfinder/hard"}
_NAMED = {
    # Learns an easy task in minutes on two CPU cores.
    "quickstart": Config(
        name="quickstart",
        dataset="t_pathfinder/quickstart",
        channels=12,
        kernel_size=9,
        slow_steps=3,
        fast_steps=1,
        batch_size=8,
        learning_rate=4e-3,
        lr_schedule="cosine",
        warmup_steps=50,
        # Adam remembers the first, large gradients for a thousand updates, and hardly moves.
        clip_norm=0.01,
        # Every video is seen once: they are cheaper to make than to learn from.
        epochs=1,
        validation_share=0.02,
        validate_every=490,
        eval_batch_size=100,
    )
}
_EXAMPLES = ("hard_s8f8", "hard_s8f2", "easy_s6f1", "easy_s6f1_stateless", "quickstart")


def get_config(name: str) -> Config:
    """Returns the configuration a preset name stands for.

    `{easy|hard}_s{S}f{F}[_stateless]` for any S >= F >= 1 is the paper's recipe with S recurrent
    steps on the first frame and F on each later one; `quickstart` is a small task for a laptop.

    Args:
        name: a preset's name.

    Returns:
        The configuration, every field of which may be changed with `replace`.

    Raises:
        InputError: if the name is none of these.

    Source: Wang et al. 2023, section 4.2.
    """
    if name in _NAMED:
        return _NAMED[name]
    match = _SCHEDULE.fullmatch(name)
    if match is None or match["data"] not in _DATASETS:
        raise InputError(_unknown_preset(name))
    slow, fast = int(match["slow"]), int(match["fast"])
    if not slow >= fast >= 1:
        raise InputError(
            f"preset {name!r} asks for {slow} slow and {fast} fast steps: "
            "presets need slow >= fast >= 1; other schedules can be set by --config.slow_steps "
            "and --config.fast_steps"
        )
    return Config(
        name=name,
        dataset=_DATASETS[match["data"]],
        slow_steps=slow,
        fast_steps=fast,
        stateful=match["stateless"] is None,
    )


def _unknown_preset(name: str) -> str:
    known = [
        *_NAMED,
        *_EXAMPLES,
        *(f"{d}_s{s}f{f}" for d in _DATASETS for s, f in ((8, 4), (6, 6))),
    ]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return (
        f"unknown preset {name!r}: {hint}Presets are quickstart and "
        "{easy|hard}_s{S}f{F}[_stateless] with S >= F >= 1, such as hard_s8f8"
    )
