"""Policies around another one."""

import copy
from typing import Any

import jax

from rsf_jax.errors import InputError
from rsf_jax.ops.select import select
from rsf_jax.policies import arguments
from rsf_jax.policies.base import (
    Begun,
    Memory,
    Recurrence,
    Stepwise,
    StepwisePolicy,
    bound,
    may_leave_out_frames,
)
from rsf_jax.policies.steering import History, Steered, steers
from rsf_jax.policies.values import same
from rsf_jax.typing import Array, Carry


class Wrapper(Stepwise):
    """A policy around another one, `inner`, which decides whatever this one does not.

    A `flax.struct.dataclass` that derives from it has a field `inner`, a `StepwisePolicy`, and
    overrides `begin`, in which `begin_inner` asks the other one, or `steer`. What it carries from
    frame to frame holds what `inner` carries. Its text is followed by that of `inner`:
    "gate:0.0023:0.046+s6f1".

    Attributes:
        inner: a policy that decides after every step; a wrapper, too.
    """

    inner: Any

    def __post_init__(self) -> None:
        """Checks the policy inside.

        Raises:
            InputError: if it is none that decides after every step.
        """
        inner = self.inner
        if isinstance(inner, str):
            raise InputError(f"inner is {inner!r}: give rsf.parse_policy({inner!r})")
        if isinstance(inner, type) or not _is_stepwise(inner):
            raise InputError(
                f"inner is {inner!r}: a policy that decides after every step is needed, such as "
                "rsf.FixedSchedule(6, 1) or rsf.DistanceHalting()"
            )

    @property
    def max_steps(self) -> int:
        """The most steps any frame can get."""
        return self.inner.max_steps

    @property
    def singles_out_first_frame(self) -> bool:
        """Whether the first frame of a video is treated unlike the others."""
        return self.inner.singles_out_first_frame

    @property
    def leaves_out_frames(self) -> bool:
        """Whether frames may get no step; see `Stepwise`."""
        return may_leave_out_frames(self.inner)

    @property
    def steers(self) -> bool:
        """Whether this one or `inner` says where steps start; see `SteeringPolicy`."""
        return type(self).steer is not Wrapper.steer or steers(self.inner)

    def init_memory(self, frame: Array) -> Memory:
        """Returns what `inner` carries; see `StepPolicy`."""
        return self.inner.init_memory(frame)

    def begin(self, recurrence: Recurrence, first: bool | Array, memory: Memory) -> Begun:
        """Begins the frame as `inner` does; see `StepwisePolicy`."""
        return self.inner.begin(recurrence, first, memory)

    def begin_inner(self, recurrence: Recurrence, first: Array, memory: Memory) -> Begun:
        """Lets `inner` begin the frame: where it is a first one, with a fresh state and memory.

        Args:
            recurrence: of the frame.
            first: bool [B], whether it is treated as a video's first frame.
            memory: what `inner` carries.
        """
        fresh = self.inner.init_memory(recurrence.frame)
        fresh = jax.tree.map(lambda new, old: new.astype(old.dtype), fresh, memory)
        start = select(first, recurrence.fresh, recurrence.start)
        memory = select(first, fresh, memory)
        return self.inner.begin(recurrence._replace(start=start), first, memory)

    def observe(self, recurrence: Recurrence, carry: Any) -> Array:
        """Returns what `inner` sees of a state; see `StepwisePolicy`."""
        return self.inner.observe(recurrence, carry)

    def init_state(self, seen: Array) -> Memory:
        """Returns what `inner` begins a frame's decisions with; see `StepwisePolicy`."""
        return self.inner.init_state(seen)

    def bind(self, recurrence: Recurrence) -> Any:
        """Returns this policy with `inner` as that decides on steps; see `base.bound`."""
        inner = bound(self.inner, recurrence)
        if inner is self.inner:
            return self
        around = copy.copy(self)
        object.__setattr__(around, arguments.INNER, inner)
        return around

    def should_continue(
        self, n: Array, before: Array, after: Array, state: Memory, first: bool | Array
    ) -> tuple[Array, Memory]:
        """Decides as `inner` does; see `StepwisePolicy`."""
        return self.inner.should_continue(n, before, after, state, first)

    def init_history(self, carry: Carry) -> History:
        """Returns what `inner` remembers before a frame's first step; see `SteeringPolicy`."""
        return self.inner.init_history(carry)

    def steer(self, n: Array, before: Carry, after: Carry, history: History) -> Steered:
        """Goes on from where `inner` says; see `SteeringPolicy`."""
        return self.inner.steer(n, before, after, history)


def equals(policy: Any, other: object) -> bool:
    """Whether two policies are the same, whichever arrays their numbers are in."""
    if type(policy) is not type(other):
        return False
    structures: list[Any] = [jax.tree.structure(p) for p in (policy, other)]
    leaves = map(jax.tree.leaves, (policy, other))
    return structures[0] == structures[1] and all(map(same, *leaves))


def text(kind: str, policy: Any) -> str:
    """Returns a wrapper of the library as `parse_policy` reads it."""
    return f"{':'.join([kind, *arguments.write(policy)])}+{policy.inner}"


_STEPWISE: dict[type, bool] = {}


def _is_stepwise(policy: Any) -> bool:
    """Whether it is a `StepwisePolicy`: asked of each class once, for it takes its time."""
    kind = type(policy)
    if kind not in _STEPWISE:
        _STEPWISE[kind] = isinstance(policy, StepwisePolicy)
    return _STEPWISE[kind]
