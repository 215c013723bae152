"""Brings a stored map up to date: tile by tile, or as a whole where too much has changed."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.reuse.evaluate import (
    Margins,
    Rectangle,
    apply_window,
    dense,
    finish,
    hide_padding,
    read,
    seen_by,
    whole,
    write,
)
from rsf_jax.reuse.graph import Constant
from rsf_jax.reuse.stages import Stage
from rsf_jax.reuse.tiling import Tiling
from rsf_jax.spectral import Spectrum
from rsf_jax.typing import Array


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Everything static about how a stage is brought up to date.

    Attributes:
        stage: the stage.
        around: margins of its own map.
        around_source: margins of the map its window slides over.
        around_beside: margins of the maps it reads at the same pixels.
        cut: its tiles.
        together: tiles that are computed together.
        most: so many tiles are computed as such; where more are due, the whole map is.
        differences: whether a convolution is applied to what has changed of its input (residual),
            and added to its former result.
    """

    stage: Stage
    around: Margins
    around_source: Margins
    around_beside: tuple[Margins, ...]
    cut: Tiling
    together: int
    most: int
    differences: bool

    @property
    def constants(self) -> tuple[int, ...]:
        """Which constants of the graph the stage uses."""
        nodes = [*([self.stage.window] if self.stage.window else []), *self.stage.pointwise]
        found = (x.number for node in nodes for x in node.operands if isinstance(x, Constant))
        return tuple(dict.fromkeys(found))


class Reads(NamedTuple):
    """What a stage reads; parts of it, for a tile.

    Attributes:
        source: the map its window slides over; None without a window.
        before: that map as it was when `Stored.linear` was computed; None unless differences are
            convolved.
        beside: the maps it reads at the same pixels.
        constants: those it uses, in the order of `Plan.constants`.
        threshold: float32; a value that would change by no more keeps the old one.
    """

    source: Array | None
    before: Array | None
    beside: tuple[Array, ...]
    constants: tuple[Array, ...]
    threshold: Any


class Stored(NamedTuple):
    """What a stage keeps from frame to frame; parts of it, for a tile.

    Attributes:
        values: its map.
        linear: what its convolution has given; None unless differences are convolved.
    """

    values: Array
    linear: Array | None


class Done(NamedTuple):
    """What has been done to a map, bool [B, H, W, 1].

    Attributes:
        computed: which pixels have been computed: tiles at the borders overlap others.
        changed: which of them have another value.
    """

    computed: Array
    changed: Array


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def bring_up_to_date(
    plan: Plan,
    reads: Reads,
    stored: Stored,
    spectrum: Spectrum | None,
    indices: Array,
    count: Array,
) -> tuple[Stored, Array]:
    """Computes a stage's tiles that are due, or all of it if they are more than `plan.most`.

    Args:
        plan: the stage.
        reads: the maps it reads, with their margins, already up to date.
        stored: its own, with its margins.
        spectrum: of its kernel, if the whole is computed in the frequency domain.
        indices: int32 [N], the tiles that are due come first.
        count: int32, how many they are.

    Returns:
        Its map, up to date, and bool [B, H, W]: which pixels have changed.
    """

    def some_tiles(loop: tuple) -> tuple:
        k, stored, done = loop
        places = _places(plan, indices, k, count)
        seen, old, before = _read_tiles(plan, places, reads, stored, done)
        new, moves = _compute_tiles(plan, places, seen, old, before.computed)
        after = Done(jnp.ones_like(before.computed), before.changed | moves)
        return k + plan.together, *_write_tiles(plan, places, (stored, done), (new, after))

    def everything(loop: tuple) -> tuple:
        turns, stored, _ = loop
        stored, moves = _compute_whole(plan, reads, stored, spectrum, turns > 0)
        return turns - 1, stored, Done(jnp.ones_like(moves), moves)

    none = jnp.zeros((plan.cut.batch, *plan.cut.size, 1), bool)
    # Loops of no or one turn in place of `lax.cond`, for which XLA copies what it might change.
    is_due = count > plan.most
    first = (is_due.astype(jnp.int32), stored, Done(none, none))
    _, stored, done = lax.while_loop(lambda loop: loop[0] > 0, everything, first)
    if plan.cut.tiles == 1:  # the whole map, which XLA would compute in front of the loop
        return stored, done.changed[..., 0]
    tiles = jnp.where(is_due, 0, count)
    _, stored, done = lax.while_loop(
        lambda loop: loop[0] < tiles, some_tiles, (jnp.int32(0), stored, done)
    )
    return stored, done.changed[..., 0]


