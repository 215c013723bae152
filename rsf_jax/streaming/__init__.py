"""Many live videos on one model, each with its own number of steps, none waiting for the slowest.

A batch that halts sample by sample still runs until its slowest sample has halted. Here a slot is
given the next frame as soon as its own has halted. `engine` is what users call (`front` is what it
has in common with `reuse_engine`, for networks without recurrence); `books` knows the streams
(`streams`, whose frame is next in `turns`, results on their way in `delivery`), `worker`
lets the device work at the compiled `program`, which is a `tick` of `slots`. `statistics` counts.
`shadow` compares frames with what a reference would have made of them. `snapshot` is what is kept
of streams outside of an engine, `moving` takes it out and puts it into one.
"""

from rsf_jax.streaming.engine import StreamEngine
from rsf_jax.streaming.reuse_engine import ReuseEngine
from rsf_jax.streaming.shadow import Shadow
from rsf_jax.streaming.snapshot import Snapshot
from rsf_jax.streaming.statistics import Statistics
from rsf_jax.streaming.streams import WHEN_FULL, FrameResult, Stream

__all__ = [
    "WHEN_FULL",
    "FrameResult",
    "ReuseEngine",
    "Shadow",
    "Snapshot",
    "Statistics",
    "Stream",
    "StreamEngine",
]
