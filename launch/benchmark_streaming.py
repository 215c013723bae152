"""Measures many live videos on the slots of one engine.

python launch/benchmark_streaming.py --workdir=runs/quickstart
"""

from absl import flags
from benchmarks import plot, streaming, values

import rsf_jax as rsf
from rsf_jax import policies
from rsf_jax.commands import opening, program

_POLICY = flags.DEFINE_string("policy", "pattern:rtol=0.1:12", policies.GRAMMAR)
_SLOTS = flags.DEFINE_integer("slots", 8, "frames computed together", lower_bound=1)
_STREAMS = flags.DEFINE_integer("streams", 64, "streams that send frames", lower_bound=1)
_MANY = flags.DEFINE_integer(
    "many", 1000, "streams of the test with many; 0 for none", lower_bound=0
)
_LOADS = flags.DEFINE_list(
    "loads", list(map(str, streaming.LOADS)), "arrivals over throughput, each for --seconds"
)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "time spent on each load", lower_bound=0)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "parts that these seconds have", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "of engine and lock-step", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 12, "of a live stream", lower_bound=1)
_LARGE = flags.DEFINE_string(
    "large", "easy_s6f1", "bundled model of larger frames, measured too; none for none"
)
_LARGE_FRAMES = flags.DEFINE_integer("large_frames", 6, "of its live streams", lower_bound=1)


def main() -> None:
    settings = streaming.Settings(
        rsf.parse_policy(_POLICY.value),
        _SLOTS.value,
        _STREAMS.value,
        _MANY.value,
        tuple(values.share("load", text) for text in values.filled("loads", _LOADS.value)),
        _SECONDS.value,
        _ROUNDS.value,
        turns=_TURNS.value,
        frames=_FRAMES.value,
        large_frames=_LARGE_FRAMES.value,
    )
    trained, workdir = opening.open_trained()
    large = None if _LARGE.value == "none" else rsf.load_pretrained(_LARGE.value)
    report = streaming.run(trained, settings, large)
    streaming.print_report(report)
    plot.save_latency(workdir / "streaming.png", report.latency)
    print(f"Figures are in {streaming.save(workdir, settings, report)}")


if __name__ == "__main__":
    program.run(main)
