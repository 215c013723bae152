"""The page of results: the paper's figures beside those of recorded runs, and nothing else."""

import statistics
from collections.abc import Mapping
from pathlib import Path

from reproduction import halting_page, live_page, mazes_page, speed_page
from reproduction.paper import TABLES, Row
from reproduction.tables import score, table
from rsf_jax.config.build import training_schedule
from rsf_jax.config.config import MODEL_FIELDS
from rsf_jax.config.presets import get_config
from rsf_jax.errors import InputError
from rsf_jax.pretrained import Card, pretrained_names, read_card
from rsf_jax.run_folder import read_json
from rsf_jax.trained.records import Record, read_record

_HEAD = """# Results

Every figure of ours on this page was written by a run and is copied from its record; the page is \
made by `python launch/reproduce.py --page_only`. mIoU is of the test split: mean and, of several \
seeds, standard deviation. Frames per second are at batch 1, the paper's on an RTX 3080. Time is \
of the updates alone.

A row of the paper begins with its preset, trained by the paper's recipe. Below it, each with the \
name of its record, are runs of the same network on the same data, tested alike, that were trained \
in another way: in all, with what they began with, they have seen the videos and taken the time \
that is given. `python launch/reproduce.py --plan=two_cores` makes them. What has not been run \
would take the core hours that are given, of the updates alone, as measured by an update of one \
video (`python launch/benchmark_hours.py`).
"""
_PAPER = (
    "preset",
    "tested with",
    "paper's mIoU",
    "our mIoU",
    "paper's frames/s",
    "our frames/s",
    "trained",
    "on",
)
_OWN = ("run", "tested with", "mIoU", "steps per frame", "frames/s", "parameters", "trained", "on")
_CARDS = (
    *("name", "run", "data", "seed", "validation mIoU", "test mIoU", "still camera"),
    *("trained", "on"),
)
_STILL = """\
"Still camera" is the last frame of 64 test videos, shown again and again under the schedule of \
training: for how many frames the mIoU stays within 95 % of its best so far, and the mIoU of the \
first and of the last of 1,000 (`python launch/live.py --pretrained=NAME`).
"""
_NOT_RUN = "not run"
_HOURS = "hours.json"  # of `launch/benchmark_hours.py`
# What two runs share whose tests can be compared: the network, and the data.
_SAME = (*MODEL_FIELDS, "dataset", "norm_statistics", "stateful")
_ROWS = [row for rows in TABLES.values() for row in rows]


def write_page(records: Path, page: Path) -> None:
    """Writes the page: of records, and of the cards of weights that come with the library.

    Args:
        records: folder of records, one file of JSON each.
        page: a file of Markdown.

    Raises:
        InputError: if a record or a card is damaged, or the page cannot be written.
    """
    cards = [read_card(name) for name in pretrained_names()]
    named = {path.stem: read_record(path) for path in sorted(records.glob("*.json"))}
    found = list(named.values())
    recorded = {(run.label, run.seed) for run in found}
    found += [c.record for c in cards if (c.record.label, c.record.seed) not in recorded]
    parts, hours = [_HEAD], _core_hours(records)
    for title, rows in TABLES.items():
        lines = [line for row in rows for line in _paper_lines(row, found, named, hours)]
        parts.append(f"## {title}\n\n{table(_PAPER, lines)}")
    parts.append(f"## Other runs\n\n{table(_OWN, _own_lines(found))}")
    parts += live_page.sections(records)
    parts += halting_page.sections(records)
    parts += mazes_page.sections(records)
    parts += speed_page.sections(records)
    weights = [_card_line(card) for card in cards]
    parts.append(f"## Weights that come with the library\n\n{table(_CARDS, weights)}\n{_STILL}")
    try:
        page.write_text("\n".join(parts))
    except OSError as error:
        raise InputError(f"the page cannot be written to {page}: {error.strerror}") from error


def _core_hours(records: Path) -> dict[str, float]:
    """What the paper's rows would take to train, by preset; empty if it was not measured."""
    path = records / speed_page.FOLDER / _HOURS
    if not path.exists():
        return {}
    rows = read_json(path, "measure again: python launch/benchmark_hours.py")["rows"]
    return {row["preset"]: row["core_hours"] for row in rows}


def _paper_lines(
    row: Row, found: list[Record], named: dict[str, Record], hours: Mapping[str, float]
) -> list[list[str]]:
    """The line of the paper's recipe, then one for each run with another."""
    policy = _policy(row)
    runs = [run for run in found if run.label == row.preset]
    lines = [_paper_line(row, policy, runs, hours.get(row.preset))]
    for name, run in named.items():
        if policy in run.tests and run.label != row.preset and _is_of(row, run):
            ours = _tested(row, policy, [run])
            lines.append([f"- `{name}`", policy, "", ours, "", *_other_recipe(run, policy, named)])
    return lines


def _paper_line(row: Row, policy: str, runs: list[Record], hours: float | None) -> list[str]:
    tested = [run for run in runs if policy in run.tests]
    steps = "" if row.steps is None else f" at {row.steps} steps"
    paper = [f"`{row.preset}`", policy, f"{score(row.miou)}{steps}"]
    speed = "" if row.frames_per_second is None else str(row.frames_per_second)
    if not tested:
        return [*paper, _state(runs, hours), speed, "", "", ""]
    ours = _tested(row, policy, tested)
    return [*paper, ours, speed, _frames_per_second(tested, policy), *_training(tested)]


