"""Presets: configurations by a grammar of names."""

import difflib
import re
from typing import Any

from rsf_jax.config.config import GRADIENTS, Config
from rsf_jax.config.networks import CONTOURS, NETWORKS, SCENES, kind_of, network_names
from rsf_jax.errors import InputError
from rsf_jax.models.halting_head import HEADS

_TASK = r"(mazes?_)?[a-z0-9]+"
_CLIPS, _DATA = rf"(?P<data>{_TASK})", rf"(?P<data>{_TASK}(_live)?)"
_SCHEDULE = re.compile(
    rf"{_DATA}_s(?P<slow>\d{{1,9}})f(?P<fast>\d{{1,9}})"
    r"(_(?!stateless$)(?P<cell>[a-z][a-z0-9_]*?))?(?P<stateless>_stateless)?",
    re.ASCII,
)
_MIXED = re.compile(rf"{_DATA}_mixed(?P<most>[1-9]\d{{0,2}})", re.ASCII)
_LEARNED = re.compile(rf"{_DATA}_(?P<head>ponder|act)(?P<most>[1-9]\d{{0,2}})?", re.ASCII)
_STATIC = re.compile(
    r"(?P<data>pathfinder(\d+|_small\d+)|mazes_static\d+)_(?P<gradient>[a-z_]+?)_n(?P<steps>\d{1,9})"
    r"(_(?P<cell>[a-z][a-z0-9_]*))?",
    re.ASCII,
)
_DEQ = re.compile(rf"{_CLIPS}_(?P<kind>deq|streamdeq)(_(?P<cell>[a-z][a-z0-9_]*))?", re.ASCII)
_MODEL = re.compile(rf"{_DATA}_(?P<model>[a-z][a-z0-9_]*)", re.ASCII)
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
        # See docs/decisions/0016-training-recipes.md.
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
# Mazes: an image is a single frame here, too, and has parts as far away as 8 steps reach, or 12.
# Mazes are followed from cell to cell, which are 3 pixels apart: with larger kernels a step costs
# more and reaches no farther.
_MAZES = _NAMED["quickstart"].replace(channels=16, kernel_size=5, validate_every=500)
_MAZE_IMAGES = _MAZES.replace(batch_size=32, epochs=8, diagnostics=True)
_MAZES_WITH_IMAGES = (4, 7, 12)
_STATIC_BASES = (
    {
        f"pathfinder{length}": _PATHFINDER.replace(dataset=f"pathfinder/length{length}")
        for length in _PATHFINDER_LENGTHS
    }
    | {
        f"pathfinder_small{length}": _PATHFINDER_SMALL.replace(dataset=f"pathfinder/small{length}")
        for length in _PATHFINDER_SMALL_LENGTHS
    }
    | {
        f"mazes_static{side}": _MAZE_IMAGES.replace(dataset=f"mazes/static{side}")
        for side in _MAZES_WITH_IMAGES
    }
)
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
# On long streams, for live video: models that hold in front of a still camera. A video is shown for
# up to 1,024 frames, so that an update of 8 frames sees what many steps have made of a state; with
# 128 they held for half as many.
# See docs/decisions/0023-training-on-streams.md.
_ON_STREAMS: dict[str, Any] = {
    "chunk_frames": 8,
    "stream_frames": 1024,
    "noise": 0.08,
    # Half of the streams teach to let go, half to hold; see
    # docs/decisions/0023-training-on-streams.md.
    "cuts": 0.1,
    "cut_streams": 0.5,
    "updates": 5000,
    "validate_every": 1000,
}
# One step on every frame, and images that stay: the step is learned that leads on from any state,
# however far it has come. See docs/decisions/0033-mazes-on-streams.md.
_MAZES_ON_STREAMS = _MAZES.replace(fast_steps=1, batch_size=16, chunk_frames=8, updates=2500)
_NAMED |= {
    "quickstart_live": _NAMED["quickstart"].replace(
        name="quickstart_live", channels=16, **_ON_STREAMS
    ),
    "easy72_live": _HALF.replace(
        name="easy72_live", dataset="t_pathfinder/easy72", slow_steps=6, **_ON_STREAMS
    ),
    "hard72_live": _HALF.replace(
        name="hard72_live", dataset="t_pathfinder/hard72", slow_steps=8, **_ON_STREAMS
    ),
    # Small mazes first: what is learned there by itself, from cell to cell, larger ones begin with.
    "maze_quickstart": _MAZES_ON_STREAMS.replace(
        name="maze_quickstart",
        dataset="mazes/static4",
        slow_steps=4,
        batch_size=32,
        updates=3000,
        stream_frames=64,
    ),
    **{
        f"mazes_{data}_live": _MAZES_ON_STREAMS.replace(
            name=f"mazes_{data}_live",
            dataset=f"mazes/{data}",
            slow_steps=slow,
            stream_frames=frames,
        )
        for data, slow, frames in (
            ("static7", 8, 128),
            ("static12", 12, 1024),
            ("temporal12", 12, 1024),
            ("hard12", 12, 1024),
        )
    },
}
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
_OWN_SCENES = _CAMVID.replace(
    dataset="own_video/default",
    classes=0,
    input_channels=0,
    batch_size=4,
    warmup_steps=50,
    zoom=1.0,
    color_jitter=0.0,
)
# Deep equilibrium models: many steps to a state that is differentiated as a fixed point.
_EQUILIBRIUM: dict[str, Any] = {"gradient": "c_rbp", "slow_steps": 12, "fast_steps": 12}
# What schedules and models are put into, by the recipe that a network is trained by.
_BASES: dict[str, dict[str, Config]] = {
    CONTOURS: {
        "easy": Config(dataset="t_pathfinder/easy"),
        "hard": Config(dataset="t_pathfinder/hard"),
        "easy64": _WINDOW.replace(dataset="t_pathfinder/easy64"),
        "hard64": _WINDOW.replace(dataset="t_pathfinder/hard64"),
        "easy72": _HALF.replace(dataset="t_pathfinder/easy72"),
        "hard72": _HALF.replace(dataset="t_pathfinder/hard72"),
        "hard40": _HALF.replace(dataset="t_pathfinder/hard40", epochs=2),
        "mazes_temporal12": _MAZES.replace(dataset="mazes/temporal12", epochs=2),
        "mazes_hard12": _MAZES.replace(dataset="mazes/hard12", epochs=2),
        "own": _OWN,
        "own_live": _OWN.replace(**_ON_STREAMS),
        **_NAMED,
    },
    SCENES: {
        "camvid": _CAMVID,
        "own": _OWN_SCENES,
        "own_live": _OWN_SCENES.replace(**_ON_STREAMS),
    },
}
_LIVE = tuple(name for name, config in _NAMED.items() if config.chunk_frames)
# Videos of contours, and of mazes.
_FRAMES = tuple(
    base for base in _BASES[CONTOURS] if not base.startswith("own") and base not in _LIVE
)
# Of presets that `_unknown_preset` proposes.
_ENDINGS = ("", "_stateless", "_clstm", "_clstm_stateless")


