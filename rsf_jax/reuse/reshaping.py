"""Reshapes of maps: channels in groups, parts of pixels as channels and channels as pixels."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from rsf_jax.reuse.graph import BATCH, CHANNELS, View
from rsf_jax.reuse.sampling import Merging, Selection, Splitting
from rsf_jax.reuse.views import (
    NotLocal,
    arranged,
    channel_positions,
    layout_of,
    of_channels,
    resampled,
)
from rsf_jax.typing import Array


def reshaped(view: View, sizes: Sequence[int], name: str) -> View:
    """Returns a view of the same values in another shape.

    Args:
        view: of a map.
        sizes: the new shape.
        name: of the layer.

    Raises:
        NotLocal: if pixels would meet.
    """
    large = [p for p, n in enumerate(view.shape) if n != 1]
    view = arranged(view, [p for p in channel_positions(view) if p in large], name)
    layout = layout_of(view)
    view = View(view.node, tuple(layout[p] for p in large), tuple(view.shape[p] for p in large))
    for place, count, new in reversed(_groups(view.shape, [n for n in sizes if n != 1])):
        view = _replaced(view, range(place, place + count), new, name)
    found = iter(layout_of(view))
    return View(view.node, tuple(None if n == 1 else next(found) for n in sizes), tuple(sizes))


def _groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[int, int, list[int]]]:
    """Where neighboring axes become others: the first of them, how many, and the new sizes."""
    groups, i, j = [], 0, 0
    while i < len(old):
        first, ours, theirs = i, [old[i]], [new[j]]
        i, j = i + 1, j + 1
        while math.prod(ours) != math.prod(theirs):
            if math.prod(ours) < math.prod(theirs):
                ours.append(old[i])
                i += 1
            else:
                theirs.append(new[j])
                j += 1
        groups.append((first, len(ours), theirs))
    return groups


def _replaced(view: View, ins: range, outs: Sequence[int], name: str) -> View:
    """Some neighboring axes become others."""
    kinds = [layout_of(view)[p] for p in ins]
    if len(ins) == len(outs) == 1:
        return view
    if all(a is None for a in kinds):
        return _with(view, ins, [None] * len(outs), outs)
    first, *others = kinds
    if first is not None and BATCH < first < CHANNELS:
        if len(ins) == 1:
            return _split(view, ins[0], outs, name)
        if len(outs) == 1 and all(a is None or a >= CHANNELS for a in others):
            return _merged(view, ins, outs, name)
    if all(a is None or a >= CHANNELS for a in kinds):
        return _regrouped(view, ins, outs, name)
    raise NotLocal("a map that is flattened")


def _with(view: View, ins: range, axes: Sequence[int | None], outs: Sequence[int]) -> View:
    layout, shape = list(layout_of(view)), list(view.shape)
    layout[ins.start : ins.stop], shape[ins.start : ins.stop] = axes, outs
    return View(view.node, tuple(layout), tuple(shape))


def _regrouped(view: View, ins: range, outs: Sequence[int], name: str) -> View:
    """Channels become others."""
    positions = sorted({*channel_positions(view), *ins})
    view = arranged(view, positions, name, ins)
    place = CHANNELS + positions.index(ins[0])

    def apply(x: Array) -> Array:
        return jnp.reshape(x, (*x.shape[:place], *outs, *x.shape[place + len(ins) :]))

    view = View(of_channels(view, apply, name), view.layout, view.shape)
    return _numbered(_with(view, ins, [CHANNELS] * len(outs), outs))


def _numbered(view: View) -> View:
    """Channels in the network's order."""
    numbers = iter(range(CHANNELS, len(view.node.shape)))
    layout = (a if a is None or a < CHANNELS else next(numbers) for a in layout_of(view))
    return View(view.node, tuple(layout), view.shape)


def _split(view: View, position: int, outs: Sequence[int], name: str) -> View:
    """The pixels of a part become channels."""
    view = arranged(view, channel_positions(view), name)
    axis, parts = layout_of(view)[position], math.prod(outs[1:])
    assert axis is not None
    place = sum(p < position for p in channel_positions(view))
    channels = list(view.node.channels)
    channels.insert(place, parts)
    sampling = Splitting(view.shape[position], parts, CHANNELS + place)
    node = resampled(view.node, axis, sampling, tuple(channels), name)
    view = View(node, view.layout, view.shape)
    one = range(position, position + 1)
    view = _numbered(_with(view, one, [axis, CHANNELS], [outs[0], parts]))
    return (
        view if len(outs) == 2 else _regrouped(view, range(one.stop, one.stop + 1), outs[1:], name)
    )


def _merged(view: View, ins: range, outs: Sequence[int], name: str) -> View:
    """Channels become the pixels of a part."""
    axis, inputs = layout_of(view)[ins[0]], view.shape[ins[0]]
    assert axis is not None
    parts = outs[0] // inputs
    if all(layout_of(view)[p] is None for p in ins[1:]):
        repeated = Selection(inputs, np.arange(outs[0]) // parts)
        node = resampled(view.node, axis, repeated, view.node.channels, name)
        return _with(View(node, view.layout, view.shape), ins, [axis], outs)
    view = _regrouped(view, ins[1:], [parts], name)
    place = sum(p < ins[0] for p in channel_positions(view))
    channels = list(view.node.channels)
    del channels[place]
    sampling = Merging(inputs, parts, CHANNELS + place)
    node = resampled(view.node, axis, sampling, tuple(channels), name)
    view = View(node, view.layout, view.shape)
    return _numbered(_with(view, range(ins[0], ins[0] + 2), [axis], outs))
