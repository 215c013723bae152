"""Configurations: one frozen dataclass, whose fields are the flags of every launcher."""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from rsf_jax.cells import CELLS
from rsf_jax.errors import InputError


def _setting(default: Any, comment: str, choices: tuple[str, ...] = ()) -> Any:
    """A field with the comment that `--help` shows."""
    return dataclasses.field(default=default, metadata={"comment": comment, "choices": choices})


# Recurrent networks that are no stem, cell and readout.
RECURRENT_NETWORKS = ("dru",)
FEEDFORWARD = ("ff6", "ff8", "ffres6", "ffres6fixed", "ffres8", "conv3ds", "conv3dm")

# Counts are int32 on a device.
MOST = 2**31 - 1

# "c_", contractor: with the Lipschitz coefficient penalty.
GRADIENTS = ("bptt", "rbp", "one_step", "c_bptt", "c_rbp", "c_one_step")


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a result. Each field is a launcher's flag, `--config.FIELD`."""

    name: str = _setting("hard_s8f8", "name of the preset this began as")
    # Data
    dataset: str = _setting("t_pathfinder/hard", "TFDS name of the dataset, with its config")
    data_dir: str = _setting("", "TFDS data directory; empty for TFDS's usual one")
    manual_dir: str = _setting(
        "", "folder of the files that a dataset is made of; built anew when they have changed"
    )
    validation_share: float = _setting(
        0.1, "share of the training split kept for validation, if there is no split of that name"
    )
    calibration_share: float = _setting(
        0.0, "share of the training split kept for calibration, in place of a split of that name"
    )
    shrink: int = _setting(1, "frames are made smaller by this whole factor")
    augment: bool = _setting(True, "change whole training videos at random: flips, and as below")
    flip_vertical: bool = _setting(True, "flips turn videos upside down, too")
    zoom: float = _setting(1.0, "up to so many times larger a random part of a video is shown")
    color_jitter: float = _setting(0.0, "brightness, contrast and colours change by this share")
    # Model
    # Checked against the registered cells, which may become more.
    model: str = _setting(
        "hgru",
        f"recurrent cell ({', '.join(CELLS)}, or a registered one), recurrent network "
        f"({', '.join(RECURRENT_NETWORKS)}) or network without recurrence "
        f"({', '.join(FEEDFORWARD)})",
    )
    input_channels: int = _setting(
        1, "channels of a frame: 1 for gray, 3 for color; 0 for those of the dataset"
    )
    channels: int = _setting(25, "channels of stem and hidden state; of the first level of dru")
    kernel_size: int = _setting(15, "side of the recurrent kernels in pixels, odd")
    classes: int = _setting(2, "output classes; 0 for those of the dataset")
    norm_statistics: str = _setting(
        "sample",
        "normalise by each image's statistics (sample), the batch's, or by running ones",
        ("sample", "batch", "running"),
    )
    conv_method: str = _setting(
        "auto", "how large kernels are convolved", ("auto", "fft", "direct")
    )
    # Recurrence
    slow_steps: int = _setting(8, "recurrent steps on the first frame")
    fast_steps: int = _setting(8, "recurrent steps on every later frame")
    schedules: str = _setting(
        "",
        "train each update with one of these schedules, drawn at random, such as s8f8,s8f2; "
        "validation is with slow_steps and fast_steps",
    )
    stateful: bool = _setting(True, "start each frame from the state the previous one left")
    carry_output: bool = _setting(
        True, "that state of model dru has the output that is fed back, too"
    )
    # Training
    seed: int = _setting(0, "seed of the initial weights, the order of the data and the flips")
    epochs: int = _setting(100, "passes over the training videos")
    updates: int = _setting(0, "updates in all; 0 for those of config.epochs")
    batch_size: int = _setting(10, "videos an update, over all devices")
    learning_rate: float = _setting(1e-3, "Adam's learning rate at the start (or after warm-up)")
    lr_schedule: str = _setting(
        "steps",
        "steps: times lr_decay every lr_decay_epochs; cosine: to zero; constant",
        ("steps", "cosine", "constant"),
    )
    lr_decay: float = _setting(0.7, "factor of the learning rate in schedule 'steps'")
    lr_decay_epochs: int = _setting(25, "epochs between two decays in schedule 'steps'")
    warmup_steps: int = _setting(0, "updates over which the learning rate rises from zero")
    clip_norm: float = _setting(0.0, "largest global norm of the gradient; 0 does not clip")
    focal_gamma: float = _setting(2.0, "focusing exponent of the focal loss; 0: cross-entropy")
    step_decay: float = _setting(
        0.0, "weight of a step's loss relative to that of the next; 0 counts the last step alone"
    )
    class_balance: float = _setting(
        0.0, "exponent of the weights that rare classes get, 1 to make up for their rarity"
    )
    init_from: str = _setting("", "folder of a run whose best weights training begins with")
    gradient: str = _setting(
        "bptt",
        "how recurrent steps are differentiated: all of them (bptt), at the last state (rbp), or "
        "the last step alone (one_step); c_: with the Lipschitz coefficient penalty",
        GRADIENTS,
    )
    gradient_frames: int = _setting(
        1, "frames of a video that losses are differentiated across; memory grows with them"
    )
    neumann_terms: int = _setting(15, "most terms of the Neumann series of rbp and c_rbp")
    neumann_guard: str = _setting(
        "sample",
        "what ends a Neumann series early: norms of each video (sample) or of the batch, as "
        "published",
        ("sample", "batch"),
    )
    penalty_weight: float = _setting(10.0, "weight of the Lipschitz coefficient penalty")
    penalty_bound: float = _setting(0.9, "column sums of the Jacobian up to this cost nothing")
    explosion: float = _setting(
        5.0, "end when the validation loss is this many times the lowest so far; 0 never does"
    )
    diagnostics: bool = _setting(
        False, "at every validation, measure how far the recurrence is from a converged one"
    )
    remat: str = _setting(
        "none",
        "what bptt keeps: none (most memory), step (each state), sqrt (few states)",
        ("none", "step", "sqrt"),
    )
    # Run
    max_minutes: float = _setting(0.0, "save and end cleanly after this time; 0 for no limit")
    validate_every: int = _setting(0, "updates between validations; 0 validates once an epoch")
    save_every: int = _setting(200, "updates between checkpoints")
    save_minutes: float = _setting(10.0, "save after so many minutes, too; 0: by updates alone")
    log_every: int = _setting(20, "updates between two points in the curves")
    eval_batch_size: int = _setting(32, "videos evaluated together")
    devices: int = _setting(0, "accelerators to train on; 0 for all (one, for what is of a batch)")

    def __new__(cls, *_: Any, **settings: Any) -> "Config":
        """Checks names, which Python would do in words of its own."""
        _check_names(settings)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Checks every field by itself."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.generic):  # a number of NumPy is one
                object.__setattr__(self, field.name, value.item())
            _check_type(field, getattr(self, field.name))
        for name in _AT_LEAST_ONE:
            _require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in _AT_LEAST_ZERO:
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        _require(self, "kernel_size", self.kernel_size % 2 == 1, "odd")
        _require(
            self, "classes", self.classes in (0, *range(2, 256)), "at least 2 and at most 255, or 0"
        )
        _check_model(self)
        _require(self, "learning_rate", 0 < self.learning_rate < float("inf"), "above 0, finite")
        _require(self, "penalty_bound", 0 <= self.penalty_bound < 1, "in 0..1, below 1")
        _require(self, "zoom", 1 <= self.zoom < float("inf"), "at least 1, finite")
        for name in ("focal_gamma", "penalty_weight"):
            _require(self, name, getattr(self, name) < float("inf"), "finite")
        for name in ("color_jitter", "step_decay", "class_balance"):
            _require(self, name, 0 <= getattr(self, name) <= 1, "in 0..1")
        _require(self, "lr_decay", 0 < self.lr_decay <= 1, "above 0 and at most 1")
        _require(self, "validation_share", 0 < self.validation_share < 1, "between 0 and 1")
        _require(self, "calibration_share", 0 <= self.calibration_share < 1, "in 0..1, below 1")

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


