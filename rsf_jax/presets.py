"""Presets: configurations by a grammar of names."""

import difflib
import re

from rsf_jax.cells import CELLS
from rsf_jax.config import FEEDFORWARD, GRADIENTS, RECURRENT_NETWORKS, Config, model_names
from rsf_jax.errors import InputError

_SCHEDULE = re.compile(
    r"(?P<data>[a-z0-9]+)_s(?P<slow>\d{1,9})f(?P<fast>\d{1,9})"
    r"(_(?!stateless$)(?P<cell>[a-z][a-z0-9_]*?))?(?P<stateless>_stateless)?",
    re.ASCII,
)
_MIXED = re.compile(r"(?P<data>[a-z0-9]+)_mixed(?P<most>[1-9]\d{0,2})", re.ASCII)
_STATIC = re.compile(
    r"(?P<data>pathfinder(\d+|_small\d+))_(?P<gradient>[a-z_]+?)_n(?P<steps>\d{1,9})"
    r"(_(?P<cell>[a-z][a-z0-9_]*))?",
    re.ASCII,
)
_FEEDFORWARD = re.compile(rf"(?P<data>[a-z0-9]+)_(?P<model>{'|'.join(FEEDFORWARD)})")
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
_PATHFINDER = Config(
    batch_size=128,
    epochs=20,
    lr_schedule="constant",
    validation_share=0.05,
    log_every=10,
    diagnostics=True,
)
# A video is a single frame: more of them make an update.
_PATHFINDER_SMALL = _NAMED["quickstart"].replace(
    kernel_size=13, batch_size=32, epochs=8, validate_every=306, diagnostics=True
)
# Lengths of the contours, in segments.
_PATHFINDER_LENGTHS = (9, 14, 20, 25)
_PATHFINDER_SMALL_LENGTHS = (3, 4, 6, 8)
_STATIC_BASES = {
    f"pathfinder{length}": _PATHFINDER.replace(dataset=f"pathfinder/length{length}")
    for length in _PATHFINDER_LENGTHS
} | {
    f"pathfinder_small{length}": _PATHFINDER_SMALL.replace(dataset=f"pathfinder/small{length}")
    for length in _PATHFINDER_SMALL_LENGTHS
}
# The recurrent U-Net of the paper's section 4.4, 32 / 4 channels wide.
_CAMVID = Config(
    dataset="camvid/pairs",
    model="dru",
    classes=11,
    input_channels=3,
    channels=8,
    slow_steps=3,
    fast_steps=3,
    flip_vertical=False,
    zoom=2.0,
    color_jitter=0.2,
    focal_gamma=0.0,
    step_decay=0.4,
    class_balance=0.5,
    lr_schedule="cosine",
    clip_norm=10.0,
    eval_batch_size=4,
)
# The paper's tasks with contours of half the size and a smaller network, for two cores; trained as
# the quickstart is.
_HALF = _NAMED["quickstart"].replace(
    channels=16, epochs=3, validation_share=0.05, validate_every=0, eval_batch_size=50
)
# The paper's tasks and network in small windows, trained as the quickstart is: where a recurrent
# step costs a quarter, before the task itself.
_WINDOW = _NAMED["quickstart"].replace(
    channels=25, kernel_size=15, validation_share=0.005, validate_every=1000, eval_batch_size=50
)
# One's own videos: classes and channels are those of the folder.
_OWN = _NAMED["quickstart"].replace(
    dataset="own_video/default",
    classes=0,
    input_channels=0,
    channels=16,
    flip_vertical=False,
    class_balance=0.5,
    epochs=20,
    validation_share=0.1,
    validate_every=0,
    eval_batch_size=8,
)
_OWN_UNET = _CAMVID.replace(
    dataset="own_video/default",
    classes=0,
    input_channels=0,
    batch_size=4,
    warmup_steps=50,
    zoom=1.0,
    color_jitter=0.0,
)
# What schedules and models are put into.
_BASES = {
    "easy": Config(dataset="t_pathfinder/easy"),
    "hard": Config(dataset="t_pathfinder/hard"),
    "easy64": _WINDOW.replace(dataset="t_pathfinder/easy64"),
    "hard64": _WINDOW.replace(dataset="t_pathfinder/hard64"),
    "easy72": _HALF.replace(dataset="t_pathfinder/easy72"),
    "hard72": _HALF.replace(dataset="t_pathfinder/hard72"),
    "hard40": _HALF.replace(dataset="t_pathfinder/hard40", epochs=2),
    "camvid": _CAMVID,
    "own": _OWN,
    **_NAMED,
}
# Videos of contours.
_FRAMES = tuple(base for base in _BASES if base not in ("camvid", "own"))
# Of presets that `_unknown_preset` proposes.
_ENDINGS = ("", "_stateless", "_clstm", "_clstm_stateless")
GRAMMAR = (
    f"{{{'|'.join(_FRAMES)}}}_s{{S}}f{{F}}[_CELL][_stateless] with S >= F >= 1, "
    "such as hard_s8f8, CELL one of clstm and those that --cells=FILE registers; "
    "{easy|...|quickstart}_mixed{N}; camvid_s{S}f{F}_dru[_stateless]; "
    "own_s{S}f{F}[_CELL][_stateless] for a folder of your own (--config.manual_dir=FOLDER), CELL "
    "dru too; "
    f"{{easy|...|hard40}}_{{{'|'.join(FEEDFORWARD)}}}; "
    f"{{{'|'.join(_STATIC_BASES)}}}_{{{'|'.join(GRADIENTS)}}}_n{{N}}[_CELL], such as "
    f"pathfinder14_c_rbp_n20; and {', '.join(_NAMED)}, alone or with a model, such as "
    "quickstart_clstm"
)


