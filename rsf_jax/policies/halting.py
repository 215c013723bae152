"""Halting: a frame ends when its hidden state has stopped moving."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import suggestion
from rsf_jax.errors import InputError
from rsf_jax.policies.arguments import in_text
from rsf_jax.policies.bounds import Bounded
from rsf_jax.policies.values import check_samples, checked, same
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array

# (h [B, C, H, W], h' [B, C, H, W]) -> distance [B]
Metric = Callable[[Array, Array], Array]


def l1(a: Array, b: Array) -> Array:
    """Sum of absolute differences of each sample, [B]."""
    return jnp.abs(_full(a) - _full(b)).sum(tuple(range(1, a.ndim)))


def l2(a: Array, b: Array) -> Array:
    """Euclidean distance of each sample, [B]."""
    return jnp.sqrt(jnp.square(_full(a) - _full(b)).sum(tuple(range(1, a.ndim))))


def pattern(a: Array, b: Array) -> Array:
    """Euclidean distance but for what is the same at every pixel of a channel, [B].

    A state may drift as a whole long after its pattern has settled. Readouts that normalize by the
    sample's own statistics never see that drift, which can be most of the Euclidean distance.
    """
    difference = _full(a) - _full(b)
    return l2(difference, difference.mean((2, 3), keepdims=True))


def _full(x: Array) -> Array:
    """Values of half precision as float32: sums of their squares soon exceed float16."""
    return jnp.asarray(x, jnp.promote_types(x.dtype, jnp.float32))


# By name; users' own are added by `register_metric`.
METRICS: dict[str, Metric] = {"l1": l1, "l2": l2, "pattern": pattern}
_OWN = tuple(METRICS)
# See docs/decisions/0001-policies-and-halting.md.
# A threshold that no ratio falls below: a sample then halts by `rtol` alone.
NEVER = 1e-9
# What a rule has besides metric, threshold and cap, unless told otherwise.
DEFAULTS: dict[str, int | float] = {
    "min_steps": 1,
    "min_first_steps": 1,
    "rtol": 0.0,
    "epsilon": 1e-8,
}


@flax.struct.dataclass
class DistanceHalting(Bounded):
    """Ends a frame when a step moves the hidden state little against the step before.

    With d_n = metric(h_n, h_{n-1}) and d_0 = 0, a sample halts after step n when

        d_n / (d_{n-1} + epsilon) < threshold    or    d_n <= rtol metric(h_n, 0)

    but not before `min_steps`, on a video's first frame not before `min_first_steps` either, and
    after `max_steps` at the latest. Every sample of a batch halts
    for itself; the batch runs until the last one has. Since d_0 = 0, the first inequality holds
    after the second step at the earliest, unless the first step moves nothing.

    Without `rtol` (the paper's rule) a state that has already converged, as in front of a still
    camera, moves by rounding alone: the ratios are then noise near 1, and frames may run to the
    cap. `rtol=1e-4` or so ends them. With the threshold `NEVER` and a larger `rtol`, say 0.1 for
    the metric "pattern", the movement relative to the state alone decides. Distances are taken in
    float32 at least; where one is not finite, as of a state that is not a number, a sample runs to
    the cap.

    A video's first step leaves the initial state, which resembles no other, in one great leap: the
    second step is small beside it, and the paper's rule may end the first frame there.
    `min_first_steps`, such as the slow steps of training, keeps it from that.

    Thresholds, epsilon and rtol are traced: trying others compiles nothing. They may be arrays
    [B], one value for each sample.

    Attributes:
        metric: "l1", "l2", "pattern" (see the function of that name), or a traceable function of
            two feature maps [B, C, H, W], float32 at least, that returns [B]; the name of a
            registered one stands for its function.
        threshold: ratio of distances below which a sample halts, above 0.
        max_steps: the most steps.
        min_steps: the fewest.
        min_first_steps: the fewest on the first frame of a video, if more than `min_steps`.
        epsilon: added to the denominator, above 0.
        rtol: share of the state's own size below which a movement counts as none, at least 0.

    Raises:
        InputError: if a value is none of these.

    Source: Wang et al. 2023, algorithm 1; `rtol`, the minima and the metric "pattern" are
    additions. The pseudo-code
    would allow `max_steps` + 1 steps; its text does not.
    """

    __repr__ = in_a_line

    metric: str | Metric = flax.struct.field(pytree_node=False, default="l2")
    threshold: Any = 1.0
    max_steps: int = flax.struct.field(pytree_node=False, default=12)
    min_steps: int = flax.struct.field(pytree_node=False, default=DEFAULTS["min_steps"])
    min_first_steps: int = flax.struct.field(pytree_node=False, default=DEFAULTS["min_first_steps"])
    epsilon: Any = DEFAULTS["epsilon"]
    rtol: Any = DEFAULTS["rtol"]

    def __post_init__(self) -> None:
        """Checks everything that is known; traced values are not."""
        # A function of the library is known by its name, as texts and files have it.
        own = (name for name in _OWN if METRICS[name] is self.metric)
        object.__setattr__(self, "metric", next(own, self.metric))
        if not callable(self.metric):
            if self.metric not in list(METRICS):
                raise InputError(
                    f"metric is {self.metric!r}: choose one of {', '.join(METRICS)}, or give a "
                    f"function{suggestion(self.metric, METRICS)}"
                )
            # A registered name may get another function; what was compiled is known by this one.
            if self.metric not in _OWN:
                object.__setattr__(self, "metric", METRICS[self.metric])
        self._check_bounds()
        for name, above in (("threshold", 0.0), ("epsilon", 0.0), ("rtol", None)):
            object.__setattr__(self, name, checked(name, getattr(self, name), above=above))

    def __eq__(self, other: object) -> bool:
        """Whether two rules are the same, whichever arrays their numbers are in."""
        if not isinstance(other, DistanceHalting):
            return NotImplemented
        numbers = ("threshold", "epsilon", "rtol")
        return self._kind == other._kind and all(
            same(getattr(self, name), getattr(other, name)) for name in numbers
        )

    def __hash__(self) -> int:
        """Of what compiles to one program."""
        return hash(self._kind)

    @property
    def _kind(self) -> tuple[Any, ...]:
        return self.metric, self.max_steps, self.min_steps, self.min_first_steps

    def __str__(self) -> str:
        """Returns the rule as `parse_policy` reads it; a threshold of `NEVER` is not written."""
        if not (isinstance(self.threshold, float) and self.threshold == NEVER):
            return self.in_full()
        options = self._options("rtol")
        return f"{self.metric_name}:rtol={self.rtol}:{self.max_steps}{options}"

    def in_full(self) -> str:
        """Returns the rule with its threshold, whatever that is: as files are named."""
        threshold = in_text(self.threshold)
        return f"{self.metric_name}:{threshold}:{self.max_steps}{self._options()}"

    def _options(self, *but: str) -> str:
        values = {name: getattr(self, name) for name in DEFAULTS if name not in but}
        others = {k: v for k, v in values.items() if str(v) != str(DEFAULTS[k])}
        return "".join(f":{k}={in_text(v)}" for k, v in others.items())

    @property
    def metric_name(self) -> str:
        """The metric's name: that by which it is registered, else its function's own."""
        if isinstance(self.metric, str):
            return self.metric
        known = (name for name, metric in METRICS.items() if metric is self.metric)
        return next(known, None) or _unregistered(self.metric)

    def init_state(self, seen: Array) -> Array:
        """Returns the distance before the first step, 0; see `StepwisePolicy`.

        Raises:
            InputError: if there are thresholds of another number of samples.
        """
        check_samples(self, ("threshold", "epsilon", "rtol"), seen.shape[0])
        return jnp.zeros(seen.shape[0], _full(seen).dtype)

    def should_continue(
        self, n: Array, before: Array, after: Array, state: Array, first: bool | Array
    ) -> tuple[Array, Array]:
        """Applies the rule; see `StepwisePolicy`."""
        after, before = _full(after), _full(before)
        distance = self._distance(after, before)
        size = self._distance(after, jnp.zeros_like(after))
        settled = distance / (state + self.epsilon) < self.threshold
        still = distance <= self.rtol * size
        # Anything is little beside what has overflowed.
        settled, still = settled & jnp.isfinite(state), still & jnp.isfinite(size)
        return self._goes_on(n, (settled | still) & jnp.isfinite(distance), first), distance

    def _distance(self, a: Array, b: Array) -> Array:
        """What the metric returns, [B], in the states' type: a count of pixels is a distance too.

        Raises:
            InputError: if it returns something else.
        """
        metric = METRICS[self.metric] if isinstance(self.metric, str) else self.metric
        distance = metric(a, b)
        is_array = isinstance(distance, jax.Array | np.ndarray)
        if not is_array or distance.shape != a.shape[:1] or jnp.iscomplexobj(distance):
            kind = type(distance).__name__
            if is_array:
                kind = f"{distance.dtype}{list(distance.shape)}"
            raise InputError(
                f"metric {_name(metric)} returns {kind}: one distance for each sample is needed, "
                f"real numbers {list(a.shape[:1])}"
            )
        return jnp.asarray(distance, a.dtype)


def _name(metric: Any) -> str:
    """A function's name; that of what a partial one is part of."""
    inner = getattr(metric, "func", metric)
    return getattr(inner, "__name__", type(inner).__name__)


def _unregistered(metric: Any) -> str:
    """A function's name; with its module's where another metric is known by the name alone."""
    name = _name(metric)
    return f"{getattr(metric, '__module__', '')}.{name}" if name in METRICS else name