def _compute_whole(
    plan: Plan,
    reads: Reads,
    stored: Stored,
    spectrum: Spectrum | None,
    is_due: Array | None = None,
) -> tuple[Stored, Array]:
    stage, everything = plan.stage, whole(plan.stage)
    maps = dict(zip(stage.beside, reads.beside))
    around = dict(zip(stage.beside, plan.around_beside))
    if stage.source is not None:
        assert reads.source is not None
        maps[stage.source], around[stage.source] = reads.source, plan.around_source
    linear, values = dense(stage, maps, around, _by_index(plan, reads), spectrum, is_due)
    values, changed = _keep_small(values, read(stored.values, plan.around, everything), reads)
    kept = linear if plan.differences else None
    return Stored(write(stored.values, plan.around, everything, values), kept), changed


def _keep_small(new: Array, old: Array, reads: Reads) -> tuple[Array, Array]:
    """Keeps old values that would hardly change; which pixels change. NaN always does."""
    moves = ~(jnp.abs(new - old) <= reads.threshold)
    return jnp.where(moves, new, old), moves.any(-1, keepdims=True)


def _by_index(plan: Plan, reads: Reads) -> Any:
    return dict(zip(plan.constants, reads.constants))


def _places(plan: Plan, indices: Array, k: Array, count: Array) -> Rectangle:
    """The tiles from number k on that are computed together."""
    numbers = k + jnp.arange(plan.together)
    # The last ones may be too few: the first of them is computed several times, to the same end.
    return plan.cut.place(indices[jnp.where(numbers < count, numbers, k)])


def _read_tiles(
    plan: Plan, places: Rectangle, reads: Reads, stored: Stored, done: Done
) -> tuple[Reads, Stored, Done]:
    """What tiles read, what is stored of them, and what has been done there.

    In a loop over the tiles: read by whatever needs it, a map that is written to as well would be
    copied at every turn.
    """
    constants = (reads.constants, reads.threshold)

    def one(start: tuple[Array, Array, Array]) -> tuple[Reads, Stored, Done]:
        place = Rectangle(start, places.size)
        here = jax.tree.map(lambda x: read(x, Margins(), place), done)
        return _parts(plan, reads, place), _old(plan, stored, place), here

    found = lax.map(lambda start: jax.tree.map(lambda x: x[0], one(start)), places.start)
    return found[0]._replace(constants=constants[0], threshold=constants[1]), *found[1:]


def _write_tiles(plan: Plan, places: Rectangle, maps: Any, tiles: Any) -> tuple[Stored, Done]:
    """Puts tiles into maps, one after the other."""

    def one(i: Array, maps: tuple[Stored, Done]) -> tuple[Stored, Done]:
        place = Rectangle(tuple(at[i] for at in places.start), places.size)
        new, after = jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, i), tiles)
        stored, done = maps
        done = jax.tree.map(lambda x, values: write(x, Margins(), place, values), done, after)
        return _put(plan, stored, place, new), done

    return lax.fori_loop(0, plan.together, one, maps)


def _parts(plan: Plan, reads: Reads, place: Rectangle) -> Reads:
    """What a tile reads, constants aside."""
    source, before = (
        None if x is None else read(x, plan.around_source, seen_by(plan.stage, place))
        for x in (reads.source, reads.before)
    )
    beside = tuple(
        read(values, around, place) for values, around in zip(reads.beside, plan.around_beside)
    )
    return Reads(source, before, beside, (), None)


def _old(plan: Plan, stored: Stored, place: Rectangle) -> Stored:
    """What is stored of a tile."""
    linear = None if stored.linear is None else read(stored.linear, Margins(), place)
    return Stored(read(stored.values, plan.around, place), linear)


