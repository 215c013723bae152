"""What of a network can be reused, in words."""

from typing import Any

import numpy as np

from rsf_jax.reuse.bound import always, multiply_adds
from rsf_jax.reuse.graph import COLUMNS, ROWS, Node, Reduction, Whole
from rsf_jax.reuse.program import Program
from rsf_jax.reuse.stages import Stage


def describe(program: Program) -> str:
    """Says what of a network is brought up to date, and what is computed for every frame.

    Args:
        program: of the network.

    Returns:
        Lines: the maps that are kept; from which layer on any change changes everything; from which
        on everything is computed for every frame. The latter two only where they are so.
    """
    adds, rest = multiply_adds(program), always(program)
    total = adds.sum() + rest
    values = sum(np.prod(s.node.shape) * s.dtype.itemsize for s in program.stages)
    lines = [
        f"{len(program.stages)} maps are kept ({values / 1e6:.3g} MB); convolutions and products "
        f"of {_share(adds.sum(), total)} are brought up to date"
    ]
    spread = [s for s in program.stages if _is_of_all(s)]
    if spread:
        behind = _behind(program, spread)
        share = sum(a for a, stage in zip(adds, program.stages) if stage in behind)
        lines.append(
            f"any change of a frame changes everything behind {_name(spread[0].name)} "
            f"(statistics of the whole frame): {_share(share, total)}"
        )
    dense = computed_densely(program)
    if dense:
        lines.append(
            f"computed densely for every frame: from {_name(dense[0].name)} on "
            f"({_why(dense[0])}), {_share(rest, total)}"
        )
    elif rest:
        lines.append(f"computed for every frame behind the last map: {_share(rest, total)}")
    return "\n".join(lines)


def computed_densely(program: Program) -> list[Node]:
    """Returns what reads maps and needs the whole of them, in order."""
    return [node for node in program.end if isinstance(node.op, Whole) and node.op.why]


def _is_of_all(stage: Stage) -> bool:
    """Whether a change anywhere changes all that it gives."""
    op: Any = stage.window.op if stage.window else None
    if not isinstance(op, Reduction):
        return False
    assert stage.source is not None
    shape = stage.source.node.shape
    return (op.rows.size, op.columns.size) == (shape[ROWS], shape[COLUMNS])


def _behind(program: Program, first: list[Stage]) -> set[Stage]:
    found = set(first)
    for stage in program.stages:
        if stage.source in found or any(s in found for s in stage.beside):
            found.add(stage)
    return found


def _share(part: float, total: float) -> str:
    return f"{part / total if total else 0:.0%} of the multiply-adds"


def _name(layer: str) -> str:
    return f"layer {layer or '(top)'}"


def _why(node: Node) -> str:
    return node.op.why if isinstance(node.op, Whole) else ""
