"""The part of the page of results that is of live video: still cameras and live streams."""

import dataclasses
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from reproduction import live
from reproduction.tables import score, table
from rsf_jax.data.streams import EVENTS
from rsf_jax.evaluation.usual_policies import FAMILIES, TOLD
from rsf_jax.run_folder import read_json

_BUDGETS = (0.6, 0.75, 0.9, 1.1, 1.5, 2.0, 3.0, 8.0)
_SHOWN = ("gate", "gate and halting")
_BY_EVENT = 0.9  # steps per frame
_HEAD = """\
Streams of test videos, 32 of 60 frames: each frame is shown for a random time, some are left out, \
and after a video comes a cut to another ([docs/live.md](docs/live.md)). `python \
launch/reproduce.py --plan=live` makes these tables, `--plan=live_tries` the last; several seeds \
are averaged.
"""
_STILL = """\
The last frame of 64 test videos, shown 1,000 times under the schedule of training. A model holds \
if its mIoU never falls below 95 % of its best so far; otherwise for how many frames it did, of \
several seeds the fewest.
"""
_BOUGHT = """\
mIoU of all frames, and in brackets the recurrent steps per frame, frames that got none included. \
For every number of steps a policy of each kind is chosen on streams of validation videos, the \
best with no more steps there, and tested on those of test videos.
"""
_EVENTS = """\
The same policies at {budget} steps, mIoU and steps by what happens at a frame. 95 %: of all \
frames have no more steps.
"""
_NOISY = "The same policies, chosen without noise, on streams with noise of a sensor (white is 1)."
_TRIED = """\
Models after {updates:,} updates, one seed, on videos of the validation split; each changes \
what its name says in the recipe of `quickstart_live`.
"""


@dataclasses.dataclass(frozen=True)
class _Model:
    """What was found of one run.

    Attributes:
        name: of its stage.
        found: what `live_test` has returned, by split.
    """

    name: str
    found: dict[str, dict[str, Any]]

    def still(self, noise: float, split: str = "test") -> dict[str, Any] | None:
        """The still camera with a noise; None if there was none."""
        runs = self.found[split]["still"]
        return next((run for run in runs if run["noise"] == noise), None)

    def rows(self, family: str, noise: float, split: str = "test") -> list[dict[str, Any]]:
        """Scores of the policies of a family."""
        rows = self.found[split]["live"]
        return [row for row in rows if (row["family"], row["noise"]) == (family, noise)]

    def bought(self, family: str, budget: float, noise: float = 0.0) -> dict[str, Any] | None:
        """The test of what is chosen on validation for a number of steps; None if nothing is."""
        policy = _best(self.rows(family, 0.0, "validation"), budget)
        tested = self.rows(family, noise)
        return next((row for row in tested if policy and row["policy"] == policy), None)


def sections(records: Path) -> list[str]:
    """Returns the sections of the page, as far as runs have been recorded.

    Args:
        records: folder of records; those of live tests are in its folder `live`.

    Raises:
        InputError: if a record is damaged.
    """
    models = _read(records / "live")
    both = {
        name: [run for run in runs if {"test", "validation"} <= run.found.keys()]
        for name, runs in models.items()
    }
    stages = [stage.name for stage in (*live.SMALL, *live.LARGE)]
    tested = [both[name] for name in stages if both.get(name)]
    parts = []
    if tested:
        parts.append(f"## Live video\n\n{_HEAD}")
        parts.append(f"### A still camera\n\n{_STILL}\n{_still_table(tested)}")
        parts.append(f"### What steps buy\n\n{_BOUGHT}\n{_bought_table(tested)}")
        events = _EVENTS.format(budget=_BY_EVENT)
        parts.append(f"### By event\n\n{events}\n{_events_table(tested)}")
        parts.append(f"### With noise\n\n{_NOISY}\n\n{_noise_table(tested)}")
    tries = [models[stage.name][0] for stage in live.TRIES if stage.name in models]
    if tries:
        told = _TRIED.format(updates=live.TRIES[0].updates)
        parts.append(f"### What of the recipe matters\n\n{told}\n{_tries_table(tries)}")
    return parts


