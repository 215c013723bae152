"""Measures what comes before the first update, updates, and the call of a live frame.

python launch/benchmark_start.py --config=quickstart --sides=36,36 --frames=5
"""

import jax
from absl import flags
from benchmarks import starting, values

import rsf_jax as rsf
from rsf_jax.commands import devices, opening, program, shared
from rsf_jax.run_folder import writable_folder

_SIDES = flags.DEFINE_list("sides", ["36", "36"], "height and width of frames in pixels")
_FRAMES = flags.DEFINE_integer("frames", 5, "frames of a video", lower_bound=1)
_UPDATES = flags.DEFINE_integer("updates", 3, "updates that are timed", lower_bound=0)


def main() -> None:
    config = rsf.get_config(shared.CONFIG.value or "quickstart").replace(**shared.overrides())
    sides = [values.count("side", text) for text in values.filled("sides", _SIDES.value)]
    if len(sides) != 2:
        raise rsf.InputError(f"--sides={','.join(_SIDES.value)}: give height and width")
    folder = writable_folder(opening.workdir("runs/benchmark"))
    devices.print_header(config)
    jax.config.update("jax_enable_compilation_cache", False)  # compiling is what is measured
    rows = starting.run(
        config,
        sides=(sides[0], sides[1]),
        frame_count=_FRAMES.value,
        updates=_UPDATES.value,
    )
    print(f"Figures are in {starting.save(folder, config, rows)}")


if __name__ == "__main__":
    program.run(main)