def get_config(name: str) -> Config:
    """Returns the configuration a preset name stands for.

    `{easy|hard}_s{S}f{F}[_CELL][_stateless]` for any S >= F >= 1 is the paper's recipe with S
    recurrent steps on the first frame and F on each later one, and any registered cell in place of
    the hGRU; `{easy|hard}_{ff8|conv3ds|...}` a network without recurrence, trained alike.
    `{easy|hard}_mixed{N}` is one model for every budget of steps: each update is made with another
    schedule, of N steps on the first frame and fewer later, or of the same number up to N on all.
    `{easy64|hard64}_...` are the same tasks and network in windows of 64x64, with the quickstart's
    optimizer, to begin with on two cores. `{easy72|hard72}_...` have dashes of another size, 72x72
    pixels and a smaller network;
    `hard40_...` is hard with few and short contours.
    `camvid_s{S}f{F}_dru` is the recurrent U-Net on driving video.
    `own_s{S}f{F}[_CELL]` is any cell, or dru, on videos of one's own: `manual_dir` names the
    folder, which says how many classes and channels there are.
    `pathfinder{9|14|20|25}_{bptt|rbp|c_rbp|...}_n{N}[_CELL]` is static Pathfinder with N steps and
    a gradient estimator, `pathfinder_small{3|4|6|8}_...` the same for a laptop.
    `quickstart` is a small task for a laptop; `quickstart_{clstm|ff6|...}` and
    `quickstart_s{S}f{F}...` are the same for another model or schedule.

    Args:
        name: a preset's name.

    Returns:
        The configuration, every field of which may be changed with `replace`.

    Raises:
        InputError: if the name is none of these.

    Source: Wang et al. 2023, section 4.2; Linsley et al. 2020 for Pathfinder.
    """
    base, _, model = name.partition("_")
    if name in _NAMED:
        return _NAMED[name]
    # The recurrent U-Net is for other data than those of the presets.
    if base in _NAMED and model in model_names() and model not in RECURRENT_NETWORKS:
        return with_model(_NAMED[base].replace(name=name), model)
    for grammar, bases, resolve in (
        (_SCHEDULE, _BASES, _recurrent),
        (_MIXED, _BASES, _mixed),
        (_FEEDFORWARD, _BASES, _feedforward),
        (_STATIC, _STATIC_BASES, _static),
    ):
        match = grammar.fullmatch(name)
        if match and match["data"] in bases:
            return resolve(bases[match["data"]].replace(name=name), match)
    raise InputError(_unknown_preset(name))


