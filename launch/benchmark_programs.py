"""Compares programs that a model is exported as with the library, frame by frame, and times them.

python launch/benchmark_programs.py --pretrained=quickstart_live16 --policy=pattern:rtol=0.1:12
"""

from absl import flags
from benchmarks import programs

from rsf_jax import policies
from rsf_jax.commands import choices, opening, program, shared
from rsf_jax.console import table_console
from rsf_jax.run_folder import writable_folder

_POLICY = flags.DEFINE_string("policy", None, f"{policies.GRAMMAR}; that of training unless given")
_SIZE = choices.frame_size("those of training")
_FRAMES = flags.DEFINE_integer("frames", 1000, "with one state that is carried", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 5, "of timing", lower_bound=1)
_TIMED = flags.DEFINE_integer("timed", 50, "frames of a turn", lower_bound=1)


def main() -> None:
    trained, workdir = opening.open_trained()
    policy = choices.parsed(_POLICY.value) or trained.schedule
    size = shared.frame_size(_SIZE.value) if _SIZE.value else trained.appearance.frame_size
    folder = writable_folder(workdir)
    counts = (_FRAMES.value, _TURNS.value, _TIMED.value)
    found = programs.measure(trained, policy, size, *counts)
    table_console().print(programs.table(found))
    print(f"Figures are in {programs.save(folder, policy, found)}")


if __name__ == "__main__":
    program.run(main)
