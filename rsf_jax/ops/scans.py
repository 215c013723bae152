"""What a scan is made of, in whatever words a version of JAX has for it."""

from typing import Any, NamedTuple


class ScanParts(NamedTuple):
    """How many inputs of a scan are of each kind, in their order; behind them come arrays.

    Attributes:
        consts: the same in every turn.
        carry: handed from turn to turn.
    """

    consts: int
    carry: int


def scan_parts(equation: Any) -> ScanParts:
    """Returns the parts of an equation `scan` of a jaxpr.

    What is taken apart by turns has an axis more outside than inside. Parameters that say the same
    have other names from JAX 0.12 on.
    """
    body = equation.params["jaxpr"]
    arrays = _longer(equation.invars, body.in_avals)
    carry = len(equation.outvars) - _longer(equation.outvars, body.out_avals)
    return ScanParts(len(equation.invars) - arrays - carry, carry)


def _longer(outside: Any, inside: Any) -> int:
    return sum(x.aval.ndim > aval.ndim for x, aval in zip(outside, inside, strict=True))
