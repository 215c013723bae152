"""How a trained model's classes look, and the frames it was trained on."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.measures.foreground import BINARY
from rsf_jax.run_folder import RunFolder


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


def appearance_of(
    config: Config,
    class_names: Sequence[str] = (),
    colors: Sequence[Sequence[int]] = (),
    frame_size: Sequence[int] | None = None,
) -> Appearance:
    """Returns an appearance; what is not known is numbers in the colors of a palette.

    Args:
        config: of the model.
        class_names: of its classes.
        colors: red, green and blue of each, in 0..255.
        frame_size: (H, W) in pixels.

    Raises:
        InputError: if there are names or colors of another number of classes.
    """
    names = [str(name) for name in class_names or range(config.classes)]
    palette = np.array(colors or spread_colors(config.classes), np.uint8)
    if (len(names), palette.shape) != (config.classes, (config.classes, 3)):
        raise InputError(f"of {len(names)} classes, the model has {config.classes}")
    size = None if frame_size is None else (int(frame_size[0]), int(frame_size[1]))
    return Appearance(names, palette, size, 0 if config.classes == BINARY else None)


def load_appearance(workdir: str | Path, config: Config) -> Appearance:
    """Reads what the test at the end of training wrote, or the card of weights made elsewhere.

    Where both are missing, classes are numbers in the colors of a palette.

    Args:
        workdir: folder of the run.
        config: of the model.

    Raises:
        InputError: if one of these files is there and damaged.
    """
    files = RunFolder(workdir)
    path, card = files.results(), files.card
    try:
        if path.exists():
            found = json.loads(path.read_text())
        else:
            found = json.loads(card.read_text())["record"] if card.exists() else {}
        known = {name: found.get(name) for name in ("class_names", "colors", "frame_size")}
        return appearance_of(config, **{name: v for name, v in known.items() if v})
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(f"{path} is damaged ({error}): test the model anew") from error
    except InputError as error:
        raise InputError(f"{path} is {error}: test it anew") from None


def spread_colors(count: int) -> np.ndarray:
    """Returns colors for classes that have none of their own.

    Args:
        count: number of classes K.

    Returns:
        uint8 [K, 3], red, green and blue.
    """
    # Here: who runs a model needs no matplotlib.
    import matplotlib

    colors = matplotlib.colormaps["turbo"](np.linspace(0.05, 0.95, count))[:, :3]
    return np.rint(255 * colors).astype(np.uint8)
