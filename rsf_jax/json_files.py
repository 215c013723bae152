"""Files of JSON: whole at every moment, with null where there is nothing to score."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax.paths import expand, unfinished


def write_json(path: str | Path, values: Any) -> None:
    """Writes what `plain` makes of the values; who reads meanwhile finds the file as it was."""
    text = json.dumps(plain(values), indent=1, allow_nan=False) + "\n"
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Writes a file; who reads meanwhile finds it as it was."""
    path = expand(path)
    draft = unfinished(path)
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def plain(x: Any) -> Any:
    """Returns what JSON can hold: lists for arrays, None for NaN and infinity."""
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return plain({field.name: getattr(x, field.name) for field in dataclasses.fields(x)})
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    if isinstance(x, np.ndarray | np.generic):
        return plain(x.tolist())
    if isinstance(x, list | tuple):
        return [plain(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def number(value: float | None) -> str:
    """Returns a score for a table."""
    return "none" if value is None else f"{value:.3f}"
