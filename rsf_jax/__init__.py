"""Adaptive recurrent vision on video: RecSlowFast in JAX and Flax."""

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
from rsf_jax.policies import DistanceHalting, FixedSchedule, StepPolicy, parse_policy
from rsf_jax.presets import get_config
from rsf_jax.pretrained import load_pretrained, pretrained_names
from rsf_jax.recording import Recording
from rsf_jax.registry import register_cell
from rsf_jax.streaming import StreamEngine
from rsf_jax.unroll import FrameOutput, VideoOutput, run_frame, run_video

__all__ = [
    "Config",
    "DistanceHalting",
    "FeedforwardModel",
    "FixedSchedule",
    "FrameOutput",
    "InputError",
    "Prepared",
    "Recording",
    "RecurrentCell",
    "RecurrentModel",
    "State",
    "StepPolicy",
    "StreamEngine",
    "VideoModel",
    "VideoOutput",
    "build_model",
    "count_parameters",
    "get_config",
    "interop",
    "load_pretrained",
    "parse_policy",
    "prepare",
    "pretrained_names",
    "register_cell",
    "run_frame",
    "run_video",
]
