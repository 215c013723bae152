"""How a trained model's classes look, and the frames it was trained on."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.metrics import BINARY
from rsf_jax.records import CARD
from rsf_jax.segmentation_figures import spread_colors


@dataclasses.dataclass(frozen=True)
class Appearance:
    """What is needed to show a model's results without its dataset.

    Attributes:
        class_names: of the K classes.
        colors: uint8 [K, 3], red, green and blue of each class.
        frame_size: (H, W) in pixels of the frames of training; None if that is not known.
        background: class that pictures leave clear; None for none.
    """

    class_names: list[str]
    colors: np.ndarray
    frame_size: tuple[int, int] | None
    background: int | None


def load_appearance(workdir: str | Path, config: Config) -> Appearance:
    """Reads what the test at the end of training wrote, or the card of weights made elsewhere.

    Where both are missing, classes are numbers in the colours of a palette.

    Args:
        workdir: folder of the run.
        config: of the model.

    Raises:
        InputError: if one of these files is there and damaged.
    """
    path, card = Path(workdir, "results.json"), Path(workdir, CARD)
    try:
        if path.exists():
            found = json.loads(path.read_text())
        else:
            found = json.loads(card.read_text())["record"] if card.exists() else {}
        names = [str(name) for name in found.get("class_names") or range(config.classes)]
        colors = np.array(found.get("colors") or spread_colors(config.classes), np.uint8)
        size = found.get("frame_size")
        frame_size = None if size is None else (int(size[0]), int(size[1]))
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(f"{path} is damaged ({error}): test the model anew") from error
    if (len(names), colors.shape) != (config.classes, (config.classes, 3)):
        raise InputError(
            f"{path} is of {len(names)} classes, the model has {config.classes}: test it anew"
        )
    return Appearance(names, colors, frame_size, 0 if config.classes == BINARY else None)
