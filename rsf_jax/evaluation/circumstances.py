"""When a model was trained and tested, on what, and how long it took."""

import datetime
from pathlib import Path
from typing import Any

import jax

from rsf_jax.evaluation.recorder import training_seconds
from rsf_jax.trained.model import Trained
from rsf_jax.trained.records import hardware
from rsf_jax.training import curves
from rsf_jax.training.checkpoints import Checkpoints


def of_test(seconds: int | float) -> dict[str, Any]:
    """Returns what is known of a test that ends now.

    Args:
        seconds: that it took.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"ended": now, "seconds": seconds, "hardware": hardware(), "jax": jax.__version__}


def carried(trained: Trained) -> dict[str, bool]:
    """Returns whether frames start from the states before: in training, and here.

    Args:
        trained: the model, which `config.stateful` may ask to be used otherwise than trained.
    """
    return {"trained": trained.saved.stateful, "tested": trained.config.stateful}


def of_training(trained: Trained) -> dict[str, Any]:
    """Returns what is known of how a model was trained; what is not known is left out.

    Seconds are those of the updates, without data, compiling and validation.
    """
    if trained.card is not None:
        record = trained.card.record
        return {"seconds": record.seconds, "hardware": record.hardware, "jax": record.jax}
    if trained.folder is None:
        return {}
    with Checkpoints(trained.folder) as checkpoints:
        made = checkpoints.made(trained.update)
    points = curves.read(Path(trained.folder)).get("train", {})
    seconds = training_seconds(points, trained.saved.batch_size) if points else None
    return made | ({"seconds": seconds} if seconds else {})