def _of_the_library(*, recurrent: bool, recipe: str = CONTOURS) -> str:
    kinds = NETWORKS.items()
    return "|".join(n for n, k in kinds if (k.recurrent, k.recipe) == (recurrent, recipe))


_SCENE_NETWORKS = _of_the_library(recurrent=True, recipe=SCENES)
GRAMMAR = (
    f"{{{'|'.join(_FRAMES)}}}_s{{S}}f{{F}}[_CELL][_stateless] with S >= F >= 1, "
    "such as hard_s8f8, CELL one of clstm and those that are registered; "
    f"{{easy|...|quickstart}}_mixed{{N}}; "
    f"{{easy|...|quickstart}}_{{{'|'.join(HEADS)}}}[N], a halting head, N steps at most; "
    "{easy|...|quickstart|own}_{deq|streamdeq}[_CELL], deep equilibrium models; "
    f"camvid_s{{S}}f{{F}}_{_SCENE_NETWORKS}[_stateless]; "
    f"{{{'|'.join(_LIVE)}}}[_s{{S}}f{{F}}][_CELL], trained on long streams; "
    "own[_live]_s{S}f{F}[_CELL][_stateless] for a folder of your own (config.manual_dir), CELL "
    f"{_SCENE_NETWORKS} too; "
    f"{{easy|...|mazes_hard12|own}}_{{{_of_the_library(recurrent=False)}}}; "
    f"{{{'|'.join(_STATIC_BASES)}}}_{{{'|'.join(GRADIENTS)}}}_n{{N}}[_CELL], such as "
    f"pathfinder14_c_rbp_n20; and {', '.join(_NAMED)}, alone or with a model, such as "
    "quickstart_clstm"
)

# One of every form, for a message.
EXAMPLES = (
    "easy_s6f1",
    "hard_s8f2_clstm_stateless",
    "quickstart_mixed3",
    "hard_ponder8",
    "quickstart_deq",
    "camvid_s2f1_dru",
    "quickstart_live",
    "own_s3f1",
    "own_live_s3f1",
    "easy_ff6",
    "pathfinder14_c_rbp_n20",
    "maze_quickstart",
    "mazes_hard12_live",
)


