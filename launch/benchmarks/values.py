"""Values of the benchmarks' flags, read from their texts."""

import re
from collections.abc import Iterable

import rsf_jax as rsf


def count(name: str, text: str) -> int:
    """Returns a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise rsf.InputError(f"{name} {text!r} must be a whole number of at least 1")
    return int(text)


def share(name: str, text: str) -> float:
    """Returns a number above 0, at most 1."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise rsf.InputError(f"{name} {text!r} must be a number above 0, at most 1")
    return found


def size(text: str) -> tuple[int, int]:
    """Returns (height, width) of at least 64 pixels each."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or min(map(int, match.groups())) < 64:
        raise rsf.InputError(f"size {text!r} is no HEIGHTxWIDTH of at least 64 pixels, as 360x480")
    return int(match[1]), int(match[2])


def schedule(text: str) -> rsf.FixedSchedule:
    """Returns a schedule s{S}f{F}."""
    policy = rsf.parse_policy(text)
    if not isinstance(policy, rsf.FixedSchedule):
        raise rsf.InputError(f"policy {text!r} is no schedule: speeds are those of s{{S}}f{{F}}")
    return policy


def among(name: str, values: list[str], allowed: Iterable[str]) -> list[str]:
    """Returns values that are all among those allowed."""
    allowed = tuple(allowed)
    for value in values:
        if value not in allowed:
            raise rsf.InputError(f"--{name}={value}: choose among {', '.join(allowed)}")
    return values


def filled(name: str, values: list[str]) -> list[str]:
    """Returns values of which there is one at least."""
    if not values:
        raise rsf.InputError(f"--{name} is empty: give a value, or leave it out")
    return values
