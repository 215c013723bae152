"""Halting by the readout: a frame ends when what is read out of its state is sure, or stays."""

import math
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError
from rsf_jax.ops.quantiles import quantile
from rsf_jax.policies import arguments
from rsf_jax.policies.base import Memory, Recurrence
from rsf_jax.policies.bounds import Bounded
from rsf_jax.policies.values import check_samples, checked, is_known
from rsf_jax.policies.wrapper import equals
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Carry

_TWO_CLASSES = 2
_NUMBERS = ("threshold", "share")


@flax.struct.dataclass
class ReadoutHalting(Bounded):
    """Ends a frame by the class probabilities that are read out of its state.

    A sample halts after the first step whose measure is at most `threshold`:

    - "entropy": the entropy of a pixel's class probabilities over log K, 0 where one class is
      certain and 1 where all are alike; mean over the pixels or, with `share`, over that share of
      them that are the least certain;
    - "flips": the share of pixels whose most probable class is another than before the step;
    - "news": the share of pixels whose most probable class is one that they have not had in this
      frame, the readout that it starts from included. A pixel that goes back and forth counts once:
      where states circle instead of coming to rest, what has still to be found is told apart from
      that;
    - "change": half the sum over classes of what the probabilities have changed by, which is the
      probability that has gone to other classes; mean over the pixels.

    The measure counts from `min_steps` on, on a video's first frame from `min_first_steps`, and
    `max_steps` ends the frame at the latest. The first step of a frame is compared with the
    readout of the state that it starts from: what the frame before has left or, on a first frame,
    the initial state, of which nothing can be read. A sample whose logits are not finite runs to
    the cap.

    Each step is read out, which costs a normalization and a 1x1 convolution in the library's own
    networks. Nothing is trained for it.

    Thresholds and shares are traced: trying others compiles nothing. They may be arrays [B], one
    for each sample.

    Attributes:
        rule: "entropy", "flips", "news" or "change".
        threshold: at least 0.
        max_steps: the most steps.
        min_steps: the fewest.
        min_first_steps: the fewest on the first frame of a video, if more than `min_steps`.
        share: of "entropy" alone, the share of pixels that count, above 0 and at most 1.

    Raises:
        InputError: if a value is none of these, or the model reads out fewer than two classes.
    """

    __repr__ = in_a_line

    rule: str = flax.struct.field(pytree_node=False)
    threshold: Any
    max_steps: int = flax.struct.field(pytree_node=False)
    min_steps: int = flax.struct.field(pytree_node=False, default=1)
    min_first_steps: int = flax.struct.field(pytree_node=False, default=1)
    share: Any = 1.0

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        if self.rule not in list(RULES):
            raise InputError(
                f"rule is {self.rule!r}: choose one of {', '.join(RULES)}"
                f"{suggestion(self.rule, RULES)}"
            )
        self._check_bounds()
        object.__setattr__(self, "threshold", checked("threshold", self.threshold))
        object.__setattr__(self, "share", checked("share", self.share, above=0, most=1))
        if self.rule != "entropy" and is_known(self.share) and np.not_equal(self.share, 1).any():
            raise InputError(
                f"share is {self.share}: the rule {self.rule} is of all pixels, leave it out"
            )

    def __eq__(self, other: object) -> bool:
        """Whether two rules are the same, whichever arrays their numbers are in."""
        return equals(self, other)

    def __hash__(self) -> int:
        """Of what compiles to one program."""
        return hash(jax.tree.structure(self))

    def __str__(self) -> str:
        """Returns the rule as `parse_policy` reads it."""
        return ":".join(["readout", *arguments.write(self)])

    def observe(self, recurrence: Recurrence, carry: Carry) -> Array:
        """Returns the logits, [B, H, W, K]; see `StepwisePolicy`."""
        return recurrence.readout(carry)

    def init_state(self, seen: Array) -> Memory:
        """Returns what the first step is compared with; see `StepwisePolicy`.

        Raises:
            InputError: if there are thresholds of another number of samples, or fewer than two
                classes.
        """
        check_samples(self, _NUMBERS, seen.shape[0])
        if seen.shape[-1] < _TWO_CLASSES:
            raise InputError(
                f"policy {self}: the model reads out {list(seen.shape)}, and halting by the "
                "readout needs two classes or more on the last axis"
            )
        return RULES[self.rule](_by_pixel(seen), None, self.share)[1]

    def should_continue(
        self, n: Array, before: Array, after: Array, state: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """Applies the rule; see `StepwisePolicy`.

        What was read out before the step is in `state`: read out of `before`, it would be computed
        twice.
        """
        measure, state = RULES[self.rule](_by_pixel(after), state, self.share)
        finite = jnp.isfinite(after).all(tuple(range(1, after.ndim)))
        return self._goes_on(n, finite & (measure <= self.threshold), first), state


def _by_pixel(logits: Array) -> Array:
    """Logits [B, P, K] of all pixels in a line."""
    return logits.reshape(logits.shape[0], -1, logits.shape[-1])


# (logits [B, P, K], what the step before has left, share) -> measure [B], what this one leaves. In
# front of a frame's first step nothing is left yet, and the measure is not looked at.
_Rule = Callable[[Array, Memory, Any], tuple[Array, Memory]]


def _entropy(logits: Array, _: Memory, share: Any) -> tuple[Array, Memory]:
    log_p = jax.nn.log_softmax(logits)
    entropy = -(jnp.exp(log_p) * log_p).sum(-1) / math.log(logits.shape[-1])
    return mean_of_most(entropy, share), ()


def _flips(logits: Array, before: Memory, _: Any) -> tuple[Array, Memory]:
    found = logits.argmax(-1).astype(jnp.int32)
    other = found != (found if before is None else before)
    return other.mean(-1, dtype=logits.dtype), found


def _news(logits: Array, had: Memory, _: Any) -> tuple[Array, Memory]:
    found = jax.nn.one_hot(logits.argmax(-1), logits.shape[-1], dtype=bool)
    had = found if had is None else had
    return (found & ~had).any(-1).mean(-1, dtype=logits.dtype), had | found


def _change(logits: Array, before: Memory, _: Any) -> tuple[Array, Memory]:
    found = jax.nn.softmax(logits)
    moved = jnp.abs(found - (found if before is None else before)).sum(-1) / 2
    return moved.mean(-1), found


RULES: dict[str, _Rule] = {
    "entropy": _entropy,
    "flips": _flips,
    "news": _news,
    "change": _change,
}


def mean_of_most(values: Array, share: Any) -> Array:
    """Returns the mean of the largest values of each sample, [B].

    Args:
        values: [B, P], in 0..1.
        share: of the values that count, above 0 and at most 1, a number or [B]. What it cuts a
            value in two counts in part.
    """
    # Sorting has no form in ONNX here, and takes longer. What a part of the range does not tell
    # apart counts by its mean: equal values, of which a part counts, do by themselves.
    start = quantile(values, 1 - jnp.asarray(share, values.dtype), 0.0, 1.0, rounds=_ROUNDS)
    end = (start + 16.0**-_ROUNDS)[:, None]
    above = (values >= end) & (end < 1)  # the last part has its end
    within = (values >= start[:, None]) & ~above
    wanted = share * values.shape[1]
    rest = (wanted - above.sum(-1)) * _mean(values, within)
    return (jnp.where(above, values, 0).sum(-1) + rest) / wanted


# Of a quantile, whose parts are then those of float32 below 1.
_ROUNDS = 6


def _mean(values: Array, counts: Array) -> Array:
    """The mean of the values that count, [B]; 0 if there are none."""
    return jnp.where(counts, values, 0).sum(-1) / jnp.maximum(counts.sum(-1), 1)
