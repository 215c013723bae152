"""Several sweeps side by side: models, ways of training, or datasets."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from rsf_jax.console import table_console
from rsf_jax.errors import InputError
from rsf_jax.figures.runs import save_comparison
from rsf_jax.json_files import write_json
from rsf_jax.paths import expand
from rsf_jax.policies import renewed
from rsf_jax.run_folder import writable_folder

_SCHEDULE = ("training_schedule", "training_schedule_spec")


def compare(sweeps: Mapping[str, str | Path], folder: str | Path) -> dict[str, Any]:
    """Puts the points of several sweeps into one table and one picture.

    Writes `comparison.json`, `comparison.png` and `comparison.svg`.

    Args:
        sweeps: files that `tradeoff.sweep` wrote, by the names they are to have.
        folder: where the results go, made if it is missing.

    Returns:
        What `comparison.json` holds: the points of every sweep, by name.

    Raises:
        InputError: if a file is missing or is no sweep, or the folder cannot be written to.
    """
    results = {name: _read(expand(path)) for name, path in sweeps.items()}
    folder = writable_folder(folder)
    kept = ("preset", "dataset", *_SCHEDULE, "videos", "points")
    content = {n: {key: r[key] for key in kept if key in r} for n, r in results.items()}
    write_json(folder / "comparison.json", content)
    for ending in ("png", "svg"):
        save_comparison(folder / f"comparison.{ending}", content)
    return content


def print_comparison(content: Mapping[str, Any]) -> None:
    """Prints a line for each policy, with mIoU and mean steps of every sweep that has it."""
    table = Table(title="test mIoU at mean recurrent steps per frame", title_justify="left")
    table.add_column("policy")
    for name in content:
        table.add_column(name, justify="right")
    found = {name: {p["policy"]: p for p in sweep["points"]} for name, sweep in content.items()}
    for policy in dict.fromkeys(policy for points in found.values() for policy in points):
        cells = (_cell(points.get(policy)) for points in found.values())
        table.add_row(policy, *cells)
    table_console().print(table)


def _cell(point: Mapping[str, Any] | None) -> str:
    return "" if point is None else f"{point['miou']:.3f} @ {point['steps']:.2f}"


def _read(path: Path) -> dict[str, Any]:
    try:
        sweep = json.loads(path.read_text())
        str(sweep["training_schedule"])
        for point in sweep["points"]:
            str(point["policy"]), float(point["miou"]), float(point["steps"])
        # As this version writes it, so that what is the same has the same name in all of them.
        points = [renewed(point) for point in sweep["points"]]
        return {**renewed(sweep, "training_schedule"), "points": points}
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): give what a sweep wrote, "
            "NAME=FOLDER/sweep.json"
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is no sweep: give a sweep.json") from error
