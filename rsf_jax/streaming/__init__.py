"""Many live videos on one model, each with its own number of steps, none waiting for the slowest.

A batch that halts sample by sample still runs until its slowest sample has halted. Here a slot is
given the next frame as soon as its own has halted: `program` is what a tick computes, `turns` says
whose frame gets a slot, `streams` what is known of a video, `engine` joins them, `statistics`
counts. `shadow` compares frames with what a reference would have made of them. `reuse_engine` is
for networks without recurrence.
"""

from rsf_jax.streaming.engine import StreamEngine
from rsf_jax.streaming.reuse_engine import ReuseEngine
from rsf_jax.streaming.shadow import Shadow
from rsf_jax.streaming.statistics import Statistics
from rsf_jax.streaming.streams import WHEN_FULL, FrameResult, Stream

__all__ = [
    "WHEN_FULL",
    "FrameResult",
    "ReuseEngine",
    "Shadow",
    "Statistics",
    "Stream",
    "StreamEngine",
]
