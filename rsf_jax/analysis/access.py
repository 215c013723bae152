"""What every measurement needs of a model."""

from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, VideoModel, checked_model
from rsf_jax.models.recurrent import RecurrentModel
from rsf_jax.typing import FeatureMap, Frame


def check_recurrent(model: VideoModel) -> None:
    """Raises InputError for what is no model, or one that has no hidden state to follow."""
    checked_model(model)
    if not model.recurrent:
        raise InputError(
            f"{type(model).__name__} has no recurrent steps, so there is no hidden state to "
            "follow: analyze a recurrent model, such as hard_s8f2"
        )


def stimulus(prepared: Prepared, frame: Frame) -> FeatureMap:
    """Returns x_t as the stem makes it, also where the cell makes something else of it (LSTM)."""
    if isinstance(prepared.model, RecurrentModel):
        return prepared.apply(lambda model, frame: model.stem(frame), frame)
    return prepared.drive(frame)
