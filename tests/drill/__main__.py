"""A fault drill: python -m tests.drill.

Training runs are killed, starved of disk, damaged and disturbed; each must then resume and end,
bitwise, as a run that nothing disturbed. Takes about twenty minutes on two cores; --tries=5 is
shorter. Writes a table to --table.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_HEADING = """# Fault drill

What came of faults in training, tried by `python -m tests.drill --table=docs/drill.md`. "Recovered" is a try after which the run, started again, has ended with the parameters, optimizer and best checkpoint of a run that nothing disturbed, bitwise; or, of the second process and the read-only folder, was refused in one line.

"""  # noqa: E501


def main() -> int:
    """Returns 1 if anything was lost."""
    parser = argparse.ArgumentParser("python -m tests.drill", description=__doc__)
    parser.add_argument("--tries", type=int, default=50, help="SIGKILLs; a fifth of each other")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the damage")
    parser.add_argument("--table", type=Path, help="Markdown file for the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rsf_jax_drill_") as folder:
        # Every process compiles the same programs: once is enough.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/compiled")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
        rows = drill(Path(folder), options.tries, options.seed)
    text = to_markdown(rows)
    print(text)
    if options.table:
        options.table.write_text(_HEADING + text)
    return int(any(row.losses for row in rows))


def drill(folder: Path, tries: int, seed: int) -> list:
    """Tries every fault.

    Args:
        folder: for runs and data.
        tries: SIGKILLs; a fifth of each other fault, at least one.
        seed: of the moments and the damage.
    """
    from tests.drill import faults
    from tests.drill.scene import Scene

    scene, rng, few = Scene(folder), np.random.default_rng(seed), max(1, tries // 5)
    rows, began = [], time.monotonic()
    for fault, times in (
        (faults.kill, tries),
        (faults.terminate, few),
        (faults.damage, few),
        (faults.two_processes, max(1, tries // 15)),
        (faults.on_small_disks, few),
    ):
        found = fault(scene, times, rng)
        found = found if isinstance(found, list) else [found]
        for row in found:
            print(f"{time.monotonic() - began:.0f} s: {row}", flush=True)
        rows += found
    return rows


def to_markdown(rows: list) -> str:
    """Returns a table of what came of each fault."""
    lines = [
        "| fault | tries | recovered, equal bitwise | lost | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = (row.fault, row.tries, row.recovered, len(row.losses), row.note)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