def _put(plan: Plan, stored: Stored, place: Rectangle, new: Stored) -> Stored:
    linear = stored.linear
    if linear is not None:
        assert new.linear is not None
        linear = write(linear, Margins(), place, new.linear)
    return Stored(write(stored.values, plan.around, place, new.values), linear)


def _compute_tiles(
    plan: Plan, place: Rectangle, reads: Reads, old: Stored, is_computed: Array
) -> tuple[Stored, Array]:
    """Computes tiles; `is_computed` says where another one has been, with which they overlap."""
    stage, constants, linear = plan.stage, _by_index(plan, reads), None
    if reads.source is not None:
        values = reads.source if reads.before is None else reads.source - reads.before
        values = hide_padding(stage, values, seen_by(stage, place))
        linear = apply_window(stage, values, constants)
        if old.linear is not None:
            linear = jnp.where(is_computed, old.linear, old.linear + linear)
    beside = {s.node: values for s, values in zip(stage.beside, reads.beside)}
    values = finish(stage, linear, beside, constants, place)
    values, moves = _keep_small(values, old.values, reads)
    return Stored(values, None if old.linear is None else linear), moves


def _forward(
    plan: Plan,
    reads: Reads,
    stored: Stored,
    spectrum: Spectrum | None,
    indices: Array,
    count: Array,
) -> tuple[tuple[Stored, Array], Any]:
    args = (reads, stored, spectrum, indices, count)
    return bring_up_to_date(plan, *args), args


def _backward(plan: Plan, kept: Any, cotangents: tuple[Stored, Any]) -> tuple:
    reads, stored, spectrum, indices, count = kept
    to_stored = cotangents[0]

    def through_whole() -> tuple:
        _, pull_back = jax.vjp(
            lambda *args: _compute_whole(plan, *args)[0], reads, stored, spectrum
        )
        return pull_back(to_stored)

    def through_tiles() -> tuple:
        to_reads, to_old = _pull_back_tiles(plan, reads, stored, indices, count, to_stored)
        return to_reads, to_old, jax.tree.map(jnp.zeros_like, spectrum)

    return (*lax.cond(count > plan.most, through_whole, through_tiles), None, None)


def _pull_back_tiles(
    plan: Plan, reads: Reads, stored: Stored, indices: Array, count: Array, to_stored: Stored
) -> tuple[Reads, Stored]:
    """Pulls back through the tiles that were computed; all others pass on what they get."""
    not_yet = jnp.zeros((1, *plan.cut.tile, 1), bool)

    def body(loop: tuple) -> tuple:
        k, to_stored, to_reads = loop
        place = plan.cut.place(indices[k])
        parts = _parts(plan, reads, place)._replace(
            constants=reads.constants, threshold=reads.threshold
        )
        _, pull_back = jax.vjp(
            lambda reads, old: _compute_tiles(plan, place, reads, old, not_yet)[0],
            parts,
            _old(plan, stored, place),
        )
        # Where tiles overlap, the first one takes all of a pixel's cotangent.
        to_parts, to_old = pull_back(_old(plan, to_stored, place))
        to_reads = _add(plan, to_reads, to_parts, place)
        return k + 1, _put(plan, to_stored, place, to_old), to_reads

    start = (jnp.int32(0), to_stored, jax.tree.map(jnp.zeros_like, reads))
    _, to_stored, to_reads = lax.while_loop(lambda loop: loop[0] < count, body, start)
    return to_reads, to_stored


def _add(plan: Plan, total: Reads, parts: Reads, place: Rectangle) -> Reads:
    """Adds what a tile's parts get to what the maps get."""

    def add(total: Array | None, around: Margins, at: Rectangle, part: Array | None) -> Any:
        if total is None or part is None:
            return None
        return write(total, around, at, read(total, around, at) + part)

    source, before = (
        None if t is None else add(t, plan.around_source, seen_by(plan.stage, place), p)
        for t, p in ((total.source, parts.source), (total.before, parts.before))
    )
    beside = tuple(
        add(t, around, place, p)
        for t, around, p in zip(total.beside, plan.around_beside, parts.beside)
    )
    constants, threshold = jax.tree.map(
        jnp.add, (total.constants, total.threshold), (parts.constants, parts.threshold)
    )
    return Reads(source, before, beside, constants, threshold)


bring_up_to_date.defvjp(_forward, _backward)
