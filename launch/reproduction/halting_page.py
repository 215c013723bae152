"""The part of the page of results in which rules of halting are compared on equal terms."""

import dataclasses
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reproduction import halting
from reproduction.tables import score, table
from rsf_jax.evaluation.equal_terms import COUNTS, MANY, SOLVERS
from rsf_jax.measures.paired import paired_difference
from rsf_jax.run_folder import read_json

PARTS = {"clips": "test videos", "live": "live streams"}
_BUDGETS = (0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
# Videos that rules are chosen on, and those that figures are of.
_CHOOSE, _TELL = slice(0, None, 2), slice(1, None, 2)
_FAMILIES = ("fixed", "distance", "ratio", "readout", "learned")
_HEAD = """\
What is compared, and what was expected: [docs/results/halting.md](docs/results/halting.md). \
`python launch/reproduce.py --plan=halting` makes these tables; several seeds are averaged. An \
evaluation is one recurrent step. Warm: a frame begins with the state of the frame before, cold: \
with the initial one.
"""
_COUNTED = "mIoU of {what} by evaluations per frame, the same number on every frame."
_BOUGHT = """\
mIoU of {what}, and in brackets the mean evaluations per frame: of each family the best rule with \
no more, chosen on these videos themselves, for all families alike. "Gate": the same rules behind \
a change gate.
"""
_AGAINST = """\
Each halting rule against a mix of fixed schedules with as many evaluations per frame: of all \
mixes of two schedules (those with more steps on the first frame among them) the best. Rule and \
mix are chosen on every other video, the rule of each family that is farthest above its mix; \
figures are of the other half. The interval is 95 % of bootstrap samples of these videos, of all \
seeds.
"""
_HOW = """\
How much of the mIoU after {many} evaluations depends on the start (warm minus cold), and the \
spectral radius of the step's Jacobian there, median and range over first frames and seeds.
"""


@dataclasses.dataclass(frozen=True)
class Compared:
    """What was found of a stage, of one seed after the other."""

    name: str
    found: list[dict[str, Any]]

    def rows(self, part: str, **wanted: Any) -> list[list[dict[str, Any]]]:
        """Rows with the given values, of one policy together, a seed each."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for one in self.found:
            for row in one[part]["rows"]:
                if all(row[name] == value for name, value in wanted.items()):
                    groups.setdefault(row["policy"], []).append(row)
        return list(groups.values())

    def has(self, part: str) -> bool:
        """Whether it was tested on a part."""
        return all(part in one for one in self.found)


def read(records: Path) -> list[Compared]:
    """Returns what is recorded of the stages of the plan, in their order.

    Raises:
        InputError: if a record is damaged.
    """
    found: dict[str, dict[int, Any]] = {}
    for path in (records / "halting").glob("*.json"):
        if named := re.fullmatch(r"(.+)-seed(\d+)", path.stem):
            results = read_json(path, "delete it and run the plan again")
            found.setdefault(named[1], {})[int(named[2])] = results
    return [
        Compared(stage.name, [found[stage.name][seed] for seed in sorted(found[stage.name])])
        for stage in halting.STAGES
        if stage.name in found
    ]


def sections(records: Path) -> list[str]:
    """Returns the sections of the page, as far as networks have been compared.

    Args:
        records: folder of records; those of comparisons are in its folder `halting`.

    Raises:
        InputError: if a record is damaged.
    """
    models = read(records)
    if not models:
        return []
    parts = [f"## Halting on equal terms\n\n{_HEAD}"]
    for part, what in PARTS.items():
        there = [model for model in models if model.has(part)]
        if there:
            counted = _COUNTED.format(what=what)
            parts.append(f"### Solvers and starts: {what}\n\n{counted}\n\n{_counted(there, part)}")
            bought = _BOUGHT.format(what=what)
            parts.append(f"### What evaluations buy: {what}\n\n{bought}\n{_bought(there, part)}")
            parts.append(
                f"### Against fixed schedules: {what}\n\n{_AGAINST}\n{_against(there, part)}"
            )
    how = _HOW.format(many=MANY)
    parts.append(f"### Does the start matter, do steps contract?\n\n{how}\n{_how(models)}")
    return parts


def _mean(rows: Iterable[dict[str, Any]], name: str) -> float:
    return statistics.mean(row[name] for row in rows)


def _counted(models: Sequence[Compared], part: str) -> str:
    lines = []
    for model in models:
        for solver in SOLVERS:
            for warm in (True, False):
                cells = []
                for count in COUNTS:
                    text = f"s{count}f{count}"
                    policy = text if solver == SOLVERS[0] or count == 1 else f"{solver}+{text}"
                    groups = model.rows(part, policy=policy, warm=warm)
                    cells.append(score(_mean(groups[0], "miou")) if groups else "")
                start = "warm" if warm else "cold"
                lines.append([f"`{model.name}`", solver, start, *cells])
    return table(["weights", "solver", "start", *map(str, COUNTS)], lines)


def _bought(models: Sequence[Compared], part: str) -> str:
    lines = []
    for model in models:
        for gated in (False, True):
            for family in _FAMILIES:
                groups = model.rows(part, family=family, warm=True, gated=gated, solver=SOLVERS[0])
                if groups:
                    points = [(_mean(g, "steps"), _mean(g, "miou")) for g in groups]
                    cells = [_best(points, budget) for budget in _BUDGETS]
                    told = ["" if n and c == cells[n - 1] else c for n, c in enumerate(cells)]
                    name = f"gate, {family}" if gated else family
                    lines.append([f"`{model.name}`", name, *told])
    return table(["weights", "rules", *(f"{b:g}" for b in _BUDGETS)], lines)


def _best(points: Sequence[tuple[float, float]], budget: float) -> str:
    allowed = [point for point in points if point[0] <= budget]
    if not allowed:
        return ""
    steps, miou = max(allowed, key=lambda point: point[1])
    return f"{score(miou)} ({steps:.2f})"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A rule against the best mix of two schedules with as many evaluations.

    Attributes:
        policy: the rule.
        steps, miou: what it gets.
        mixed: mIoU of the mix.
        low, high: 95 % of the difference.
    """

    policy: str
    steps: float
    miou: float
    mixed: float
    low: float
    high: float


def against_fixed(model: Compared, part: str, family: str, *, gated: bool) -> Difference | None:
    """Returns the rule of a family that is farthest above schedules; None if there is no rule."""

    def rows(family: str) -> list[list[dict[str, Any]]]:
        return model.rows(part, family=family, warm=True, gated=gated, solver=SOLVERS[0])

    fixed, found = [_pooled(group) for group in rows("fixed")], []
    for group in rows(family):
        rule = _pooled(group)
        mixes = [m for a in fixed for b in fixed if (m := _mix(a, b, rule.steps)) is not None]
        if mixes:
            best = max(mixes, key=lambda videos: videos[_CHOOSE].mean())
            above = rule.videos[_CHOOSE].mean() - best[_CHOOSE].mean()
            found.append((above, group[0]["policy"], rule, best))
    if not found:
        return None
    _, policy, rule, best = max(found, key=lambda one: one[0])
    ours, mixed = rule.videos[_TELL], best[_TELL]
    low, high = paired_difference(ours, mixed)
    return Difference(policy, rule.steps, float(ours.mean()), float(mixed.mean()), low, high)


@dataclasses.dataclass(frozen=True)
class _Pooled:
    """Mean evaluations, and mIoU of every video of all seeds."""

    steps: float
    videos: np.ndarray


def _pooled(group: Sequence[dict[str, Any]]) -> _Pooled:
    return _Pooled(_mean(group, "steps"), np.concatenate([row["by_video"] for row in group]))


def _mix(a: _Pooled, b: _Pooled, steps: float) -> np.ndarray | None:
    """What two schedules get if each has its share of frames, so that the mean is as given."""
    if not a.steps <= steps <= b.steps or a.steps == b.steps:
        return None
    share = (steps - a.steps) / (b.steps - a.steps)
    return (1 - share) * a.videos + share * b.videos


def _against(models: Sequence[Compared], part: str) -> str:
    lines = []
    for model in models:
        for gated in (False, True):
            for family in _FAMILIES[1:]:
                found = against_fixed(model, part, family, gated=gated)
                if found:
                    name = f"gate, {family}" if gated else family
                    lines.append(
                        [
                            f"`{model.name}`",
                            name,
                            f"`{found.policy}`",
                            f"{found.steps:.2f}",
                            score(found.miou),
                            score(found.mixed),
                            f"{100 * (found.miou - found.mixed):+.1f}",
                            f"{100 * found.low:+.1f} to {100 * found.high:+.1f}",
                        ]
                    )
    titles = [
        "weights",
        "rules",
        "rule",
        "evaluations",
        "mIoU",
        "mix of schedules",
        "points",
        "95 %",
    ]
    return table(titles, lines)


def _how(models: Sequence[Compared]) -> str:
    lines = []
    for model in models:
        radii = [r for one in model.found for r in one["radius"] if r is not None]
        cells = [f"{min(radii):.2f} to {max(radii):.2f}"] if radii else [""]
        middle = f"{statistics.median(radii):.2f}" if radii else ""
        lines.append(
            [f"`{model.name}`", str(len(model.found)), middle, *cells]
            + [_apart(model, part) for part in PARTS]
        )
    return table(["weights", "seeds", "radius", "range", *PARTS.values()], lines)


def _apart(model: Compared, part: str) -> str:
    if not model.has(part):
        return ""
    policy = f"s{MANY}f{MANY}"
    warm, cold = (model.rows(part, policy=policy, warm=start)[0] for start in (True, False))
    return f"{100 * (_mean(warm, 'miou') - _mean(cold, 'miou')):+.1f}"
