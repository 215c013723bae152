"""Training curves as lines of JSON."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from rsf_jax.json_files import write_bytes
from rsf_jax.run_folder import RunFolder


def append(workdir: Path, split: str, update: int, metrics: Mapping[str, float]) -> None:
    """Adds a point; the file is complete after every call."""
    line = json.dumps({"split": split, "update": update, **metrics})
    with RunFolder(workdir).curves.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a kill has cut the line before
                file.write(b"\n")
        file.write(line.encode() + b"\n")


def begin(workdir: Path, update: int) -> None:
    """Drops the points after an update, with which a run goes on: another run may have left them.

    Args:
        workdir: the run's folder.
        update: number of updates that its state has had; 0 of a new run.
    """
    path = RunFolder(workdir).curves
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if _update(line) <= update]
    if kept != lines:
        write_bytes(path, "".join(kept).encode())


def _update(line: str) -> int | float:
    try:
        return json.loads(line)["update"]
    except ValueError:  # a kill has cut it short
        return math.inf


def read(workdir: Path) -> dict[str, dict[int, dict[str, float]]]:
    """Returns the metrics of every update, by split; nothing if there is no file.

    A run that was resumed repeats the updates after its last checkpoint: the later line counts. A
    line that a kill cut short does not.
    """
    path = RunFolder(workdir).curves
    curves: dict[str, dict[int, dict[str, float]]] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            point = json.loads(line)
        except ValueError:
            continue
        curves.setdefault(point.pop("split"), {})[point.pop("update")] = point
    return {split: dict(sorted(points.items())) for split, points in curves.items()}