_AT_LEAST_ONE = (
    "shrink",
    "channels",
    "kernel_size",
    "gradient_frames",
    "slow_steps",
    "fast_steps",
    "epochs",
    "batch_size",
    "lr_decay_epochs",
    "save_every",
    "log_every",
    "eval_batch_size",
)
_AT_LEAST_ZERO = (
    "seed",
    "input_channels",
    "warmup_steps",
    "clip_norm",
    "focal_gamma",
    "neumann_terms",
    "penalty_weight",
    "explosion",
    "max_minutes",
    "save_minutes",
    "updates",
    "validate_every",
    "devices",
)

# Fields that decide which weights a model has.
MODEL_FIELDS = ("model", "input_channels", "channels", "kernel_size", "classes")
# Fields that may be 0 until the dataset is opened.
OF_THE_DATASET = ("input_channels", "classes")
# Fields that may differ when a run is resumed: they do not change what is computed.
FREE_ON_RESUME = (
    "max_minutes",
    "save_every",
    "save_minutes",
    "log_every",
    "init_from",
    "explosion",
    "diagnostics",
    "data_dir",
    "manual_dir",
    "devices",
    "eval_batch_size",
)


def free_on_resume(config: Config) -> tuple[str, ...]:
    """Returns the settings that a run may be resumed with other values of.

    How long a run is belongs to them, unless the learning rate depends on it.
    """
    if config.lr_schedule == "cosine":
        return FREE_ON_RESUME
    return (*FREE_ON_RESUME, "epochs", "updates")


