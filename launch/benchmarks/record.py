"""What a benchmark leaves: its tables, what they were made by, and on which machine.

RESULTS.md shows the tables of the records in `docs/records/benchmarks`, as they were printed.
"""

import os
import platform
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
from rich.table import Table

from benchmarks import pytorch
from rsf_jax.cores import usable_cores
from rsf_jax.json_files import write_json

# Flags that say where something lies on one machine, and nothing of what is measured.
_PLACES = ("--workdir", "--config.data_dir", "--config.manual_dir")


def write_record(path: Path, tables: Iterable[Table], **values: Any) -> Path:
    """Writes the record of a benchmark.

    Args:
        path: file of JSON.
        tables: as they are printed.
        values: all that was measured, under names of its own.

    Returns:
        The path.
    """
    told = {
        "command": command(sys.argv),
        "machine": machine(),
        "tables": list(map(as_values, tables)),
    }
    write_json(path, told | values)
    return path


def as_values(table: Table) -> dict[str, Any]:
    """Returns a table's title, headings and rows of cells, all of them text."""
    columns = [list(map(str, column.cells)) for column in table.columns]
    found = {
        "title": str(table.title or ""),
        "headings": [str(column.header) for column in table.columns],
        "rows": [list(cells) for cells in zip(*columns, strict=True)],
    }
    return found | ({"caption": str(table.caption)} if table.caption else {})


def command(arguments: list[str]) -> str:
    """Returns the line by which a program was called, without the places of this machine.

    Args:
        arguments: the program's path, and its flags.
    """
    program, *flags = arguments
    kept, words = [], iter(flags)
    for word in words:
        # absl takes one dash for two.
        if "--" + word.partition("=")[0].lstrip("-") not in _PLACES:
            kept.append(word)
        elif "=" not in word:
            next(words, None)
    return shlex.join(["python", f"launch/{Path(program).name}", *kept])


def print_machine() -> None:
    """Prints what the figures depend on."""
    print(" ".join(f"{name}={value}" for name, value in machine().items()), flush=True)


def machine() -> dict[str, str]:
    """Returns what the figures depend on."""
    device = jax.local_devices()[0]
    return {
        "device": f"{len(jax.local_devices())} x {device.device_kind}",
        "processor": _processor(),
        "cores": str(usable_cores()),
        "jax": jax.__version__,
        "torch": pytorch.version() or "not installed",
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
