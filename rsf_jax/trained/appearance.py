"""How a trained model's classes look, and the frames it was trained on."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.models.base import checked_frame_shape
from rsf_jax.run_folder import RunFolder
from rsf_jax.shown import in_a_line
from rsf_jax.trained.palette import spread_colors

# What earlier versions have written for two classes that nobody had named colors for.
_EARLIER = [[61, 53, 139], [161, 18, 1]]


@dataclasses.dataclass(frozen=True)
class Appearance:
    """What is needed to show a model's results without its dataset.

    Attributes:
        class_names: of the K classes.
        colors: uint8 [K, 3], red, green and blue of each class.
        frame_size: (H, W) in pixels of the frames of training; None if that is not known.
        background: class that pictures leave clear; None for none.
    """

    __repr__ = in_a_line

    class_names: list[str]
    colors: np.ndarray
    frame_size: tuple[int, int] | None
    background: int | None

    def frame_shape(self, given: Any = None, name: str = "frame_shape") -> tuple[int, int]:
        """Returns (height, width) of frames: what is given, or that of training if None is.

        Args:
            given: (height, width) in pixels.
            name: of the argument.

        Raises:
            InputError: if it is something else, or that of training is needed and not known.
        """
        if given is not None:
            return checked_frame_shape(given, name)
        if self.frame_size is None:
            raise InputError(f"the frame size of training is not known: give {name}")
        return self.frame_size


def appearance_of(
    classes: int,
    class_names: Sequence[str] = (),
    colors: Sequence[Sequence[int]] = (),
    frame_size: Sequence[int] | None = None,
    background: int | None = 0,
) -> Appearance:
    """Returns an appearance; what is not known is numbers in the colors of a palette.

    Args:
        classes: of the model, K.
        class_names: of its classes.
        colors: red, green and blue of each, in 0..255.
        frame_size: (H, W) in pixels.
        background: class that pictures leave clear; None for none.

    Raises:
        InputError: if there are names or colors of another number of classes, or the background is
            none of them.
    """
    names = [str(name) for name in class_names or range(classes)]
    named = bool(colors) and colors != _EARLIER
    palette = np.array(colors if named else spread_colors(classes), np.uint8)
    if (len(names), palette.shape) != (classes, (classes, 3)):
        raise InputError(f"of {len(names)} classes, the model has {classes}")
    if background is not None and not 0 <= background < classes:
        raise InputError(f"of background {background}, the classes are 0 to {classes - 1}")
    size = None if frame_size is None else (int(frame_size[0]), int(frame_size[1]))
    return Appearance(names, palette, size, background)


def class_label(name: str) -> str:
    """Returns a name for a legend: a number alone would say nothing."""
    return f"class {name}" if name.isdecimal() else name


def appearance_in(found: Mapping[str, Any], classes: int) -> Appearance:
    """Returns the appearance that results or a record tell, whichever version has written them.

    Args:
        found: their entries.
        classes: of the model.

    Raises:
        InputError: if there are names or colors of another number of classes.
    """
    names, colors = found.get("class_names") or [], found.get("colors") or []
    size, background = found.get("frame_size"), found.get("background", 0)
    return appearance_of(classes, names, colors, size, background)


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
        return appearance_in(found, config.classes)
    except (OSError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(f"{path} is damaged ({error}): test the model anew") from error
    except InputError as error:
        raise InputError(f"{path} is {error}: test it anew") from None
