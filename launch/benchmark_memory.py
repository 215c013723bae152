"""Measures memory and time of gradients against recurrent steps.

python launch/benchmark_memory.py --config=hard_s8f8
"""

from absl import flags
from benchmarks import plot, training_memory, values

import rsf_jax as rsf
from rsf_jax.commands import devices, opening, program, shared
from rsf_jax.run_folder import writable_folder

_STEPS = flags.DEFINE_list(
    "steps", [str(n) for n in training_memory.STEPS], "numbers of recurrent steps"
)
_SIDE = flags.DEFINE_integer("side", 128, "frame height and width in pixels", lower_bound=1)


def main() -> None:
    config = rsf.get_config(shared.CONFIG.value or "hard_s8f8").replace(**shared.overrides())
    steps = [values.count("number of steps", text) for text in values.filled("steps", _STEPS.value)]
    folder = writable_folder(opening.workdir("runs/benchmark"))
    devices.print_header(config)
    rows = training_memory.run(config, steps=steps, side=_SIDE.value)
    plot.save_training_memory(folder / "training_memory.png", rows)
    print(f"Figures are in {training_memory.save(folder, config, rows)}")


if __name__ == "__main__":
    program.run(main)