def _policy(row: Row) -> str:
    return row.policy or str(training_schedule(get_config(row.preset)))


def _tested(row: Row, policy: str, runs: list[Record]) -> str:
    found = _mean([run.tests[policy].miou for run in runs])
    return found if row.steps is None else f"{found} at {_steps(runs, policy):.1f} steps"


def _is_of(row: Row, run: Record) -> bool:
    """Whether a run has the network and the data of a row, however it was trained."""
    wanted = get_config(row.preset)
    return all(run.config[name] == getattr(wanted, name) for name in _SAME)


def _other_recipe(run: Record, policy: str, named: dict[str, Record]) -> tuple[str, str, str]:
    """Speed, training and hardware of a run together with those that it began with."""
    chain = [run]
    while (before := chain[-1].config["init_from"]) in named and named[before] not in chain:
        chain.append(named[before])
    begun = chain[-1].config["init_from"]
    steps = [f"`{begun}`"] if begun else []
    steps += [_recipe(part) for part in reversed(chain)]
    videos = sum(part.videos for part in chain)
    hours = sum(part.core_hours or 0.0 for part in chain)
    text = f"{', then '.join(steps)}: {videos:,} videos"
    if hours:
        text += f", {hours:.1f} core hours"
    speed = f"{run.tests[policy].frames_per_second:.0f}"
    return speed, text, run.hardware


def _recipe(run: Record) -> str:
    height, width = run.frame_size
    schedules = "mixed schedules" if run.config["schedules"] else run.schedule
    return f"{run.config['dataset'].partition('/')[2]} {height}x{width} with {schedules}"


def _state(runs: list[Record], hours: float | None = None) -> str:
    """What there is of a row that has not been tested."""
    unfinished = [run for run in runs if not run.tests]
    if not unfinished:
        return _NOT_RUN if hours is None else f"{_NOT_RUN}: {hours:,.0f} core hours"
    best = max(unfinished, key=lambda run: run.epochs)
    found = best.validation.get("miou")
    validation = "" if found is None else f", validation {score(found)}"
    return f"unfinished: {_epochs([best])}{validation}"


def _own_lines(found: list[Record]) -> list[list[str]]:
    """What no table of the paper has: runs of other networks or data, and other policies."""
    lines = []
    for label in sorted({run.label for run in found}):
        runs = [run for run in found if run.label == label]
        policies = sorted({policy for run in runs for policy in run.tests})
        if not policies and not any(label == row.preset for row in _ROWS):
            lines.append([f"`{label}`", "", _state(runs), *[""] * 5])
        for policy in policies:
            tested = [run for run in runs if policy in run.tests]
            if any(policy == _policy(row) and _is_of(row, tested[0]) for row in _ROWS):
                continue
            lines.append(
                [
                    f"`{label}`",
                    policy,
                    _mean([run.tests[policy].miou for run in tested]),
                    f"{_steps(tested, policy):.2f}",
                    _frames_per_second(tested, policy),
                    f"{tested[0].parameters:,}",
                    *_training(tested),
                ]
            )
    return lines


def _card_line(card: Card) -> list[str]:
    record = card.record
    test = record.tests.get(record.schedule)
    return [
        f"`{card.name}`",
        f"`{record.label}`",
        f"{record.config['dataset']} {record.version}, {'x'.join(map(str, record.frame_size))}",
        str(record.seed),
        score(record.validation["miou"]),
        "" if test is None or test.miou is None else score(test.miou),
        _still_camera(record),
        *_training([record]),
    ]


def _still_camera(record: Record) -> str:
    """How long a frame that is shown again and again is kept, under the schedule of training."""
    told = []
    for found in record.still:
        if found.policy == record.schedule:
            of = f" (noise {found.noise:g})" if found.noise else ""
            first, *_, last = found.miou.values()
            kept = f"holds {found.frames:,}" if found.holds else f"{found.lasts:,}"
            told.append(f"{kept} frames{of}: {_optional(first)} to {_optional(last)}")
    return "; ".join(told) or "not tested"


def _optional(value: float | None) -> str:
    return "none" if value is None else score(value)


def _training(runs: list[Record]) -> tuple[str, str]:
    """How long runs were trained, and on what."""
    hours = statistics.mean(run.seconds for run in runs) / 3600
    duration = f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"
    return f"{_epochs(runs)}, {duration}", "; ".join(dict.fromkeys(run.hardware for run in runs))


def _epochs(runs: list[Record]) -> str:
    done = statistics.mean(run.epochs for run in runs)
    updates = runs[0].config["updates"]
    if updates:
        return f"{statistics.mean(run.updates for run in runs):.0f} of {updates} updates"
    return f"{done:.3g} of {runs[0].config['epochs']} epochs"


def _mean(found: list[float | None]) -> str:
    scores = [value for value in found if value is not None]
    if not scores:
        return "none"
    text = score(statistics.mean(scores))
    if len(scores) == 1:
        return f"{text} (1 seed)"
    return f"{text} ± {score(statistics.stdev(scores))} ({len(scores)} seeds)"


def _steps(runs: list[Record], policy: str) -> float:
    return statistics.mean(statistics.mean(run.tests[policy].steps_by_frame) for run in runs)


def _frames_per_second(runs: list[Record], policy: str) -> str:
    return f"{statistics.mean(run.tests[policy].frames_per_second for run in runs):.0f}"