def settings_that_count(config: Config) -> str:
    """Returns, as text, the settings that all processes of a run have to share."""
    settings = dataclasses.asdict(config).items()
    return json.dumps({k: v for k, v in settings if k not in FREE_ON_RESUME}, sort_keys=True)


def model_names() -> tuple[str, ...]:
    """Returns what `config.model` may be: the registered cells and the networks."""
    return (*CELLS, *RECURRENT_NETWORKS, *FEEDFORWARD)


def _check_names(settings: Iterable[str]) -> None:
    names = [field.name for field in dataclasses.fields(Config)]
    for name in settings:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else ""
            raise InputError(f"a configuration has no field {name!r}{guess}")


def _check_type(field: dataclasses.Field, value: Any) -> None:
    wanted = cast(type, field.type)
    allowed = (int, float) if wanted is float else wanted
    # To Python a bool is an int; to a user it is not.
    if not isinstance(value, allowed) or (isinstance(value, bool) and wanted is not bool):
        raise InputError(f"config.{field.name} is {value!r}: {wanted.__name__} is needed")
    if wanted is int and cast(int, value) > MOST:
        raise InputError(f"config.{field.name} is {value}: it must be at most {MOST}")
    if field.metadata["choices"]:
        _check_choice(field.name, value, field.metadata["choices"])


def _check_choice(name: str, value: Any, choices: tuple[str, ...], hint: str = "") -> None:
    if value not in choices:
        close = difflib.get_close_matches(value, choices, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        allowed = ", ".join(choices)
        raise InputError(f"config.{name} is {value!r}: choose one of {allowed}{hint}{guess}")


def _check_model(config: Config) -> None:
    """Models with recurrent steps keep no statistics; the others have one step a frame."""
    hint = ", or register a cell of this name first (rsf.register_cell, --cells=FILE)"
    _check_choice("model", config.model, model_names(), hint)
    statistics = _STATISTICS.get(config.model, ("sample", "batch"))
    allowed = f"{' or '.join(statistics)} for model {config.model}"
    _require(config, "norm_statistics", config.norm_statistics in statistics, allowed)
    if config.model in FEEDFORWARD:
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
        holds = config.gradient.endswith("bptt") and config.model not in FEEDFORWARD
        _require(config, "gradient_frames", holds, "1 unless a recurrence is trained by bptt")
        _require(config, "gradient_frames", config.stateful, "1 where no state is carried")
    if config.step_decay:
        holds = config.gradient == "bptt" and config.model not in FEEDFORWARD
        _require(config, "step_decay", holds, "0 unless a recurrence is trained by bptt")


_STATISTICS = dict.fromkeys(RECURRENT_NETWORKS, ("sample",)) | dict.fromkeys(
    FEEDFORWARD, ("running", "batch")
)


def _require(config: Config, name: str, holds: bool, allowed: str) -> None:
    if not holds:
        raise InputError(f"config.{name} is {getattr(config, name)!r}: it must be {allowed}")
