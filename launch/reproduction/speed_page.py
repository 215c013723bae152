"""The part of the page of results that benchmarks have recorded: tables as they were printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reproduction.tables import table
from rsf_jax.errors import InputError
from rsf_jax.run_folder import read_json

FOLDER = "benchmarks"
_REMEDY = "measure again, or remove it"
_HEAD = """\
## Speed

What benchmarks have recorded in `docs/records/benchmarks`, each by the command above its tables, \
on a machine that did nothing else, but for `hours`, in seconds of the processor, and the trials \
of servers. Times differ between machines; ratios are of cases that took turns in one run, those \
of a server and its engine of one after the other.
"""


def sections(records: Path) -> list[str]:
    """Returns the parts of the page; none without a record of a benchmark.

    Args:
        records: folder of records.

    Raises:
        InputError: if a record is damaged, or another version's.
    """
    found = [_read(path) for path in sorted((records / FOLDER).glob("*.json"))]
    return [_HEAD, *found] if found else []


def _read(path: Path) -> str:
    try:
        return _section(path.stem, read_json(path, _REMEDY))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no record of a benchmark ({error!r}): {_REMEDY}") from None


def _section(name: str, record: Mapping[str, Any]) -> str:
    machine = record["machine"]
    cores = f"{machine['cores']} cores, " if "cpu" in machine["device"] else ""
    where = f"{cores}{machine['processor'] or machine['device']}, JAX {machine['jax']}"
    if machine["torch"] != "not installed":
        where += f", PyTorch {machine['torch']}"
    tables = "\n".join(map(_table, record["tables"]))
    return f"### {name}\n\n`{record['command']}` ({where})\n\n{tables}"


def _table(shown: Mapping[str, Any]) -> str:
    rows = [[cell.replace("|", "\\|") for cell in row] for row in shown["rows"]]
    head = f"{shown['title']}.\n\n" if shown["title"] else ""
    below = f"\n{shown['caption']}.\n" if "caption" in shown else ""
    return head + table(shown["headings"], rows) + below
