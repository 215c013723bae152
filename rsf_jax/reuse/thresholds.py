"""Thresholds of layers in a file of JSON."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsf_jax.errors import InputError
from rsf_jax.json_files import write_json
from rsf_jax.paths import disk_errors, expand

_THRESHOLDS = "thresholds"


def save_thresholds(
    path: str | Path, thresholds: Mapping[str, float], found: Mapping[str, Any] | None = None
) -> None:
    """Writes thresholds.

    Args:
        path: of the file.
        thresholds: by layer, as `ReuseNetwork` takes them.
        found: what else is known of them.

    Raises:
        InputError: if the file cannot be written there.
    """
    path = expand(path)
    with disk_errors(path):
        write_json(path, {**(found or {}), _THRESHOLDS: dict(thresholds)})


def load_thresholds(path: str | Path) -> dict[str, float]:
    """Reads thresholds that `save_thresholds` or the command `reuse` has written.

    Returns:
        Those of layers, as `ReuseNetwork` takes them.

    Raises:
        InputError: if the file cannot be read, or holds none.
    """
    path = expand(path)
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from None
    thresholds = content.get(_THRESHOLDS) if isinstance(content, dict) else None
    if not isinstance(thresholds, dict) or not all(map(_is_number, thresholds.values())):
        raise InputError(f"{path} holds no thresholds of layers: let calibrate write it")
    return thresholds


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value is not True and math.isfinite(value)
