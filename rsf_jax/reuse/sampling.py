"""How rows or columns of a map are made of few others: indices, weights, parts of pixels."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.typing import Array


class Sampling:
    """Along one axis every output is made of the inputs from `first` to `last`.

    Args:
        inputs: number of inputs.
        first: int [outputs].
        last: int [outputs]; before `first` for an output that reads nothing.
    """

    def __init__(self, inputs: int, first: np.ndarray, last: np.ndarray) -> None:
        self.inputs, self.first, self.last = inputs, first, last
        self._ranges: dict[int, tuple[np.ndarray, int]] = {}

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.first)

    def _range(self, outputs: int) -> tuple[np.ndarray, int]:
        """For so many neighboring outputs where they begin to read, and how far they do at most."""
        if outputs not in self._ranges:
            reads = self.last >= self.first
            low = np.where(reads, self.first, self.inputs - 1)
            high = np.where(reads, self.last, 0)
            windows = np.lib.stride_tricks.sliding_window_view
            low, high = windows(low, outputs).min(1), windows(high, outputs).max(1)
            span = max(int((high - low + 1).max()), 1)
            self._ranges[outputs] = np.clip(low, 0, self.inputs - span), span
        return self._ranges[outputs]

    def span(self, outputs: int) -> int:
        """Inputs that so many neighboring outputs read."""
        return self._range(outputs)[1]

    def start(self, at: Any, outputs: int) -> Any:
        """The first input that so many outputs from place `at` on read."""
        starts = self._range(outputs)[0]
        return int(starts[at]) if isinstance(at, int) else jnp.asarray(starts, jnp.int32)[at]

    def margin(self, outputs: int, inputs: int) -> tuple[int, int]:
        """Values that are read in front of all inputs and behind them: none."""
        del outputs, inputs
        return 0, 0

    def changes(self, changed: Array, axis: int) -> jax.Array:
        """Returns which outputs read a changed input.

        Args:
            changed: bool, with the inputs along an axis.
            axis: the axis.
        """
        if self.first.size and (self.first == self.last).all():
            return jnp.take(jnp.asarray(changed), self.first, axis, mode="clip")
        counts = jnp.cumsum(jnp.asarray(changed, jnp.int32), axis)
        padding = [(0, 0)] * counts.ndim
        padding[axis] = (1, 0)
        counts = jnp.pad(counts, padding)
        return jnp.take(counts, self.last + 1, axis) > jnp.take(counts, self.first, axis)

    def sample(self, seen: Array, axis: int, at: Any, count: int) -> jax.Array:
        """Computes some outputs.

        Args:
            seen: [n, h, w, ...], along the axis the inputs from `start(at, count)` on, or all.
            axis: ROWS or COLUMNS.
            at: the first output; for several parts computed together int32 [n].
            count: how many outputs.
        """
        start = 0 if seen.shape[axis] == self.inputs else self.start(at, count)
        if jnp.ndim(at) == 0:
            return self._sample(jnp.asarray(seen), axis, at, start, count)
        each = jax.vmap(lambda x, a, s: self._sample(x[None], axis, a, s, count)[0])
        return each(jnp.asarray(seen), at, jnp.broadcast_to(start, jnp.shape(at)))

    def _sample(self, seen: jax.Array, axis: int, at: Any, start: Any, count: int) -> jax.Array:
        raise NotImplementedError


class Selection(Sampling):
    """Every output is one input, or a number where the index is below 0."""

    def __init__(self, inputs: int, index: np.ndarray, fill: float = 0.0) -> None:
        index = np.asarray(index, np.int64)
        reads = index >= 0
        super().__init__(inputs, np.where(reads, index, 0), np.where(reads, index, -1))
        self.fill = fill

    @property
    def index(self) -> np.ndarray:
        """Which input every output is; -1 where it is none."""
        return self.last

    @property
    def fills(self) -> bool:
        """Whether any output is none of the inputs."""
        return bool((self.index < 0).any())

    def _sample(self, seen: jax.Array, axis: int, at: Any, start: Any, count: int) -> jax.Array:
        index = _part(self.index, at, count)
        values = jnp.take(seen, index - start, axis, mode="clip")
        if not self.fills:
            return values
        shape = [1] * values.ndim
        shape[axis] = count
        return jnp.where((index >= 0).reshape(shape), values, jnp.asarray(self.fill, values.dtype))


class Weighting(Sampling):
    """Every output is a weighted sum of neighboring inputs."""

    def __init__(self, weights: np.ndarray, precision: Any = None) -> None:
        """Weights are [outputs, inputs]; the precision is that of JAX's products."""
        found = weights != 0
        some = found.any(1)
        first = np.where(some, found.argmax(1), 0)
        last = np.where(some, weights.shape[1] - 1 - found[:, ::-1].argmax(1), -1)
        super().__init__(weights.shape[1], first, last)
        self.weights, self.precision = weights, precision

    def _sample(self, seen: jax.Array, axis: int, at: Any, start: Any, count: int) -> jax.Array:
        weights = jnp.asarray(self.weights, seen.dtype)
        place = [jnp.asarray(i, jnp.int32) for i in (at, start)]
        weights = lax.dynamic_slice(weights, place, (count, seen.shape[axis]))
        sums = jnp.tensordot(weights, seen, (1, axis), precision=self.precision)
        return jnp.moveaxis(sums, 0, axis)


class Merging(Sampling):
    """Every input has several outputs, which lie in an axis of its channels: depth to space."""

    def __init__(self, inputs: int, parts: int, axis: int, outputs: int | None = None) -> None:
        """The axis is that of the parts; fewer `outputs` leave out the last ones."""
        first = np.arange(inputs * parts if outputs is None else outputs) // parts
        super().__init__(inputs, first, first)
        self.parts, self.axis = parts, axis

    def _sample(self, seen: jax.Array, axis: int, at: Any, start: Any, count: int) -> jax.Array:
        beside = jnp.moveaxis(seen, self.axis, axis + 1)
        shape = list(seen.shape)
        del shape[self.axis]
        shape[axis] *= self.parts
        return lax.dynamic_slice_in_dim(beside.reshape(shape), at - start * self.parts, count, axis)


class Splitting(Sampling):
    """Every output has several inputs, in an axis of its channels: space to depth."""

    def __init__(self, inputs: int, parts: int, axis: int) -> None:
        """The axis is that of the parts."""
        first = np.arange(inputs // parts) * parts
        super().__init__(inputs, first, first + parts - 1)
        self.parts, self.axis = parts, axis

    def _sample(self, seen: jax.Array, axis: int, at: Any, start: Any, count: int) -> jax.Array:
        del at, start
        shape = [*seen.shape[:axis], count, self.parts, *seen.shape[axis + 1 :]]
        return jnp.moveaxis(seen.reshape(shape), axis + 1, self.axis)


def _part(values: np.ndarray, at: Any, count: int) -> jax.Array:
    return lax.dynamic_slice_in_dim(jnp.asarray(values, jnp.int32), at, count)
