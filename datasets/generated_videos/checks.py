"""Checks of settings, each with an error of one line."""

from __future__ import annotations

Range = tuple[int, int]


def require(condition: bool, name: str, value: object, allowed: str, remedy: str) -> None:
    """Raises a one-line ValueError naming the setting, its value, what is allowed, what to do."""
    if not condition:
        raise ValueError(f"{name}={value!r} is not possible: it must be {allowed}; {remedy}.")


def require_index(seed: int, index: int) -> None:
    """Raises a one-line ValueError unless seed and number of an example are 0 or above."""
    for name, value in (("seed", seed), ("index", index)):
        require(value >= 0, name, value, "0 or above", "raise it")


def require_range(name: str, value: Range, lowest: int) -> None:
    """Checks an inclusive (least, most) pair of whole numbers."""
    whole = len(value) == 2 and all(isinstance(bound, int) for bound in value)
    require(
        whole and lowest <= value[0] <= value[1],
        name,
        value,
        f"a pair (least, most) of whole numbers with {lowest} <= least <= most",
        "give both ends, the smaller one first",
    )
