"""Scores as JSON has them, which knows no NaN: None where there is nothing to score."""

import math
from typing import Any


def without_nan(x: Any) -> Any:
    """Returns plain values with None for every NaN in them."""
    if isinstance(x, dict):
        return {key: without_nan(value) for key, value in x.items()}
    if isinstance(x, list):
        return [without_nan(value) for value in x]
    return None if isinstance(x, float) and math.isnan(x) else x


def number(value: float | None) -> str:
    """Returns a score for a table."""
    return "none" if value is None else f"{value:.3f}"
