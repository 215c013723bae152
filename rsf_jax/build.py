"""From a configuration to a model and how it is differentiated."""

import re
from typing import Any

from rsf_jax.baselines import FeedforwardModel
from rsf_jax.cells import CELLS
from rsf_jax.config import OF_THE_DATASET, Config
from rsf_jax.errors import InputError
from rsf_jax.gradients import BPTT, RBP, Estimator, LipschitzPenalty
from rsf_jax.losses import Objective
from rsf_jax.models import RecurrentModel, VideoModel
from rsf_jax.policies import FixedSchedule
from rsf_jax.recurrent_unet import RecurrentUNet

# Layers, frames each sees, and skip, by the name that configurations and presets use.
FEEDFORWARD: dict[str, dict[str, Any]] = {
    "ff6": {"layers_count": 6},
    "ff8": {"layers_count": 8},
    "ffres6": {"layers_count": 6, "skip": "published"},
    "ffres6fixed": {"layers_count": 6, "skip": "own"},
    "ffres8": {"layers_count": 8, "skip": "own"},
    "conv3ds": {"layers_count": 3, "span": 2},
    "conv3dm": {"layers_count": 3, "span": 2},
}


def build_model(config: Config) -> VideoModel:
    """Returns the model a configuration describes.

    Raises:
        InputError: if its classes are still those of a dataset that nobody has opened.
    """
    for name in OF_THE_DATASET:
        if getattr(config, name) == 0:
            raise InputError(
                f"config.{name} is 0, which stands for what the dataset has: give a number "
                f"(--config.{name}), or data.settle(config) finds that of {config.dataset}"
            )
    if config.model == "dru":
        return RecurrentUNet(
            config.channels, config.classes, config.input_channels, config.carry_output
        )
    shared: dict[str, Any] = {
        "channels": config.channels,
        "kernel_size": config.kernel_size,
        "conv_method": config.conv_method,
        "norm_statistics": config.norm_statistics,
    }
    if config.model in CELLS:
        return RecurrentModel(CELLS[config.model](**shared), config.classes, config.input_channels)
    seen: dict[str, Any] = {"classes": config.classes, "input_channels": config.input_channels}
    return FeedforwardModel(**seen, **shared, **FEEDFORWARD[config.model])


def build_schedule(config: Config) -> FixedSchedule:
    """Returns the schedule of validation and of the test, and how it is differentiated."""
    return FixedSchedule(config.slow_steps, config.fast_steps, _estimator(config))


def build_training_schedules(config: Config) -> tuple[FixedSchedule, ...]:
    """Returns the schedules that updates are made with."""
    if not config.schedules:
        return (build_schedule(config),)
    written = (re.findall(r"\d+", text) for text in config.schedules.split(","))
    return tuple(FixedSchedule(int(s), int(f), _estimator(config)) for s, f in written)


def build_penalty(config: Config) -> LipschitzPenalty | None:
    """Returns the penalty of training, if `config.gradient` asks for one."""
    if not config.gradient.startswith(_PENALIZED):
        return None
    return LipschitzPenalty(config.penalty_weight, config.penalty_bound)


_PENALIZED = "c_"  # contractor


def build_objective(config: Config, class_weights: tuple[float, ...] | None = None) -> Objective:
    """Returns the loss of training.

    Args:
        config: uses `focal_gamma` and `step_decay`.
        class_weights: what `config.class_balance` comes to for the training videos.
    """
    return Objective(config.focal_gamma, class_weights, config.step_decay)


def _estimator(config: Config) -> Estimator:
    name = config.gradient.removeprefix(_PENALIZED)
    if name == "bptt":
        return BPTT(config.remat)
    return RBP(0 if name == "one_step" else config.neumann_terms, config.neumann_guard)
