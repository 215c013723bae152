"""Borders around maps that windows reach over: no map of their own."""

import numpy as np

from rsf_jax.reuse.graph import COLUMNS, ROWS, Node, Reach, Resampling
from rsf_jax.reuse.sampling import Selection


def without_border(
    node: Node, reaches: tuple[Reach, Reach], value: float
) -> tuple[Node, tuple[Reach, Reach]]:
    """Returns the map inside of a border that was put around one, which windows reach over instead.

    Args:
        node: a map.
        reaches: of the windows, along rows and columns.
        value: of the border, if the windows are to take it for their own.
    """
    if not isinstance(node.op, Resampling):
        return node, reaches
    found = []
    steps = dict(node.op.steps)
    for axis, reach in zip((ROWS, COLUMNS), reaches):
        step = steps.get(axis)
        if step is None:
            found.append(reach)
            continue
        inside = step.index >= 0 if isinstance(step, Selection) else np.zeros(1, bool)
        before, after = int(inside.argmax()), int(inside[::-1].argmax())
        if (
            not isinstance(step, Selection)
            or (step.fills and step.fill != value)
            or not np.array_equal(step.index[before : step.outputs - after], np.arange(step.inputs))
        ):
            return node, reaches
        found.append(reach._replace(before=reach.before + before, after=reach.after + after))
    return node.nodes[0], (found[0], found[1])