def _read(folder: Path) -> dict[str, list[_Model]]:
    """Runs by the name of their stage, in the order of their seeds."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        named = re.fullmatch(r"(.+)-seed(\d+)(_validation)?", path.stem)
        if named:
            results = read_json(path, "delete it and run the plan again")
            found.setdefault((named[1], int(named[2])), {})[results["split"]] = results
    models: dict[str, list[_Model]] = {}
    for (name, _), results in sorted(found.items()):
        models.setdefault(name, []).append(_Model(name, results))
    return models


def _best(rows: Iterable[dict[str, Any]], budget: float) -> str | None:
    allowed = [row for row in rows if row["steps"] <= budget]
    return max(allowed, key=lambda row: row["miou"])["policy"] if allowed else None


def _mean(values: Sequence[float]) -> str:
    return score(statistics.mean(values))


def _still_table(models: list[list[_Model]]) -> str:
    noises = (0.0, 0.05, 0.1)
    lines = []
    for runs in models:
        cells = [_held([run.still(noise) for run in runs]) for noise in noises]
        lines.append([f"`{runs[0].name}`", str(len(runs)), *cells])
    titles = ["model", "seeds", *(f"noise {noise:g}" for noise in noises)]
    return table(titles, lines)


def _held(found: Sequence[dict[str, Any] | None]) -> str:
    runs = [run for run in found if run is not None]
    if not runs:
        return ""
    frames = len(runs[0]["miou"])
    lasts = min(run["lasts"] for run in runs)
    told = "holds" if lasts == frames else f"{lasts} frames"
    ends = [_mean([run["miou"][n] for run in runs]) for n in (0, 9, -1)]
    return f"{told}: {ends[0]}, {ends[1]} at 10, {ends[2]} at {frames:,}"


def _bought_table(models: list[list[_Model]]) -> str:
    lines = []
    for runs in models:
        for family in (*FAMILIES, TOLD):
            found = [[run.bought(family, budget) for run in runs] for budget in _BUDGETS]
            cells = [_scored(rows) for rows in found]
            if any(cells):
                # A better one of fewer steps is not told again.
                told = ["" if n and cell == cells[n - 1] else cell for n, cell in enumerate(cells)]
                lines.append([f"`{runs[0].name}`", family, *told])
    return table(["model", "policies", *(f"{b:g} steps" for b in _BUDGETS)], lines)


def _scored(rows: Sequence[dict[str, Any] | None]) -> str:
    there = [row for row in rows if row is not None]
    if len(there) < len(rows):  # not every seed has one
        return ""
    steps = statistics.mean(row["steps"] for row in there)
    return f"{_mean([row['miou'] for row in there])} ({steps:.2f})"


def _chosen(models: list[list[_Model]]) -> Iterable[tuple[str, str, Callable[[float], list[Any]]]]:
    """Model and family, and what the policies chosen for them get under some noise."""
    for runs in models:
        for family in _SHOWN:

            def under(noise: float, runs: list[_Model] = runs, family: str = family) -> list[Any]:
                return [run.bought(family, _BY_EVENT, noise) for run in runs]

            if all(under(0.0)):
                yield runs[0].name, family, under


def _events_table(models: list[list[_Model]]) -> str:
    lines = []
    for name, family, under in _chosen(models):
        rows = under(0.0)
        cells = [_scored([row["by_event"].get(event) for row in rows]) for event in EVENTS]
        most = statistics.mean(row["steps_95"] for row in rows)
        policies = ", ".join(dict.fromkeys(f"`{row['policy']}`" for row in rows))
        lines.append([f"`{name}`", family, policies, *cells, f"{most:.0f}"])
    return table(["model", "policies", "chosen", *EVENTS, "95 %"], lines)


def _noise_table(models: list[list[_Model]]) -> str:
    noises = (0.0, 0.05, 0.1)
    lines = []
    for name, family, under in _chosen(models):
        rows = {noise: under(noise) for noise in noises}
        changed = [
            _mean([row["changed"] for row in rows[n]]) if all(rows[n]) else "" for n in noises
        ]
        lines.append([f"`{name}`", family, *(_scored(rows[noise]) for noise in noises), *changed])
    titles = [f"noise {noise:g}" for noise in noises]
    return table(["model", "policies", *titles, *(f"{t}, changed frames" for t in titles)], lines)


def _changed(rows: Sequence[dict[str, Any] | None]) -> str:
    there = [row["changed"] for row in rows if row is not None]
    return _mean(there) if len(there) == len(rows) else ""


def _tries_table(models: list[_Model]) -> str:
    lines = []
    for model in models:
        stills = [_held([model.still(noise, "validation")]) for noise in (0.0, 0.05)]
        halting = model.rows("gate and halting", 0.0, "validation")
        alone = model.rows("schedules", 0.0, "validation")
        cells = [_scored([_of(halting, _best(halting, budget))]) for budget in (0.75, 0.9, 1.5)]
        lines.append([f"`{model.name}`", *stills, *cells, _scored([alone[0]])])
    titles = ["noise 0", "noise 0.05"]
    titles += [f"gate and halting, {b} steps" for b in (0.75, 0.9, 1.5)] + ["no gate"]
    return table(["run", *titles], lines)


def _of(rows: list[dict[str, Any]], policy: str | None) -> dict[str, Any] | None:
    return next((row for row in rows if row["policy"] == policy), None)
