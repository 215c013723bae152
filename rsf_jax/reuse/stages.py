"""From a graph to stages: which maps are stored, and what is computed in one go between them."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from rsf_jax.reuse.graph import (
    BATCH,
    COLUMNS,
    ROWS,
    Convolution,
    Graph,
    Node,
    Reduction,
    View,
    Window,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """A stored map, and how it is computed of others.

    Attributes:
        node: the value that is stored.
        window: what it begins with that reads other pixels: a convolution, pooling, resampling or
            statistics; None if it has none.
        source: the stage whose map the window slides over; None without a window.
        beside: stages whose maps are read at the pixel that is computed; those of a single pixel,
            row or column are read at every one.
        pointwise: what follows the window, in order; the last one is `node`.
    """

    node: Node
    window: Node | None
    source: "Stage | None"
    beside: "tuple[Stage, ...]"
    pointwise: tuple[Node, ...]

    @property
    def batch(self) -> int:
        """Number of frames processed together."""
        return self.node.shape[BATCH]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the map."""
        return self.node.shape[ROWS], self.node.shape[COLUMNS]

    @property
    def channels(self) -> int:
        """Channels of the map, all of its axes of channels together."""
        return math.prod(self.node.channels)

    @property
    def dtype(self) -> np.dtype:
        """Of the values of the map."""
        return self.node.dtype

    @property
    def op(self) -> Window:
        """What it begins with."""
        assert self.window is not None
        assert isinstance(self.window.op, Window)
        return self.window.op

    @property
    def is_convolution(self) -> bool:
        """Whether it begins with a convolution."""
        return self.window is not None and isinstance(self.window.op, Convolution)

    @property
    def name(self) -> str:
        """The layer that the window, or else the last operation, belongs to."""
        return (self.window or self.node).name


def in_order(graph: Graph) -> list[Node]:
    """Returns all nodes that the outputs need, each after its operands."""
    found: dict[Node, None] = {graph.frame: None}
    # Depth first, without recursion: networks are deep.
    pending = [(node, False) for node in reversed(output_nodes(graph))]
    while pending:
        node, is_ready = pending.pop()
        if is_ready:
            found[node] = None
        elif node not in found:
            pending.append((node, True))
            pending += [(x, False) for x in reversed(node.nodes)]
    return list(found)


def output_nodes(graph: Graph) -> list[Node]:
    """Returns the nodes that a network returns."""
    return [x.node for x in graph.outputs if isinstance(x, View)]


def at_the_end(graph: Graph) -> set[Node]:
    """Returns the nodes that are computed anew for every frame: nothing is stored of them.

    They are what needs whole maps, and statistics of whole frames, with what is computed of them,
    from which nothing leads to a map again.
    """
    nodes = in_order(graph)
    readers: dict[Node, list[Node]] = {node: [] for node in nodes}
    for node in nodes:
        for operand in node.nodes:
            readers[operand].append(node)
    of_frames: set[Node] = set()
    for node in nodes:
        is_first = isinstance(node.op, Reduction) or not node.is_map
        if is_first or any(x in of_frames for x in node.nodes):
            of_frames.add(node)
    found: set[Node] = set()
    for node in reversed(nodes):
        is_single = node.is_map and node.shape[ROWS] == node.shape[COLUMNS] == 1
        ends = node in of_frames and is_single and all(x in found for x in readers[node])
        if ends or not node.is_map:
            found.add(node)
    return found


def plan(graph: Graph) -> list[Stage]:
    """Returns the stages of a graph, each after those it reads; the first is the frame.

    Stored are the frame, maps that windows slide over, those that leave the maps (as outputs, or
    into what needs whole maps), what is of one pixel and meets maps of many, and maps that two
    stages have in common. A stage has one window at most: where two meet, one of them is stored.
    """
    end = at_the_end(graph)
    nodes = [node for node in in_order(graph) if node not in end]
    stored = set(_needed(graph, end))
    while True:
        owners = _owners(nodes, stored)
        more = _shared(nodes, stored, owners) or _second_window(nodes, stored, owners)
        if more is None:
            return _stages(nodes, stored)
        stored.add(more)


def _needed(graph: Graph, end: set[Node]) -> Iterator[Node]:
    yield graph.frame
    for node in in_order(graph):
        if node in end:
            yield from (x for x in node.nodes if x not in end)
        elif isinstance(node.op, Window):
            yield node.nodes[0]
        else:
            yield from (x for x in node.nodes if x.shape[:3] != node.shape[:3])
    yield from (node for node in output_nodes(graph) if node not in end)


def _owners(nodes: Sequence[Node], stored: set[Node]) -> dict[Node, set[Node]]:
    """For each map, the stored ones that are computed of it without another stored one between."""
    owners: dict[Node, set[Node]] = {node: set() for node in nodes}
    for node in reversed(nodes):
        own = {node} if node in stored else owners[node]
        # What a window slides over is stored: it belongs to itself alone.
        for operand in () if isinstance(node.op, Window) else node.nodes:
            if operand not in stored:
                owners[operand] |= own
    return owners


def _shared(nodes: Sequence[Node], stored: set[Node], owners: dict[Node, set[Node]]) -> Node | None:
    """The last map that several stages would compute."""
    return next((n for n in reversed(nodes) if n not in stored and len(owners[n]) > 1), None)


def _second_window(
    nodes: Sequence[Node], stored: set[Node], owners: dict[Node, set[Node]]
) -> Node | None:
    """What the first of two windows in one stage leads to before it meets the other."""
    windows: dict[Node, frozenset[Node]] = {}
    for node in nodes:
        own = [windows[x] for x in node.nodes if x not in stored]
        met = frozenset().union(*own) if not isinstance(node.op, Window) else frozenset({node})
        if len(met) > 1:
            first = min(met, key=nodes.index)
            return next(x for x in node.nodes if x not in stored and first in windows[x])
        windows[node] = met
    return None


def _stages(nodes: Sequence[Node], stored: set[Node]) -> list[Stage]:
    stages: dict[Node, Stage] = {}
    for node in nodes:
        if node in stored:
            stages[node] = _stage(node, stages)
    return list(stages.values())


def _stage(node: Node, stages: dict[Node, Stage]) -> Stage:
    """Collects what lies between a map and the stored ones it is computed of."""
    window: Node | None = None
    beside: dict[Stage, None] = {}
    pointwise: list[Node] = []
    pending: list[tuple[Node, bool]] = [(node, False)]
    seen: set[Node] = set()
    while pending:
        current, is_ready = pending.pop()
        if is_ready:
            pointwise.append(current)
        elif current in stages:
            beside[stages[current]] = None
        elif current not in seen:
            seen.add(current)
            if isinstance(current.op, Window):
                window = current
            elif current.nodes:
                pending.append((current, True))
                pending += [(x, False) for x in reversed(current.nodes)]
    source = None if window is None else stages[window.nodes[0]]
    return Stage(node, window, source, tuple(beside), tuple(pointwise))
