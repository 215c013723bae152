"""Adaptive recurrent vision on video: RecSlowFast in JAX and Flax."""

import importlib
from typing import TYPE_CHECKING, Any

from rsf_jax import interop
from rsf_jax.baselines import FeedforwardModel
from rsf_jax.build import build_model
from rsf_jax.cells import RecurrentCell
from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.models import (
    Prepared,
    RecurrentModel,
    State,
    VideoModel,
    count_parameters,
    prepare,
)
from rsf_jax.networks import NetworkKind
from rsf_jax.policies import (
    DistanceHalting,
    FixedSchedule,
    StepPolicy,
    parse_policy,
    register_metric,
    register_policy,
)
from rsf_jax.presets import get_config
from rsf_jax.pretrained import load_pretrained, pretrained_names
from rsf_jax.recording import Recording
from rsf_jax.registry import register_cell, register_network
from rsf_jax.streaming import StreamEngine
from rsf_jax.trained import Trained
from rsf_jax.unroll import FrameOutput, VideoOutput, run_frame, run_video

if TYPE_CHECKING:
    from rsf_jax.training.trained import load_trained

__all__ = [
    "Config",
    "DistanceHalting",
    "FeedforwardModel",
    "FixedSchedule",
    "FrameOutput",
    "InputError",
    "NetworkKind",
    "Prepared",
    "Recording",
    "RecurrentCell",
    "RecurrentModel",
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

# Found when asked for: Orbax comes with them, which running a model does not need.
_LATER = {"load_trained": "rsf_jax.training.trained"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
