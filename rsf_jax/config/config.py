"""Configurations: one frozen dataclass, whose fields are flags of every command."""

import dataclasses
import json
import re
from collections.abc import Iterable
from typing import Any

from rsf_jax.arguments import suggestion
from rsf_jax.cells import CELLS
from rsf_jax.config.fields import (
    FREE,
    LENGTH,
    check_setting_choice,
    checked_value,
    names_where,
    setting,
)
from rsf_jax.config.networks import NETWORKS, kind_of, network_names
from rsf_jax.errors import InputError
from rsf_jax.gradients.bptt import REMAT
from rsf_jax.gradients.neumann import GUARDS
from rsf_jax.measures.losses import FOCAL_LOSS, LOSSES
from rsf_jax.models.halting_head import HEADS, PRIOR
from rsf_jax.ops.conv import METHODS
from rsf_jax.ops.norm import RUNNING_STATISTICS, STATISTICS
from rsf_jax.ops.rounding import COMPUTE_DTYPES, FLOAT32
from rsf_jax.shown import short

BEST_BY_LOSS = "loss"
ARRAYS = "arrays"  # as `dataset`: videos that were given in Python, and have no name
_SHOWN = 8  # settings of a configuration, in its `repr`
# "c_", contractor: with the Lipschitz coefficient penalty; "j_": with Jacobian regularization.
ESTIMATORS, PENALTIES = ("bptt", "rbp", "one_step", "phantom"), ("c_", "j_")
GRADIENTS = tuple(penalty + name for penalty in ("", *PENALTIES) for name in ESTIMATORS)


