"""From a configuration to a model and how it is differentiated."""

import dataclasses
from typing import cast

from rsf_jax.config.config import OF_THE_DATASET, PENALTIES, Config, checked_config
from rsf_jax.config.networks import kind_of
from rsf_jax.errors import InputError
from rsf_jax.gradients import (
    BPTT,
    RBP,
    Estimator,
    JacobianPenalty,
    LipschitzPenalty,
    Penalty,
    Phantom,
)
from rsf_jax.measures.losses import Objective
from rsf_jax.models.base import VideoModel
from rsf_jax.models.halting_head import ACT, PONDER
from rsf_jax.policies import ActHalting, FixedSchedule, PonderHalting, StepPolicy, parse_policy
from rsf_jax.policies.act import EPSILON
from rsf_jax.policies.ponder import MEDIAN


def build_model(config: Config) -> VideoModel:
    """Returns the model a configuration describes.

    Raises:
        InputError: if it is none, its classes are still those of a dataset that nobody has opened,
            or an option is refused.
    """
    checked_config(config)
    for name in OF_THE_DATASET:
        if getattr(config, name) == 0:
            raise InputError(
                f"config.{name} is 0, which stands for what the dataset has: give a "
                f"number, or data.settle(config) finds that of {config.dataset}"
            )
    return kind_of(config.model).build(config)


def training_schedule(config: Config) -> FixedSchedule:
    """Returns the schedule of training: how many steps are made, if not which of them count."""
    return FixedSchedule(config.slow_steps, config.fast_steps)


def training_policy(config: Config) -> StepPolicy:
    """Returns the policy of validation and, unless told otherwise, of the test and of use.

    The schedule of training; of a model with a halting head, the policy that reads it, with as many
    steps at most.
    """
    schedule = training_schedule(config)
    if config.halting_head == PONDER:
        return PonderHalting(MEDIAN, schedule.max_steps)
    if config.halting_head == ACT:
        return ActHalting(EPSILON, schedule.max_steps)
    return schedule


def build_schedule(config: Config) -> FixedSchedule:
    """Returns the schedule of training and how it is differentiated."""
    return dataclasses.replace(training_schedule(config), gradient=_estimator(config))


def build_training_schedules(config: Config) -> tuple[FixedSchedule, ...]:
    """Returns the schedules that updates are made with."""
    if not config.schedules:
        return (build_schedule(config),)
    schedules = (cast(FixedSchedule, parse_policy(s)) for s in config.schedules.split(","))
    return tuple(dataclasses.replace(s, gradient=_estimator(config)) for s in schedules)


def build_penalty(config: Config) -> Penalty | None:
    """Returns the penalty of training, if `config.gradient` asks for one."""
    if config.gradient.startswith("c_"):
        return LipschitzPenalty(config.penalty_weight, config.penalty_bound)
    if config.gradient.startswith("j_"):
        return JacobianPenalty(config.jacobian_weight, config.seed)
    return None


def build_objective(config: Config, class_weights: tuple[float, ...] | None = None) -> Objective:
    """Returns the loss of training.

    Args:
        config: uses `loss` and what belongs to it, and `step_decay`.
        class_weights: what `config.class_balance` comes to for the training videos.
    """
    return Objective(
        config.focal_gamma,
        class_weights,
        config.step_decay,
        config.loss,
        config.evidence_divergence,
        config.evidence_annealing,
    )


def _estimator(config: Config) -> Estimator:
    name = config.gradient
    for penalty in PENALTIES:
        name = name.removeprefix(penalty)
    if name == "bptt":
        return BPTT(config.remat)
    if name == "phantom":
        return Phantom(config.neumann_terms, config.phantom_damping)
    return RBP(0 if name == "one_step" else config.neumann_terms, config.neumann_guard)
