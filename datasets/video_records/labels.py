"""What the values of masks mean, and how a built dataset says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Belongs to no class, counts nowhere. The library has a constant of its own, because datasets are
# built without it and it reads them without builders: tests/datasets/test_contract.py compares.
IGNORED = 255


def class_metadata(
    names: Sequence[str],
    colors: Sequence[Sequence[int]] | None = None,
    background: int | None = 0,
) -> dict[str, Any]:
    """Plain values for the metadata of a built dataset.

    Args:
        names: of class 0, 1, ...
        colors: (red, green, blue) of each, 0 to 255; None leaves them to who draws.
        background: class that pictures leave clear; None for none.
    """
    drawn: dict[str, Any] = {"colors": [list(color) for color in colors]} if colors else {}
    if background != 0:  # what is usual is left out
        drawn["background"] = background
    return {"class_names": list(names), "ignored": IGNORED, **drawn}