def with_model(config: Config, model: str) -> Config:
    """Returns a configuration for another model, with the settings that it needs."""
    if model in (*CELLS, *RECURRENT_NETWORKS):
        return config.replace(model=model)
    # Wider, to have the parameters of the paper's Conv3D-M.
    channels = config.channels * 6 // 5 if model == "conv3dm" else config.channels
    return config.replace(
        model=model, norm_statistics="running", slow_steps=1, fast_steps=1, channels=channels
    )


def _recurrent(base: Config, match: re.Match) -> Config:
    cell = match["cell"] or base.model
    if match["data"] == "own" and cell in RECURRENT_NETWORKS:
        base = _OWN_UNET.replace(name=base.name)
    # The recipe for driving video fits the U-Net alone, and the others the cells.
    if cell not in (CELLS if base.model in CELLS else RECURRENT_NETWORKS):
        raise InputError(_unknown_preset(base.name))
    slow, fast = int(match["slow"]), int(match["fast"])
    if not slow >= fast >= 1:
        raise InputError(
            f"preset {base.name!r} asks for {slow} slow and {fast} fast steps: "
            "presets need slow >= fast >= 1; other schedules can be set by --config.slow_steps "
            "and --config.fast_steps"
        )
    return base.replace(
        model=cell,
        slow_steps=slow,
        fast_steps=fast,
        stateful=match["stateless"] is None,
    )


def _mixed(base: Config, match: re.Match) -> Config:
    """One set of weights for every budget of steps up to a number."""
    most = int(match["most"])
    on_later_frames = [f"s{most}f{n}" for n in range(most, 0, -1)]
    on_all_frames = [f"s{n}f{n}" for n in range(most - 1, 0, -1)]
    return base.replace(
        slow_steps=most, fast_steps=most, schedules=",".join(on_later_frames + on_all_frames)
    )


def _static(base: Config, match: re.Match) -> Config:
    """A single frame, with the same number of steps and another gradient estimator."""
    gradient, steps, cell = match["gradient"], int(match["steps"]), match["cell"] or "hgru"
    if gradient not in GRADIENTS or cell not in CELLS or steps < 1:
        raise InputError(_unknown_preset(base.name))
    return base.replace(model=cell, gradient=gradient, slow_steps=steps, fast_steps=steps)


def _feedforward(base: Config, match: re.Match) -> Config:
    return with_model(base, match["model"])


def _unknown_preset(name: str) -> str:
    known = [*_NAMED, "easy_ff6", "hard_ff8", "hard_conv3ds"]
    schedules = ("s8f8", "s8f2", "s8f1", "s6f6", "s6f1", "s4f4")
    known += [f"{base}_{s}{end}" for base in _FRAMES for s in schedules for end in _ENDINGS]
    known += [f"{base}_{gradient}_n20" for base in _STATIC_BASES for gradient in GRADIENTS]
    known += [f"{base}_s3f{n}_dru" for base in ("camvid", "own") for n in (3, 1)]
    known += [f"own_s3f1{cell}" for cell in ("", *(f"_{name}" for name in CELLS))]
    known += [f"{base}_{cell}" for base in ("quickstart", "hard_s8f8") for cell in CELLS]
    close = difflib.get_close_matches(name, known, n=1)
    if name.rpartition("_")[2] in RECURRENT_NETWORKS:  # which are for other data than the rest
        close = ["camvid_s3f1_dru"]
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown preset {name!r}: {hint}Presets are {GRAMMAR}"
