"""Measures how long the rows of the paper would train on this machine, from an update of each.

python launch/benchmark_hours.py
python launch/benchmark_hours.py --presets=easy_s6f1,hard_s8f8
"""

from absl import flags
from benchmarks import hours, record
from reproduction import paper
from rich.progress import track

from rsf_jax.commands import devices, opening, program, shared
from rsf_jax.console import table_console
from rsf_jax.run_folder import writable_folder

_PRESETS = flags.DEFINE_list(
    "presets", None, "of T-Pathfinder; all that the paper's tables have, unless given"
)
_UPDATES = flags.DEFINE_integer("updates", 2, "that are timed of each", lower_bound=1)


def main() -> None:
    shared.refuse_settings()
    folder = writable_folder(opening.workdir("runs/benchmark"))
    devices.use_cpu_cores(1)
    record.print_machine()
    presets = paper.presets() if _PRESETS.value is None else _PRESETS.value
    rows: list[hours.Row] = []
    for row in hours.measure(track(presets, "measuring", transient=True), _UPDATES.value):
        rows.append(row)
        hours.save(folder, rows)  # what has been measured is not lost
    table_console().print(hours.table(rows))
    print(f"Figures are in {hours.save(folder, rows)}")


if __name__ == "__main__":
    program.run(main)
