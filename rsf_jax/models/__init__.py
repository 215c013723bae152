"""Networks: what every model offers, and the models of the library."""

from rsf_jax.models.base import Prepared, State, VideoModel, count_parameters, prepare
from rsf_jax.models.feedforward import FeedforwardModel
from rsf_jax.models.recurrent import RecurrentModel
from rsf_jax.models.recurrent_unet import RecurrentUNet

__all__ = [
    "FeedforwardModel",
    "Prepared",
    "RecurrentModel",
    "RecurrentUNet",
    "State",
    "VideoModel",
    "count_parameters",
    "prepare",
]
