"""What a stage reads and stores, as a whole and for tiles."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.reuse.graph import Constant
from rsf_jax.reuse.maps import Margins, Rectangle, beside, read, seen_by, write
from rsf_jax.reuse.stages import Stage
from rsf_jax.reuse.tiling import Tiling
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


def places_of(plan: Plan, indices: Array, k: Array, count: Array) -> Rectangle:
    """The tiles from number k on that are computed together."""
    numbers = k + jnp.arange(plan.together)
    # The last ones may be too few: the first of them is computed several times, to the same end.
    return plan.cut.place(indices[jnp.where(numbers < count, numbers, k)])


def read_tiles(
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
        return parts_of(plan, reads, place), stored_of(plan, stored, place), here

    found = lax.map(lambda start: jax.tree.map(lambda x: x[0], one(start)), places.start)
    return found[0]._replace(constants=constants[0], threshold=constants[1]), *found[1:]


def write_tiles(plan: Plan, places: Rectangle, maps: Any, tiles: Any) -> tuple[Stored, Done]:
    """Puts tiles into maps, one after the other."""

    def one(i: Array, maps: tuple[Stored, Done]) -> tuple[Stored, Done]:
        place = Rectangle(tuple(at[i] for at in places.start), places.size)
        new, after = jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, i), tiles)
        stored, done = maps
        done = jax.tree.map(lambda x, values: write(x, Margins(), place, values), done, after)
        return put(plan, stored, place, new), done

    return lax.fori_loop(0, plan.together, one, maps)


def parts_of(plan: Plan, reads: Reads, place: Rectangle) -> Reads:
    """What a tile reads, constants aside."""
    source, before = (
        None if x is None else read(x, plan.around_source, seen_by(plan.stage, place))
        for x in (reads.source, reads.before)
    )
    others = tuple(
        read(values, around, beside(plan.stage, other, place))
        for values, around, other in zip(reads.beside, plan.around_beside, plan.stage.beside)
    )
    return Reads(source, before, others, (), None)


def stored_of(plan: Plan, stored: Stored, place: Rectangle) -> Stored:
    """What is stored of a tile."""
    linear = None if stored.linear is None else read(stored.linear, Margins(), place)
    return Stored(read(stored.values, plan.around, place), linear)


def put(plan: Plan, stored: Stored, place: Rectangle, new: Stored) -> Stored:
    """Puts a tile into what is stored."""
    linear = stored.linear
    if linear is not None:
        assert new.linear is not None
        linear = write(linear, Margins(), place, new.linear)
    return Stored(write(stored.values, plan.around, place, new.values), linear)


def add_parts(plan: Plan, total: Reads, parts: Reads, place: Rectangle) -> Reads:
    """Adds what a tile's parts get to what the maps get."""

    def add(total: Array | None, around: Margins, at: Rectangle, part: Array | None) -> Any:
        if total is None or part is None:
            return None
        return write(total, around, at, read(total, around, at) + part)

    source, before = (
        None if t is None else add(t, plan.around_source, seen_by(plan.stage, place), p)
        for t, p in ((total.source, parts.source), (total.before, parts.before))
    )
    others = tuple(
        add(t, around, beside(plan.stage, other, place), p)
        for t, around, other, p in zip(
            total.beside, plan.around_beside, plan.stage.beside, parts.beside
        )
    )
    constants, threshold = jax.tree.map(
        jnp.add, (total.constants, total.threshold), (parts.constants, parts.threshold)
    )
    return Reads(source, before, others, constants, threshold)
