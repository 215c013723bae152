"""The part of the page of results that is of mazes: larger ones, with more steps."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reproduction import mazes
from reproduction.tables import score, table
from rsf_jax.run_folder import read_json

_HEAD = """\
mIoU of mazes of all sizes, of the first {videos} test images each, by recurrent steps, and in the \
last column what halting spends and gets: `{rule}`, at most 256 steps. Each network was trained on \
one size, which its name tells (`maze_quickstart`: 4x4 cells); what it began with, and why, is in \
[decision 0033](docs/decisions/0033-mazes-on-streams.md). `python launch/reproduce.py \
--plan=mazes` makes the table; several seeds are averaged.
"""
_RULE = "pattern:rtol=0.05:256"


def sections(records: Path) -> list[str]:
    """Returns the section of the page, as far as networks have been tested.

    Args:
        records: folder of records; those of these tests are in its folder `sizes`.

    Raises:
        InputError: if a record is damaged.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((records / "sizes").glob("*.json")):
        if named := re.fullmatch(r"(.+)-seed\d+", path.stem):
            results = read_json(path, "delete it and run the plan again")
            found.setdefault(named[1], []).append(results["datasets"])
    lines, counts = [], []
    for stage in mazes.IMAGES:
        for name in mazes.SIZES:
            tested = [run[name] for run in found.get(stage.name, []) if name in run]
            if tested:
                counts = [r["policy"] for r in tested[0]["rows"] if r["policy"].startswith("s")]
                lines.append([f"`{stage.name}`", mazes.cells_of(name), *_scores(tested, counts)])
    if not lines:
        return []
    videos = next(iter(found.values()))[0][mazes.SIZES[0]]["videos"]
    titles = ["weights", "cells", *(count.partition("f")[2] for count in counts), "halting"]
    head = _HEAD.format(videos=videos, rule=_RULE)
    return [f"## Mazes\n\n{head}\n{table(titles, lines)}"]


def _scores(runs: Sequence[dict[str, Any]], counts: Sequence[str]) -> list[str]:
    rows = [{row["policy"]: row for row in run["rows"]} for run in runs]
    means = [score(statistics.mean(run[count]["miou"] for run in rows)) for count in counts]
    miou, steps = (statistics.mean(run[_RULE][name] for run in rows) for name in ("miou", "steps"))
    return [*means, f"{score(miou)} ({steps:.0f})"]
