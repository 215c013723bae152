"""Brings a stored map up to date: tile by tile, or as a whole where too much has changed."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rsf_jax.ops.conv import KernelSpectrum
from rsf_jax.reuse.evaluate import apply_window, dense, finish, hide_padding
from rsf_jax.reuse.maps import Rectangle, differs, read, seen_by, whole, write
from rsf_jax.reuse.parts import (
    Done,
    Plan,
    Reads,
    Stored,
    add_parts,
    parts_of,
    places_of,
    put,
    read_tiles,
    stored_of,
    write_tiles,
)
from rsf_jax.typing import Array


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def bring_up_to_date(
    plan: Plan,
    reads: Reads,
    stored: Stored,
    spectrum: KernelSpectrum | None,
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
        places = places_of(plan, indices, k, count)
        seen, old, before = read_tiles(plan, places, reads, stored, done)
        new, moves = _compute_tiles(plan, places, seen, old, before.computed)
        after = Done(jnp.ones_like(before.computed), before.changed | moves)
        return k + plan.together, *write_tiles(plan, places, (stored, done), (new, after))

    def everything(loop: tuple) -> tuple:
        turns, stored, _ = loop
        stored, moves = _compute_whole(plan, reads, stored, spectrum, turns > 0)
        return turns - 1, stored, Done(jnp.ones_like(moves), moves)

    none = jnp.zeros((plan.cut.batch, *plan.cut.size, 1), bool)
    # Loops of no or one turn instead of `lax.cond`, for which XLA copies what it might change.
    # See docs/decisions/0019-reuse-under-xla.md.
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
    spectrum: KernelSpectrum | None,
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
    moves = differs(new, old, reads.threshold)
    return jnp.where(moves, new, old), moves.any(-1, keepdims=True)


def _by_index(plan: Plan, reads: Reads) -> Any:
    return dict(zip(plan.constants, reads.constants))


def _compute_tiles(
    plan: Plan, place: Rectangle, reads: Reads, old: Stored, is_computed: Array
) -> tuple[Stored, Array]:
    """Computes tiles; `is_computed` says where another one has been, with which they overlap."""
    stage, constants, linear = plan.stage, _by_index(plan, reads), None
    if reads.source is not None:
        values = reads.source if reads.before is None else reads.source - reads.before
        values = hide_padding(stage, values, seen_by(stage, place))
        linear = apply_window(stage, values, constants, place)
        if old.linear is not None:
            linear = jnp.where(is_computed, old.linear, old.linear + linear)
    others = {s.node: values for s, values in zip(stage.beside, reads.beside)}
    values = finish(stage, linear, others, constants, place)
    values, moves = _keep_small(values, old.values, reads)
    return Stored(values, None if old.linear is None else linear), moves


def _forward(
    plan: Plan,
    reads: Reads,
    stored: Stored,
    spectrum: KernelSpectrum | None,
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
        parts = parts_of(plan, reads, place)._replace(
            constants=reads.constants, threshold=reads.threshold
        )
        _, pull_back = jax.vjp(
            lambda reads, old: _compute_tiles(plan, place, reads, old, not_yet)[0],
            parts,
            stored_of(plan, stored, place),
        )
        # Where tiles overlap, the first one takes all of a pixel's cotangent.
        to_parts, to_old = pull_back(stored_of(plan, to_stored, place))
        to_reads = add_parts(plan, to_reads, to_parts, place)
        return k + 1, put(plan, to_stored, place, to_old), to_reads

    start = (jnp.int32(0), to_stored, jax.tree.map(jnp.zeros_like, reads))
    _, to_stored, to_reads = lax.while_loop(lambda loop: loop[0] < count, body, start)
    return to_reads, to_stored


bring_up_to_date.defvjp(_forward, _backward)