# Of networks of the library, by whether they are recurrent.
_NAMES = {
    recurrent: ", ".join(name for name, kind in NETWORKS.items() if kind.recurrent == recurrent)
    for recurrent in (True, False)
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a result. Each field is a flag of the commands, `--config.FIELD`."""

    name: str = setting("hard_s8f8", "name of the preset this began as")
    # Data
    dataset: str = setting("t_pathfinder/hard", "TFDS name of the dataset, with its config")
    data_dir: str = setting("", "TFDS data directory; empty for TFDS's usual one", resume=FREE)
    manual_dir: str = setting(
        "",
        "folder of the files that a dataset is made of; built anew when they have changed",
        resume=FREE,
    )
    validation_share: float = setting(
        0.1,
        "share of the training split kept for validation, if there is no split of that name",
        above=0,
        below=1,
    )
    calibration_share: float = setting(
        0.0,
        "share of the training split kept for calibration, instead of a split of that name",
        least=0,
        below=1,
    )
    shrink: int = setting(1, "frames are made smaller by this whole factor", least=1)
    augment: bool = setting(True, "change whole training videos at random: flips, and as below")
    flip_vertical: bool = setting(True, "flips turn videos upside down, too")
    zoom: float = setting(
        1.0, "up to so many times larger a random part of a video is shown", least=1, finite=True
    )
    color_jitter: float = setting(
        0.0, "brightness, contrast and colors change by this share", least=0, most=1
    )
    # Streams
    chunk_frames: int = setting(
        0,
        "train on streams, of which an update sees so many frames and begins with the states that "
        "the frames before have left; 0: on whole videos",
        least=0,
    )
    stream_frames: int = setting(
        128,
        "frames of the longest streams: a video, each of whose frames is shown for a random time; "
        "others are a half as long, a quarter, and so on to chunk_frames",
        least=1,
    )
    stream_groups: int = setting(
        6, "groups of streams that take turns, so that updates see states of every age", least=1
    )
    drop: float = setting(
        0.0, "share of a video's later frames that its stream leaves out", least=0, below=1
    )
    cuts: float = setting(
        0.0,
        "share of a stream's frames at which it cuts to another video, while the state goes on",
        least=0,
        below=1,
    )
    cut_streams: float = setting(
        1.0, "share of the streams that do so; the others show one video", least=0, most=1
    )
    noise: float = setting(
        0.0,
        "largest standard deviation of the sensor noise of streams; white is 1",
        least=0,
        most=1,
    )
    # Model
    # Checked against the registered cells and networks, which may become more.
    model: str = setting(
        "hgru",
        f"recurrent cell ({', '.join(CELLS)}), recurrent network ({_NAMES[True]}), network without "
        f"recurrence ({_NAMES[False]}), or a registered one",
        weights=True,
    )
    options: str = setting(
        "",
        "hyper-parameters that the model has of its own, such as depth=2,gain=0.5",
        weights=True,
    )
    input_channels: int = setting(
        1,
        "channels of a frame: 1 for gray, 3 for color; 0 for those of the dataset",
        least=0,
        weights=True,
        of_dataset=True,
    )
    channels: int = setting(
        25,
        "channels of stem and hidden state; of the first level of a U-Net",
        least=1,
        weights=True,
    )
    kernel_size: int = setting(
        15, "side of the recurrent kernels in pixels, odd", least=1, odd=True, weights=True
    )
    classes: int = setting(
        2,
        "output classes; 0 for those of the dataset",
        least=2,
        most=255,
        or_zero=True,
        weights=True,
        of_dataset=True,
    )
    norm_statistics: str = setting(
        "sample",
        "normalize by each image's statistics (sample), the batch's, or by running ones",
        choices=tuple(dict.fromkeys(STATISTICS + RUNNING_STATISTICS)),
    )
    conv_method: str = setting("auto", "how large kernels are convolved", choices=METHODS)
    compute_dtype: str = setting(
        FLOAT32,
        "in which convolutions multiply; bfloat16 is mixed precision: sums, weights, "
        "normalization, states and losses stay in float32",
        choices=COMPUTE_DTYPES,
    )
    # Recurrence
    slow_steps: int = setting(8, "recurrent steps on the first frame", least=1)
    fast_steps: int = setting(8, "recurrent steps on every later frame", least=1)
    schedules: str = setting(
        "",
        "train each update with one of these schedules, drawn at random, such as s8f8,s8f2; "
        "validation is with slow_steps and fast_steps",
    )
    stateful: bool = setting(True, "start each frame from the state the previous one left")
    carry_output: bool = setting(
        True, "that state has the output, too, of a model that feeds its output back (dru)"
    )
    halting_head: str = setting(
        "",
        "a head of the model that learns when frames end: ponder (PonderNet) or act "
        "(adaptive computation time), or empty for none; "
        "training makes the steps of the schedule and weighs them by it",
        weights=True,
    )
    ponder_prior: float = setting(
        PRIOR,
        "probability of halting after a step that a halting head begins with; of the prior, too, "
        "of a head for ponder",
        above=0,
        below=1,
    )
    ponder_cost: float = setting(
        0.01,
        "weight of what pondering costs: the divergence from the prior (ponder), or the steps and "
        "the remainder (act)",
        least=0,
        finite=True,
    )
    # Training
    seed: int = setting(
        0, "seed of the initial weights, the order of the data and the flips", least=0
    )
    epochs: int = setting(100, "passes over the training videos", least=1, resume=LENGTH)
    updates: int = setting(
        0, "updates in all; 0 for those of config.epochs", least=0, resume=LENGTH
    )
    batch_size: int = setting(10, "videos an update, over all devices", least=1)
    learning_rate: float = setting(
        1e-3, "Adam's learning rate at the start (or after warm-up)", above=0, finite=True
    )
    lr_schedule: str = setting(
        "steps",
        "steps: times lr_decay every lr_decay_epochs; cosine: to zero; constant",
        choices=("steps", "cosine", "constant"),
    )
    lr_decay: float = setting(
        0.7, "factor of the learning rate in schedule 'steps'", above=0, most=1
    )
    lr_decay_epochs: int = setting(25, "epochs between two decays in schedule 'steps'", least=1)
    warmup_steps: int = setting(0, "updates over which the learning rate rises from zero", least=0)
    clip_norm: float = setting(0.0, "largest global norm of the gradient; 0 does not clip", least=0)
    loss: str = setting(
        FOCAL_LOSS,
        "of a pixel: focal, or evidential, which takes logits for evidence of classes, of which "
        "there may be too little",
        choices=LOSSES,
    )
    evidence_divergence: float = setting(
        1.0,
        "weight, in the evidential loss, of evidence for classes other than the true one",
        least=0,
        finite=True,
    )
    evidence_annealing: int = setting(1000, "updates over which that weight rises from 0", least=0)
    focal_gamma: float = setting(
        2.0, "focusing exponent of the focal loss; 0: cross-entropy", least=0, finite=True
    )
    step_decay: float = setting(
        0.0,
        "weight of a step's loss relative to that of the next; 0 counts the last step alone",
        least=0,
        most=1,
    )
    class_balance: float = setting(
        0.0,
        "exponent of the weights that rare classes get, 1 to make up for their rarity",
        least=0,
        most=1,
    )
    init_from: str = setting(
        "", "folder of a run whose best weights training begins with", resume=FREE
    )
    gradient: str = setting(
        "bptt",
        "how recurrent steps are differentiated: all of them (bptt), at the last state (rbp, or "
        "damped: phantom), or the last step alone (one_step); c_: with the Lipschitz coefficient "
        "penalty, j_: with Jacobian regularization",
        choices=GRADIENTS,
    )
    gradient_frames: int = setting(
        1,
        "frames of a video that losses are differentiated across; memory grows with them",
        least=1,
    )
    neumann_terms: int = setting(
        15, "most terms of the Neumann series of rbp; of phantom, how many", least=0
    )
    neumann_guard: str = setting(
        "sample",
        "what ends a Neumann series early: norms of each video (sample) or of the batch, as "
        "published",
        choices=GUARDS,
    )
    phantom_damping: float = setting(
        0.5, "damping of the phantom gradient, 1 for none", above=0, most=1
    )
    penalty_weight: float = setting(
        10.0, "weight of the Lipschitz coefficient penalty", least=0, finite=True
    )
    penalty_bound: float = setting(
        0.9, "column sums of the Jacobian up to this cost nothing", least=0, below=1
    )
    jacobian_weight: float = setting(1.0, "weight of Jacobian regularization", least=0, finite=True)
    explosion: float = setting(
        5.0,
        "end when the validation loss is this many times that of the best; 0 never does",
        least=0,
        resume=FREE,
    )
    diagnostics: bool = setting(
        False,
        "at every validation, measure how far the recurrence is from a converged one",
        resume=FREE,
    )
    remat: str = setting(
        "none",
        "what bptt keeps: none (most memory), step (each state), sqrt (few states)",
        choices=REMAT,
    )
    # Run
    max_minutes: float = setting(
        0.0, "save and end cleanly after this time; 0 for no limit", least=0, resume=FREE
    )
    validate_every: int = setting(
        0, "updates between validations; 0 validates once an epoch", least=0
    )
    best_by: str = setting(
        BEST_BY_LOSS,
        "validation metric by which the checkpoint is chosen that is kept, tested and used: the "
        "lowest loss or the highest miou",
        choices=(BEST_BY_LOSS, "miou"),
    )
    save_every: int = setting(200, "updates between checkpoints", least=1, resume=FREE)
    save_minutes: float = setting(
        10.0, "save after so many minutes, too; 0: by updates alone", least=0, resume=FREE
    )
    log_every: int = setting(20, "updates between two points in the curves", least=1, resume=FREE)
    eval_batch_size: int = setting(32, "videos evaluated together", least=1, resume=FREE)
    devices: int = setting(
        0,
        "accelerators to train on; 0 for all (one, for what is of a batch)",
        least=0,
        resume=FREE,
    )

    def __new__(cls, *_: Any, **settings: Any) -> "Config":
        """Checks names, which Python would do in words of its own."""
        _check_names(settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Checks every field by itself, then those that a model does not have together."""
        for field in dataclasses.fields(self):
            value = checked_value(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        _check_model(self)
        options = kind_of(self.model).checked_options(self.options, self.model)
        object.__setattr__(self, "options", options)

    def __repr__(self) -> str:
        """Returns the preset's name and what is not the preset's: all settings fill a screen."""
        changed = [f"{name}={short(value)}" for name, value in _changes(self).items()]
        if len(changed) > _SHOWN:
            changed[_SHOWN:] = [f"and {len(changed) - _SHOWN} more"]
        return f"Config({', '.join([repr(self.name), *changed])})"

    @property
    def normalizes_over_batch(self) -> bool:
        """Whether, in training, what a video gets depends on its batch."""
        return self.norm_statistics != "sample"

    @property
    def guards_over_batch(self) -> bool:
        """Whether, in training, a video's gradient depends on its batch."""
        return self.neumann_guard == "batch" and self.gradient.endswith("rbp")

    def replace(self, **changes: Any) -> "Config":
        """Returns a copy with some fields changed.

        Raises:
            InputError: if there is no such field, or a value is not allowed.
        """
        _check_names(changes)
        return dataclasses.replace(self, **changes)


# Fields that decide which weights a model has.
MODEL_FIELDS = names_where(Config, weights=True)
# Fields that may be 0 until the dataset is opened.
OF_THE_DATASET = names_where(Config, of_dataset=True)
# Fields that may differ when a run is resumed: they do not change what is computed.
FREE_ON_RESUME = names_where(Config, resume=FREE)


def checked_config(config: Any) -> Config:
    """Returns a configuration.

    Raises:
        InputError: if it is none.
    """
    if not isinstance(config, Config):
        raise InputError(
            f"config is {short(config)}: give one, such as rsf.get_config('quickstart')"
        )
    return config


def free_on_resume(config: Config) -> tuple[str, ...]:
    """Returns the settings that a run may be resumed with other values of.

    How long a run is belongs to them, unless the learning rate depends on it, and the name of the
    dataset where arrays were given: whether they are the same is seen by their values.
    """
    length = () if config.lr_schedule == "cosine" else names_where(Config, resume=LENGTH)
    named = ("dataset",) if config.dataset == ARRAYS else ()
    return FREE_ON_RESUME + length + named


def settings_that_count(config: Config) -> str:
    """Returns, as text, the settings that all processes of a run have to share."""
    settings = dataclasses.asdict(config).items()
    return json.dumps({k: v for k, v in settings if k not in FREE_ON_RESUME}, sort_keys=True)


def _changes(config: Config) -> dict[str, Any]:
    """The settings that are not those of the preset; of none by that name, not the usual ones."""
    # Here: presets are made of configurations.
    from rsf_jax.config.presets import get_config

    try:
        usual = get_config(config.name)
    except InputError:
        usual = Config(name=config.name)
    here, there = dataclasses.asdict(config), dataclasses.asdict(usual)
    return {name: value for name, value in here.items() if value != there[name]}


def _check_names(settings: Iterable[str]) -> None:
    names = [field.name for field in dataclasses.fields(Config)]
    for name in settings:
        if name not in names:
            raise InputError(f"a configuration has no field {name!r}{suggestion(name, names)}")


def _check_model(config: Config) -> None:
    """Checks what the model does not have: other statistics, recurrent steps, other frames."""
    hint = (
        ", or register a cell or network of this name first (rsf.register_cell, "
        "rsf.register_network)"
    )
    check_setting_choice("model", config.model, network_names(), hint)
    kind = kind_of(config.model)
    allowed = f"{' or '.join(kind.statistics)} for model {config.model}"
    _require(config, "norm_statistics", config.norm_statistics in kind.statistics, allowed)
    if kind.input_channels:
        counts = " or ".join(map(str, kind.input_channels))
        fits = config.input_channels in (0, *kind.input_channels)
        _require(config, "input_channels", fits, f"{counts} for model {config.model}")
    if not kind.recurrent:
        for name in ("slow_steps", "fast_steps"):
            allowed = f"1: model {config.model} has no recurrent steps"
            _require(config, name, getattr(config, name) == 1, allowed)
        _require(config, "gradient", config.gradient == "bptt", f"bptt for model {config.model}")
        allowed = f"false for model {config.model}, which has no recurrence"
        _require(config, "diagnostics", not config.diagnostics, allowed)
        _require(config, "schedules", not config.schedules, allowed)
    parts = config.schedules.split(",") if config.schedules else []
    written = all(re.fullmatch(r"s[1-9]\d{0,3}f[1-9]\d{0,3}", part, re.ASCII) for part in parts)
    _require(config, "schedules", written, "schedules and commas between them, such as s8f8,s8f2")
    if config.gradient_frames > 1:
        holds = config.gradient.endswith("bptt") and kind.recurrent
        _require(config, "gradient_frames", holds, "1 unless a recurrence is trained by bptt")
        _require(config, "gradient_frames", config.stateful, "1 where no state is carried")
    if config.chunk_frames:
        _check_streams(config, recurrent=kind.recurrent)
    if config.halting_head:
        _check_head(config, takes_head=kind.takes_head)
    if config.step_decay:
        holds = config.gradient == "bptt" and kind.recurrent
        _require(config, "step_decay", holds, "0 unless a recurrence is trained by bptt")


def _check_head(config: Config, *, takes_head: bool) -> None:
    choices = ("", *HEADS)
    _require(config, "halting_head", config.halting_head in choices, "ponder or act, or empty")
    allowed = f"empty for model {config.model}, which has no place for a head"
    _require(config, "halting_head", takes_head, allowed)
    of_all_steps = config.gradient.endswith("bptt")
    _require(config, "halting_head", of_all_steps, "empty unless training is by bptt")
    _require(config, "step_decay", not config.step_decay, "0 with a head, which weighs the steps")


def _check_streams(config: Config, *, recurrent: bool) -> None:
    holds = recurrent and config.stateful
    _require(config, "chunk_frames", holds, "0 where no state is carried from frame to frame")
    frames = config.stream_frames
    holds = frames % config.chunk_frames == 0 and (frames // config.chunk_frames).bit_count() == 1
    allowed = f"{config.chunk_frames} (config.chunk_frames) times 1, 2, 4, 8 and so on"
    _require(config, "stream_frames", holds, allowed)


def _require(config: Config, name: str, holds: bool, allowed: str) -> None:
    if not holds:
        raise InputError(f"config.{name} is {getattr(config, name)!r}: it must be {allowed}")
