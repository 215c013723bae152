"""Adaptive recurrent vision on video: RecSlowFast in JAX and Flax."""

from typing import TYPE_CHECKING

from rsf_jax import extras
from rsf_jax.errors import InputError
from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax import interop
    from rsf_jax.cells import RecurrentCell
    from rsf_jax.config.build import build_model
    from rsf_jax.config.config import Config
    from rsf_jax.config.networks import NetworkKind
    from rsf_jax.config.presets import get_config
    from rsf_jax.config.registry import register_cell, register_network
    from rsf_jax.data import Dataset, open_dataset
    from rsf_jax.models.base import Prepared, State, VideoModel, count_parameters, prepare
    from rsf_jax.models.feedforward import FeedforwardModel
    from rsf_jax.models.recurrent import RecurrentModel
    from rsf_jax.policies import (
        ActHalting,
        Anderson,
        ChangeGate,
        DistanceHalting,
        FixedSchedule,
        PonderHalting,
        ReadoutHalting,
        Refresh,
        StepPolicy,
        parse_policy,
        register_metric,
        register_policy,
    )
    from rsf_jax.policies.recording import Recording
    from rsf_jax.pretrained import load_pretrained
    from rsf_jax.streaming import StreamEngine
    from rsf_jax.trained.model import Trained
    from rsf_jax.trained.places import pretrained_names
    from rsf_jax.training.loading import load_trained
    from rsf_jax.unroll import FrameOutput, VideoOutput, run_frame, run_video
    from rsf_jax.version import __version__ as __version__

__all__ = [
    "ActHalting",
    "Anderson",
    "ChangeGate",
    "Config",
    "Dataset",
    "DistanceHalting",
    "FeedforwardModel",
    "FixedSchedule",
    "FrameOutput",
    "InputError",
    "NetworkKind",
    "PonderHalting",
    "Prepared",
    "ReadoutHalting",
    "Recording",
    "RecurrentCell",
    "RecurrentModel",
    "Refresh",
    "State",
    "StepPolicy",
    "StreamEngine",
    "Trained",
    "VideoModel",
    "VideoOutput",
    "build_model",
    "count_parameters",
    "get_config",
    "interop",
    "load_pretrained",
    "load_trained",
    "open_dataset",
    "parse_policy",
    "prepare",
    "pretrained_names",
    "register_cell",
    "register_metric",
    "register_network",
    "register_policy",
    "run_frame",
    "run_video",
]

if not TYPE_CHECKING:  # to which any name would be there
    __getattr__ = attach(
        __name__,
        {
            ".cells": ["RecurrentCell"],
            ".config.build": ["build_model"],
            ".config.config": ["Config"],
            ".config.networks": ["NetworkKind"],
            ".config.presets": ["get_config"],
            ".config.registry": ["register_cell", "register_network"],
            ".data": ["Dataset", "open_dataset"],
            ".models.base": ["Prepared", "State", "VideoModel", "count_parameters", "prepare"],
            ".models.feedforward": ["FeedforwardModel"],
            ".models.recurrent": ["RecurrentModel"],
            ".policies": [
                "ActHalting",
                "Anderson",
                "ChangeGate",
                "DistanceHalting",
                "FixedSchedule",
                "PonderHalting",
                "ReadoutHalting",
                "Refresh",
                "StepPolicy",
                "parse_policy",
                "register_metric",
                "register_policy",
            ],
            ".policies.recording": ["Recording"],
            ".pretrained": ["load_pretrained"],
            ".streaming": ["StreamEngine"],
            ".trained.model": ["Trained"],
            ".trained.places": ["pretrained_names"],
            ".training.loading": ["load_trained"],
            ".unroll": ["FrameOutput", "VideoOutput", "run_frame", "run_video"],
            ".version": ["__version__"],
        },
    )
extras.install()


def __dir__() -> list[str]:
    return sorted(__all__)