def get_config(name: str) -> Config:
    """Returns the configuration a preset name stands for.

    `{easy|hard}_s{S}f{F}[_CELL][_stateless]` for any S >= F >= 1 is the paper's recipe with S
    recurrent steps on the first frame and F on each later one, and any registered cell or recurrent
    network instead of the hGRU; `{easy|hard}_{ff8|conv3ds|...}` a network without recurrence,
    trained alike.
    `{easy|hard}_mixed{N}` is one model for every budget of steps: each update is made with another
    schedule, of N steps on the first frame and fewer later, or of the same number up to N on all.
    `{easy|hard}_{ponder|act}[N]` learns by a halting head how many steps a frame needs: N at most,
    or those of the preset's first frame, on every frame.
    `{easy64|hard64}_...` are the same tasks and network in windows of 64x64, with the quickstart's
    optimizer, to begin with on two cores. `{easy72|hard72}_...` have dashes of another size, 72x72
    pixels and a smaller network;
    `hard40_...` is hard with few and short contours.
    `camvid_s{S}f{F}_dru` is the recurrent U-Net on driving video.
    `own_s{S}f{F}[_CELL]` is any cell or recurrent network on videos of one's own: `manual_dir`
    names the folder, which says how many classes and channels there are.
    `pathfinder{9|14|20|25}_{bptt|rbp|c_rbp|...}_n{N}[_CELL]` is static Pathfinder with N steps and
    a gradient estimator, `pathfinder_small{3|4|6|8}_...` the same for a laptop, and
    `mazes_static{4|7|12}_...` for images of mazes. `mazes_{temporal12|hard12}_...` are for videos
    of mazes.
    `{data}_deq[_CELL]` is a deep equilibrium model: 12 steps on every frame, differentiated at the
    last state, with a penalty; `{data}_streamdeq[_CELL]` is trained without state, each frame from
    the initial one, and meant to be tested with `stateful=True`, from the state before.
    `{quickstart|easy72|hard72|mazes_temporal12|mazes_hard12|own}_live...` are trained on long
    streams, for live video, and `mazes_static{7|12}_live...` on images that stay for a while.
    `quickstart` is a small task for a laptop; `quickstart_{clstm|ff6|...}` and
    `quickstart_s{S}f{F}...` are the same for another model or schedule. `maze_quickstart` is one of
    the smallest mazes, whose weights larger ones begin with.

    Args:
        name: a preset's name.

    Returns:
        The configuration, every field of which may be changed with `replace`.

    Raises:
        InputError: if the name is none of these.

    Source: Wang et al. 2023, section 4.2; Linsley et al. 2020 for Pathfinder; Bai et al. 2019 for
    deep equilibrium models, Ertenli et al. 2022 for those on streams.
    """
    if not isinstance(name, str):
        raise InputError(f"{name!r} is no name of a preset, which is a text: such as 'quickstart'")
    if name in _NAMED:
        return _NAMED[name]
    for grammar, resolve in (
        (_SCHEDULE, _recurrent),
        (_MIXED, _mixed),
        (_LEARNED, _learned),
        (_STATIC, _static),
        (_DEQ, _deq),
        (_MODEL, _alone),
    ):
        match = grammar.fullmatch(name)
        config = match and resolve(match)
        if config:
            return config.replace(name=name)
    raise InputError(_unknown_preset(name))


def with_model(config: Config, model: str) -> Config:
    """Returns a configuration for another model, with the settings that it needs."""
    kind = kind_of(model)
    changes: dict[str, Any] = {
        "model": model,
        "options": "",
        "channels": int(config.channels * kind.widening),
    }
    if config.norm_statistics not in kind.statistics:
        changes["norm_statistics"] = kind.statistics[0]
    if not kind.recurrent:
        changes |= {"slow_steps": 1, "fast_steps": 1, "step_decay": 0.0}
    return config.replace(**changes)


def _base(data: str, model: str | None) -> Config | None:
    """Settings for a model on some data, by the model's recipe; None if no recipe is for both."""
    if model is None:
        return next((bases[data] for bases in _BASES.values() if data in bases), None)
    if model not in network_names():
        return None
    kind = kind_of(model)
    base = _BASES[kind.recipe].get(data)
    if base is None or (base.chunk_frames and not kind.recurrent):
        return None
    return with_model(base, model)


