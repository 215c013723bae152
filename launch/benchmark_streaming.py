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
_MANY = flags.DEFINE_integer("many", 1000, "streams of the test with many", lower_bound=1)
_LOADS = flags.DEFINE_list(
    "loads", list(map(str, streaming.LOADS)), "arrivals over throughput, each for --seconds"
)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "time spent on each case", lower_bound=0)


def main() -> None:
    settings = streaming.Settings(
        rsf.parse_policy(_POLICY.value),
        _SLOTS.value,
        _STREAMS.value,
        _MANY.value,
        tuple(values.share("load", text) for text in values.filled("loads", _LOADS.value)),
        _SECONDS.value,
    )
    trained, workdir = opening.open_trained()
    report = streaming.run(trained, settings)
    streaming.print_report(report)
    plot.save_latency(workdir / "streaming.png", report.latency)
    print(f"Figures are in {streaming.save(workdir, settings, report)}")


if __name__ == "__main__":
    program.run(main)
