"""Measures a model on live streams under several policies, in turns.

python launch/benchmark_live.py --workdir=runs/quickstart_live
"""

from absl import flags
from benchmarks import live_speed, values

import rsf_jax as rsf
from rsf_jax.commands import opening, program
from rsf_jax.console import table_console

_POLICIES = flags.DEFINE_list(
    "policies",
    ["gate:0.0023:0.046+pattern:rtol=0.2:12:min_first_steps=3", "s3f1", "s8f8"],
    "the first is what the others are compared with",
)
_STATELESS = flags.DEFINE_list("stateless", ["s8f8"], "policies without a state between frames")
_STREAMS = flags.DEFINE_integer("streams", 64, "streams of the engine", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 60, "frames of each", lower_bound=1)
_SLOTS = flags.DEFINE_integer("slots", 8, "frames computed together", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "how often each is timed", lower_bound=1)


def main() -> None:
    named = values.filled("policies", _POLICIES.value)
    cases = [live_speed.Case(rsf.parse_policy(text)) for text in named]
    cases += [live_speed.Case(rsf.parse_policy(text), stateful=False) for text in _STATELESS.value]
    trained, workdir = opening.open_trained()
    settings = {flag.name: flag.value for flag in (_STREAMS, _FRAMES, _SLOTS, _TURNS)}
    found = live_speed.run(trained, cases, **settings)
    table_console().print(live_speed.table(found))
    print(f"Figures are in {live_speed.save(workdir, found, settings)}")


if __name__ == "__main__":
    program.run(main)
