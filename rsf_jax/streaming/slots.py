"""Frames at work, what a tick is given, and what it leaves."""

from typing import Any, NamedTuple

import flax.struct

from rsf_jax.typing import Leaf

NO_ENTRY = -1


@flax.struct.dataclass
class Slots:
    """Frames in the middle of their recurrence, S of them.

    Attributes:
        frame: float32 [S, H, W, I], the pixels.
        carry: the states that the frames would leave now, S first.
        ahead: where their next steps start, of a policy that steers; see `policies.steering`.
        drive: what enters every step, S first.
        memory: what the policy carries to the streams' next frames.
        decision: what the policy's last decision has left.
        steps: int32 [S], steps made.
        first: bool [S], whether the frame is treated as its stream's first.
        active: bool [S], whether there is a frame that has not ended.
        row: int32 [S], where the stream's state is stored.
        entry: int32 [S], number of the frame in this tick, see `Load`; `NO_ENTRY` where none is.
    """

    frame: Leaf
    carry: Leaf
    ahead: Leaf
    drive: Leaf
    memory: Leaf
    decision: Leaf
    steps: Leaf
    first: Leaf
    active: Leaf
    row: Leaf
    entry: Leaf


class Load(NamedTuple):
    """What a tick begins with, NumPy arrays or those of a device.

    Of the E = S + Q entries of a tick the first S are what the slots hold, the others are new.

    Attributes:
        count: int32, number of new frames.
        frames: float32 [Q, H, W, I], the new frames, and zeros behind them.
        row: int32 [Q], rows of their streams.
        first: bool [Q], whether a frame is its stream's first.
        cut: bool [E], entries that end with this tick, halted or not, if they have made a step.
    """

    count: Any
    frames: Any
    row: Any
    first: Any
    cut: Any


class Look(NamedTuple):
    """Frames that wait, to be asked about, NumPy arrays or those of a device.

    Attributes:
        count: int32, how many.
        frames: float32 [S, H, W, I], zeros behind them.
        row: int32 [S], rows of their streams; past the end where there is no frame.
    """

    count: Any
    frames: Any
    row: Any


class Ended(NamedTuple):
    """What a tick leaves for the host.

    Attributes:
        ended: bool [E], entries that have ended.
        steps: int32 [E], steps of each of these.
        cut: bool [E], ended before the policy would have ended them.
        first: bool [E], whether a frame began from a fresh state as its policy's first.
        finite: bool [E], whether state and logits are numbers.
        outputs: the transformed logits, E first; of entries that have ended alone.
        holding: int32 [S], the entry that each slot holds now, or `NO_ENTRY`. New frames that have
            neither ended nor a slot have not begun.
        executed: int32, steps that the tick has made in every slot.
        useful: int32, steps that frames needed.
    """

    ended: Any
    steps: Any
    cut: Any
    first: Any
    finite: Any
    outputs: Any
    holding: Any
    executed: Any
    useful: Any


class Stored(NamedTuple):
    """What is kept of every stream between its frames, one row each.

    Attributes:
        carry: the states.
        memory: what the policy carries.
    """

    carry: Any
    memory: Any
