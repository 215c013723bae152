"""The part of the page of results in which rules of halting are compared on equal terms."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reproduction import halting, mazes
from reproduction.tables import score, table
from reproduction.two_cores import Stage
from rsf_jax.evaluation.equal_terms import COUNTS, MANY, SOLVERS
from rsf_jax.measures.paired import paired_difference
from rsf_jax.run_folder import read_json


class Part(NamedTuple):
    """What networks are compared on: some of the stages, and which of their results.

    A picture has rules behind a gate where there are frames in which nothing has changed.
    """

    stages: Sequence[Stage]
    results: str
    title: str
    gated: bool


PARTS = (
    Part(halting.STAGES, "clips", "test videos", False),
    Part(halting.STAGES, "live", "live streams", True),
    Part(mazes.VIDEOS, "clips", "videos of mazes", True),
)
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
mIoU and points are of the other half, evaluations of all. The interval is 95 % of bootstrap \
samples of these videos, of all seeds.
"""
_HOW = """\
How much of the mIoU after {many} evaluations depends on the start (warm minus cold), in points, \
and the spectral radius of the step's Jacobian there, median and range over first frames and seeds.
"""
_FOLLOWS = """\
Evaluations of a rule follow the distance that news has to travel in a frame with the rank \
correlation that is given last; the share of the pixels that change does with {pixels}.
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

    def pixels(self, part: str) -> float | None:
        """How changed pixels follow the distance; None if the videos do not say."""
        told = [one[part]["pixels"] for one in self.found]
        return statistics.mean(p["follows"] for p in told) if all(told) else None


def read(records: Path, part: Part) -> list[Compared]:
    """Returns what is recorded of a part, in the order of its stages.

    Raises:
        InputError: if a record is damaged.
    """
    models = []
    for stage in part.stages:
        paths = sorted((records / "halting").glob(f"{stage.name}-seed[0-9]*.json"))
        found = [read_json(path, "delete it and run the plan again") for path in paths]
        if found and all(part.results in one for one in found):
            models.append(Compared(stage.name, found))
    return models


def sections(records: Path) -> list[str]:
    """Returns the sections of the page, as far as networks have been compared.

    Args:
        records: folder of records; those of comparisons are in its folder `halting`.

    Raises:
        InputError: if a record is damaged.
    """
    tables = []
    for part in PARTS:
        models, title = read(records, part), part.title
        if models:
            results = part.results
            counted, bought = _COUNTED.format(what=title), _BOUGHT.format(what=title)
            tables += [
                f"### Solvers and starts: {title}\n\n{counted}\n\n{_counted(models, results)}",
                f"### What evaluations buy: {title}\n\n{bought}\n{_bought(models, results)}",
                f"### Against fixed schedules: {title}\n\n{_AGAINST}\n{_against(models, results)}",
                f"### Starts and contraction: {title}\n\n{_how(models, results)}",
            ]
    return [f"## Halting on equal terms\n\n{_HEAD}", *tables] if tables else []


def mean(rows: Iterable[dict[str, Any]], name: str) -> float:
    """Returns the mean of one of the values of rows."""
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
                    cells.append(score(mean(groups[0], "miou")) if groups else "")
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
                    points = [(mean(g, "steps"), mean(g, "miou")) for g in groups]
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
        follows: rank correlation of its evaluations with the distance; None if it has none.
    """

    policy: str
    steps: float
    miou: float
    mixed: float
    low: float
    high: float
    follows: float | None


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
            found.append((above, group, rule, best))
    if not found:
        return None
    _, group, rule, best = max(found, key=lambda one: one[0])
    ours, mixed = rule.videos[_TELL], best[_TELL]
    follows = [row["follows"] for row in group]
    return Difference(
        group[0]["policy"],
        rule.steps,
        float(ours.mean()),
        float(mixed.mean()),
        *paired_difference(ours, mixed),
        None if None in follows else statistics.mean(follows),
    )


@dataclasses.dataclass(frozen=True)
class _Pooled:
    """Mean evaluations, and mIoU of every video of all seeds."""

    steps: float
    videos: np.ndarray


def _pooled(group: Sequence[dict[str, Any]]) -> _Pooled:
    return _Pooled(mean(group, "steps"), np.concatenate([row["by_video"] for row in group]))


def _mix(a: _Pooled, b: _Pooled, steps: float) -> np.ndarray | None:
    """What two schedules get if each has its share of frames, so that the mean is as given."""
    if not a.steps <= steps <= b.steps or a.steps == b.steps:
        return None
    share = (steps - a.steps) / (b.steps - a.steps)
    return (1 - share) * a.videos + share * b.videos


def _against(models: Sequence[Compared], part: str) -> str:
    known = models[0].pixels(part)
    lines = []
    for model in models:
        for gated in (False, True):
            for family in _FAMILIES[1:]:
                found = against_fixed(model, part, family, gated=gated)
                if found:
                    name = f"gate, {family}" if gated else family
                    line = [f"`{model.name}`", name, *_told(found)]
                    lines.append(line if known is None else [*line, _follows(found.follows)])
    titles = ["weights", "rules", "rule", "evaluations", "mIoU", "of the mix", "points", "95 %"]
    if known is None:
        return table(titles, lines)
    text = _FOLLOWS.format(pixels=_follows(known))
    return f"{text}\n{table([*titles, 'follows'], lines)}"


def _told(found: Difference) -> list[str]:
    return [
        f"`{found.policy}`",
        f"{found.steps:.2f}",
        score(found.miou),
        score(found.mixed),
        f"{100 * (found.miou - found.mixed):+.1f}",
        f"{100 * found.low:+.1f} to {100 * found.high:+.1f}",
    ]


def _follows(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _how(models: Sequence[Compared], part: str) -> str:
    lines = []
    for model in models:
        radii = [r for one in model.found for r in one["radius"] if r is not None]
        middle = f"{statistics.median(radii):.2f}" if radii else ""
        extent = f"{min(radii):.2f} to {max(radii):.2f}" if radii else ""
        seeds, apart = str(len(model.found)), _apart(model, part)
        lines.append([f"`{model.name}`", seeds, middle, extent, apart])
    told = table(["weights", "seeds", "radius", "range", "warm minus cold"], lines)
    return f"{_HOW.format(many=MANY)}\n{told}"


def _apart(model: Compared, part: str) -> str:
    policy = f"s{MANY}f{MANY}"
    warm, cold = (model.rows(part, policy=policy, warm=start)[0] for start in (True, False))
    return f"{100 * (mean(warm, 'miou') - mean(cold, 'miou')):+.1f}"
