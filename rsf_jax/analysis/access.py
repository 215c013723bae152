"""What every measurement needs of a model."""

from rsf_jax.checks import check_model, checked_prepared
from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, VideoModel, prepare
from rsf_jax.models.recurrent import RecurrentModel
from rsf_jax.typing import FeatureMap, Frame, Variables


def check_recurrent(model: VideoModel) -> None:
    """Raises InputError for what is no model, or one that has no hidden state to follow."""
    check_model(model)
    if not model.recurrent:
        raise InputError(
            f"{type(model).__name__} has no recurrent steps, so there is no hidden state to "
            "follow: analyze a recurrent model, such as hard_s8f2"
        )


def as_prepared(
    model: VideoModel, variables: Variables | Prepared, frame_shape: tuple[int, ...]
) -> Prepared:
    """Prepares variables unless they are prepared."""
    height, width = frame_shape
    if isinstance(variables, Prepared):
        return checked_prepared(model, variables, (height, width))
    return prepare(model, variables, (height, width))


def stimulus(prepared: Prepared, frame: Frame) -> FeatureMap:
    """Returns x_t as the stem makes it, also where the cell makes something else of it (LSTM)."""
    if isinstance(prepared.model, RecurrentModel):
        return prepared.apply(lambda model, frame: model.stem(frame), frame)
    return prepared.drive(frame)