def _recurrent(match: re.Match) -> Config | None:
    base = _base(match["data"], match["cell"])
    if base is None or not kind_of(base.model).recurrent:
        return None
    slow, fast = int(match["slow"]), int(match["fast"])
    if not slow >= fast >= 1:
        raise InputError(
            f"preset {match.string!r} asks for {slow} slow and {fast} fast steps: "
            "presets need slow >= fast >= 1; other schedules can be set by config.slow_steps "
            "and config.fast_steps"
        )
    stateful = match["stateless"] is None
    return base.replace(slow_steps=slow, fast_steps=fast, stateful=stateful)


def _mixed(match: re.Match) -> Config | None:
    """One set of weights for every budget of steps up to a number."""
    base = _base(match["data"], None)
    if base is None:
        return None
    most = int(match["most"])
    on_later_frames = [f"s{most}f{n}" for n in range(most, 0, -1)]
    on_all_frames = [f"s{n}f{n}" for n in range(most - 1, 0, -1)]
    return base.replace(
        slow_steps=most, fast_steps=most, schedules=",".join(on_later_frames + on_all_frames)
    )


def _learned(match: re.Match) -> Config | None:
    """A halting head, and the same number of steps on every frame: any may be hard to see."""
    head, base = match["head"], _base(match["data"], None)
    if base is None or head in network_names():
        return None
    most = int(match["most"] or base.slow_steps)
    return base.replace(halting_head=head, step_decay=0.0, slow_steps=most, fast_steps=most)


def _static(match: re.Match) -> Config | None:
    """A single frame, with the same number of steps and another gradient estimator."""
    base, gradient, steps = _STATIC_BASES.get(match["data"]), match["gradient"], int(match["steps"])
    cell = match["cell"] or "hgru"
    if base is None or gradient not in GRADIENTS or cell not in network_names() or steps < 1:
        return None
    kind = kind_of(cell)
    if kind.recipe != CONTOURS or not kind.recurrent:
        return None
    base = with_model(base, cell)
    return base.replace(gradient=gradient, slow_steps=steps, fast_steps=steps)


def _deq(match: re.Match) -> Config | None:
    """Many steps with another gradient estimator; for streams, trained on frames alone."""
    base = _base(match["data"], match["cell"])
    if base is None or match["kind"] in network_names():
        return None
    kind = kind_of(base.model)
    if kind.recipe != CONTOURS or not kind.recurrent:
        return None
    return base.replace(**_EQUILIBRIUM, stateful=match["kind"] == "deq")


def _alone(match: re.Match) -> Config | None:
    """A network whose name says all: without steps, or with those that a named preset has."""
    base = _base(match["data"], match["model"])
    if base is None or (kind_of(base.model).recurrent and match["data"] not in _NAMED):
        return None
    return base


def _unknown_preset(name: str) -> str:
    known = [*_NAMED, "easy_ff6", "hard_ff8", "hard_conv3ds"]
    schedules = ("s8f8", "s8f2", "s8f1", "s6f6", "s6f1", "s4f4")
    known += [f"{base}_{s}{end}" for base in _FRAMES for s in schedules for end in _ENDINGS]
    known += [f"{base}_{kind}" for base in _FRAMES for kind in ("deq", "streamdeq", *HEADS)]
    known += [f"{base}_{gradient}_n20" for base in _STATIC_BASES for gradient in GRADIENTS]
    known += ["own_s3f1", *(example for model in network_names() for example in _examples(model))]
    close = _for_its_recipe(name) or difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return (
        f"unknown preset {name!r}: {hint}Presets are such as {', '.join(EXAMPLES)}, of cells of "
        "the library and those that are registered; get_config tells all forms"
    )


def _examples(model: str) -> list[str]:
    kind = kind_of(model)
    if not kind.recurrent:
        bases = _BASES[kind.recipe].items()
        return [f"{data}_{model}" for data, base in bases if not base.chunk_frames]
    alone = [f"quickstart_{model}", f"hard_s8f8_{model}"] if kind.recipe == CONTOURS else []
    return [*alone, *(f"{data}_s3f{n}_{model}" for data in _BASES[kind.recipe] for n in (3, 1))]


def _for_its_recipe(name: str) -> list[str]:
    """A preset of the network in a name, if presets of its recipe are for other data."""
    model = next((model for model in network_names() if name.endswith(f"_{model}")), None)
    data, known = name.partition("_")[0], {data for bases in _BASES.values() for data in bases}
    if model is None or data not in known:
        return []
    kind = kind_of(model)
    if data in _BASES[kind.recipe]:
        return []
    steps = "_s3f1" if kind.recurrent else ""
    return [f"{next(iter(_BASES[kind.recipe]))}{steps}_{model}"]
