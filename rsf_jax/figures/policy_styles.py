"""How each kind of policy is called and drawn in pictures."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rsf_jax.policies import NEVER, Spec


class Style(NamedTuple):
    """A marker of Matplotlib and its color."""

    marker: str
    color: str


# Okabe and Ito's colors, told apart by color-blind readers too.
_SCHEDULES = {
    "same steps on all frames": Style("o", "#000000"),
    "more on the first": Style("s", "#0072b2"),
    "fewer on the first": Style("s", "#56b4e9"),
}
# What halting goes by, whatever its metric; a minimum of steps on the first frame apart.
_RULES = {
    "halting by ratio": Style("v", "#d55e00"),
    "halting by ratio, more on the first": Style("^", "#009e73"),
    "halting by movement": Style("D", "#cc79a7"),
    "halting by movement, more on the first": Style("d", "#56b4e9"),
    "halting by either": Style("P", "#e69f00"),
    "halting by either, more on the first": Style("X", "#0072b2"),
}
# Halting that compares no states, by kind and rule.
_OTHERWISE = {
    "readout": {
        "entropy": ("halting by entropy", Style("<", "#e69f00")),
        "flips": ("halting by flips of classes", Style(">", "#56b4e9")),
        "news": ("halting by new classes", Style("p", "#56b4e9")),
        "change": ("halting by change of classes", Style("p", "#e69f00")),
    },
    "ponder": {"": ("halting by learned probability", Style("*", "#e69f00"))},
    "act": {"": ("halting by learned scores", Style("h", "#e69f00"))},
}
_NEEDED = {
    "schedule": {"slow_steps", "fast_steps"},
    "halting": {"threshold", "rtol", "min_first_steps"},
}
_OTHER_MARKERS = ("p", "h", "<", ">", "*", "8", "H")  # filled: they have an edge
_OTHER_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000")


def kind_label(spec: Spec) -> str:
    """Returns what a legend calls policies like this one; those around another by both.

    Args:
        spec: of a policy, as `policies.to_spec` returns it.
    """
    if _is(spec, "schedule"):
        slow, fast = spec["slow_steps"], spec["fast_steps"]
        if slow == fast:
            return "same steps on all frames"
        return "more on the first" if slow > fast else "fewer on the first"
    if _is(spec, "halting"):
        return _rule(spec)
    if found := _otherwise(spec):
        return found[0]
    if isinstance(spec.get("inner"), Mapping):
        return f"{spec['kind']}, {kind_label(spec['inner'])}"
    return spec["kind"]


def styles(specs: Iterable[Spec]) -> dict[str, Style]:
    """Returns a style of its own for every label that there is, the library's kinds first.

    The library's look the same in all pictures; others have what is left, in the order of names.

    Args:
        specs: of all policies of a picture.
    """
    found = {kind_label(spec): spec for spec in specs}
    fixed = {label: _library_style(spec) for label, spec in found.items()}
    own = {label: style for label, style in fixed.items() if style is not None}
    left = itertools.product(_OTHER_COLORS, _OTHER_MARKERS)
    others = sorted(label for label, style in fixed.items() if style is None)
    free = itertools.cycle(Style(marker, color) for color, marker in left)
    return dict(sorted(own.items(), key=_order)) | dict(zip(others, free))


def _is(spec: Spec, kind: str) -> bool:
    """Whether it is of a kind of the library, and whole."""
    return spec["kind"] == kind and spec.keys() >= _NEEDED[kind]


def _library_style(spec: Spec) -> Style | None:
    if _is(spec, "schedule"):
        return _SCHEDULES[kind_label(spec)]
    if _is(spec, "halting"):
        return _RULES[_rule(spec)]
    found = _otherwise(spec)
    return found and found[1]


def _otherwise(spec: Spec) -> tuple[str, Style] | None:
    """Label and style of halting that compares no states; None of all else."""
    return _OTHERWISE.get(spec["kind"], {}).get(spec.get("rule", ""))


def _rule(spec: Spec) -> str:
    """What a halting rule goes by: the ratio of distances, the movement beside the state, both."""
    moves = spec["rtol"] != 0
    rule = "movement" if moves and spec["threshold"] == NEVER else "ratio"
    rule = "either" if moves and rule == "ratio" else rule
    more = ", more on the first" if spec["min_first_steps"] > 1 else ""
    return f"halting by {rule}{more}"


def _order(entry: tuple[str, Style]) -> tuple[Any, ...]:
    label, style = entry
    others = (label for kind in _OTHERWISE.values() for label, _ in kind.values())
    known = [*_SCHEDULES, *_RULES, *others]
    return known.index(label), style
