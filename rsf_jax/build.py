"""From a configuration to a model."""

from typing import Any

from rsf_jax.baselines import FeedforwardModel
from rsf_jax.cells import CELLS
from rsf_jax.config import Config
from rsf_jax.models import RecurrentModel, VideoModel

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
    """Returns the model a configuration describes."""
    shared: dict[str, Any] = {
        "channels": config.channels,
        "kernel_size": config.kernel_size,
        "conv_method": config.conv_method,
        "norm_statistics": config.norm_statistics,
    }
    if config.model in CELLS:
        return RecurrentModel(CELLS[config.model](**shared), config.classes)
    return FeedforwardModel(classes=config.classes, **shared, **FEEDFORWARD[config.model])
