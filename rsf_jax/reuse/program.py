"""A network as a program that is brought up to date frame by frame: pure functions."""

import collections
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.ops.conv import kernel_spectrum
from rsf_jax.reuse.ending import evaluate_end
from rsf_jax.reuse.evaluate import Constants, dense, kernel_of, uses_spectrum
from rsf_jax.reuse.graph import Graph
from rsf_jax.reuse.maps import Margins, differs, margins, pad, read, whole
from rsf_jax.reuse.outlook import WORTH, share_of_time
from rsf_jax.reuse.parts import Plan, Reads, Stored
from rsf_jax.reuse.products import products
from rsf_jax.reuse.stages import Stage, at_the_end, in_order, plan
from rsf_jax.reuse.state import ReuseState, Way, Weights
from rsf_jax.reuse.tiling import tiles_to_compute
from rsf_jax.reuse.tuning import time_of_products, tune
from rsf_jax.reuse.update import bring_up_to_date
from rsf_jax.typing import Array

METHODS = ("region", "residual")
# Share of the frame's pixels from which on a change is a scene cut.
_CUT = 0.8


class Program:
    """The stages of a network, and how they are brought up to date.

    Attributes:
        stages: in the order they are computed; the first is the frame.
        plans: one for each stage but the first.
        end: what is computed anew for every frame, each after its operands.
        owner: number of the network, which its states carry.
    """

    def __init__(
        self, graph: Graph, method: str, tile_side: int | None = None, owner: int = 0
    ) -> None:
        self.graph, self.owner = graph, owner
        self.stages = plan(graph)
        end = at_the_end(graph)
        self.end = [node for node in in_order(graph) if node in end]
        self.residual = method == "residual"
        self._must_reuse = tile_side is not None
        self._around = {stage: margins(stage, self.stages) for stage in self.stages}
        self._compared = {
            stage.source for stage in self.stages if self.residual and stage.is_convolution
        }
        self.plans = [self._plan(stage, tile_side) for stage in self.stages[1:]]
        self._end_time = time_of_products(sum(map(products, self.end), 0.0))

    @property
    def names(self) -> list[str]:
        """A name for each stage: that of its layer, numbered where several are the same."""
        seen: collections.Counter[str] = collections.Counter()
        found = []
        for stage in self.stages:
            seen[stage.name] += 1
            count = seen[stage.name]
            found.append(stage.name if count == 1 else f"{stage.name}#{count}")
        return found

    def _plan(self, stage: Stage, tile_side: int | None) -> Plan:
        tuning = tune(stage, tile_side)
        return Plan(
            stage,
            self._around[stage],
            Margins() if stage.source is None else self._around[stage.source],
            tuple(self._around[s] for s in stage.beside),
            *tuning,
            self.residual and stage.is_convolution,
        )

    def weights(self) -> Weights:
        """Returns what depends on the network's weights alone."""
        constants = dict(enumerate(self.graph.constants))
        spectra = {
            i: kernel_spectrum(kernel_of(stage, constants), *stage.size)
            for i, stage in enumerate(self.stages)
            if uses_spectrum(stage)
        }
        return Weights(constants, spectra)

    def start(self, weights: Weights, frame: Array) -> tuple[ReuseState, Any]:
        """Computes everything of a frame.

        Args:
            weights: as `weights` returns them.
            frame: float [B, H, W, C].

        Returns:
            The state after it, and the network's output.
        """
        maps, linear = self._everything(weights, frame)
        padded = [pad(maps[stage], self._around[stage]) for stage in self.stages]
        stored = [Stored(padded[0], None)] + [
            Stored(values, linear[each.stage] if each.differences else None)
            for each, values in zip(self.plans, padded[1:])
        ]
        before = tuple(
            values if stage in self._compared else None
            for stage, values in zip(self.stages, padded)
        )
        everything = jnp.ones(len(self.stages), jnp.float32)
        state = ReuseState(
            tuple(stored),
            before,
            jnp.zeros_like(frame),
            jnp.bool_(False),
            jnp.int32(0),
            everything,
            self.owner,
        )
        return state, self._output(weights.constants, list(maps.values()))

    def _everything(
        self, weights: Weights, frame: Array
    ) -> tuple[dict[Stage, Array], dict[Stage, Array | None]]:
        """Every map, without margins, and what its convolution has given."""
        maps: dict[Stage, Array] = {self.stages[0]: jnp.asarray(frame)}
        linear: dict[Stage, Array | None] = {}
        # Only tiles need margins: cutting them off again would take a copy.
        none = dict.fromkeys(self.stages, Margins())
        for i, each in enumerate(self.plans, 1):
            linear[each.stage], maps[each.stage] = dense(
                each.stage, maps, none, weights.constants, weights.spectra.get(i)
            )
        return maps, linear

    def way(self, state: ReuseState, frame: Array, thresholds: Array) -> Array:
        """Foresees the fastest way to process a frame, a `Way`.

        Where reuse is not worth it, everything is computed and nothing stored, until a frame
        resembles the one before so much that the next one will gain by what this one stores.
        Truncation by layers cannot be foreseen: only scene cuts are taken apart then.
        """
        old = read(state.stored[0].values, self._around[self.stages[0]], whole(self.stages[0]))
        changed = differs(frame, old, thresholds[0]).any(-1)
        cut = jnp.where(changed.mean() > _CUT, Way.RESTART, Way.ADVANCE)
        if self._must_reuse:
            return cut

        def is_worth(changed: Array) -> Array:
            return share_of_time(self.plans, changed, self._end_time) < WORTH

        def since_plain() -> Array:
            changed = differs(frame, state.plain, thresholds[0]).any(-1)
            return jnp.where(state.is_plain & is_worth(changed), Way.RESTART, Way.PLAIN)

        foreseen = jax.lax.cond(
            is_worth(changed), lambda: jnp.full_like(cut, Way.ADVANCE), since_plain
        )
        return jnp.where((thresholds[1:] > 0).any(), cut, foreseen)

    def next(
        self,
        weights: Weights,
        state: ReuseState,
        frame: Array,
        thresholds: Array,
        refresh: Array | bool = False,
    ) -> tuple[ReuseState, Any]:
        """Processes a frame the way that is foreseen to be the fastest; see `advance`."""
        ways = {
            Way.ADVANCE: lambda: self.advance(weights, state, frame, thresholds, refresh),
            Way.RESTART: lambda: self.start(weights, frame),
            Way.PLAIN: lambda: (state.passed_by(frame), self.whole(weights, frame)[0]),
        }
        return jax.lax.switch(self.way(state, frame, thresholds), [ways[way] for way in Way])

    def whole(self, weights: Weights, frame: Array) -> tuple[Any, Array]:
        """Computes everything of a frame, and stores nothing.

        Returns:
            The network's output; and the last map, without which XLA's CPU compiler computes small
            maps on one core (ResNet-18 at 224x224: 56 instead of 34 ms).
        """
        # See docs/decisions/0019-reuse-under-xla.md.
        maps = list(self._everything(weights, frame)[0].values())
        return self._output(weights.constants, maps), maps[-1]

    def advance(
        self,
        weights: Weights,
        state: ReuseState,
        frame: Array,
        thresholds: Array,
        refresh: Array | bool = False,
    ) -> tuple[ReuseState, Any]:
        """Computes what has changed since the last frame.

        Args:
            weights: as `weights` returns them.
            state: after the last frame.
            frame: float [B, H, W, C].
            thresholds: float32 [stages]; a value that would change by no more keeps the old one.
                Below 0 whatever is computed counts as changed, even if it has the same value.
            refresh: whether to compute everything.

        Returns:
            The state after it, and the network's output.
        """
        thresholds = jnp.where(refresh, jnp.minimum(thresholds, 0), thresholds)
        first, changed = self._take_frame(state, frame, thresholds[0])
        stored: list[Stored] = [first]
        masks = {self.stages[0]: changed}
        shares = [changed.mean(dtype=jnp.float32)]
        for i, each in enumerate(self.plans, 1):
            reads = self._reads(each, stored, state.before, weights.constants, thresholds[i])
            indices, count = tiles_to_compute(each.stage, each.cut, masks)
            count = jnp.where(refresh, each.cut.tiles + 1, count)
            new, masks[each.stage] = bring_up_to_date(
                each, reads, state.stored[i], weights.spectra.get(i), indices, count
            )
            stored.append(new)
            share = count.astype(jnp.float32) / each.cut.tiles
            shares.append(jnp.where(count > each.most, 1, share))
        before = tuple(
            None if old is None else new.values for old, new in zip(state.before, stored)
        )
        age = jnp.where(refresh, 0, state.age + 1)
        state = ReuseState(
            tuple(stored),
            before,
            state.plain,
            jnp.bool_(False),
            age,
            jnp.stack(shares),
            self.owner,
        )
        return state, self._output(weights.constants, self.maps(state))

    def maps(self, state: ReuseState) -> list[Array]:
        """Returns the stored maps without their margins, [B, H, W, C] each."""
        return [
            read(stored.values, self._around[stage], whole(stage))
            for stage, stored in zip(self.stages, state.stored)
        ]

    def _take_frame(
        self, state: ReuseState, frame: Array, threshold: Array
    ) -> tuple[Stored, Array]:
        around = self._around[self.stages[0]]
        old = read(state.stored[0].values, around, whole(self.stages[0]))
        moves = differs(frame, old, threshold)
        return Stored(pad(jnp.where(moves, frame, old), around), None), moves.any(-1)

    def _reads(
        self,
        each: Plan,
        stored: list[Stored],
        before: tuple[Array | None, ...],
        constants: Constants,
        threshold: Array,
    ) -> Reads:
        number = {stage: i for i, stage in enumerate(self.stages)}
        source = None if each.stage.source is None else number[each.stage.source]
        return Reads(
            None if source is None else stored[source].values,
            before[source] if source is not None and each.differences else None,
            tuple(stored[number[s]].values for s in each.stage.beside),
            tuple(constants[i] for i in each.constants),
            threshold,
        )

    def _output(self, constants: Constants, maps: list[Array]) -> Any:
        values = {stage.node: x for stage, x in zip(self.stages, maps)}
        leaves = evaluate_end(self.graph, self.end, values, constants)
        return jax.tree.unflatten(self.graph.treedef, leaves)
