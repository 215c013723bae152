"""The trade-off of accuracy and time: one model under many step policies."""

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from rich.table import Table

from rsf_jax.checks import checked_policies
from rsf_jax.config.build import training_schedule
from rsf_jax.console import table_console
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import Dataset, check_dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.evaluation.circumstances import carried
from rsf_jax.evaluation.testing import name_suffix
from rsf_jax.evaluation.usual_policies import default_policies
from rsf_jax.figures.tradeoff import save_tradeoff
from rsf_jax.json_files import plain, write_json
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.policies import Spec, StepPolicy, entry, policy_name, renewed
from rsf_jax.run_folder import RunFolder, writable_folder
from rsf_jax.scoring.scorer import summarize
from rsf_jax.scoring.speed import TIMED_VIDEOS, Speed, excerpt, measure_speeds
from rsf_jax.scoring.trivial import score_trivial
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained

_SHOWN_FRAMES = 8  # of a row of the table


@dataclasses.dataclass(frozen=True)
class Point:
    """One policy on one model.

    Attributes:
        policy: its name.
        policy_spec: its kind and numbers, see `policies.to_spec`.
        miou: mean foreground IoU over videos and frames.
        miou_deviation: standard deviation of the videos' mean IoU.
        steps: mean recurrent steps per frame.
        miou_by_frame, steps_by_frame: both for each frame position; a mIoU of None where no frame
            is labeled.
        frames_per_second: at batch 1.
        timed_steps: mean recurrent steps per frame of the videos that were timed.
        extrapolates: whether frames may get more steps than any did in training.
        on_front: whether no other policy is as good with fewer steps.
    """

    __repr__ = in_a_line

    policy: str
    policy_spec: Spec
    miou: float
    miou_deviation: float
    steps: float
    miou_by_frame: list[float | None]
    steps_by_frame: list[float]
    frames_per_second: float
    timed_steps: float
    extrapolates: bool
    on_front: bool


def sweep(
    trained: Trained,
    dataset: Dataset,
    workdir: str | Path,
    policies: Sequence[StepPolicy] | None = None,
    videos: int = 0,
) -> dict[str, Any]:
    """Tests one model under many policies.

    Thresholds share a compiled program; every schedule and every cap has one of its own. Writes
    `sweep.json`, `sweep.png` and `sweep.svg` to `workdir`, with more in their names where not all
    is the run's own (`evaluation.name_suffix`) or not all videos are tested. A point is kept as
    soon as it is known: a sweep that was interrupted goes on where it was, and one of other
    policies adds to those that are there.

    Args:
        trained: the model.
        dataset: an open dataset; the test split is used.
        workdir: folder for the results, made if it is missing.
        policies: what to test; None for `default_policies`.
        videos: number of test videos; 0 for all.

    Returns:
        What `sweep.json` holds: the points that were asked for, and those that were there.

    Raises:
        InputError: if the model has no recurrent steps, the dataset is none of its classes, the
            list is empty, no test video has a label, or the folder cannot be written to.
    """
    check_dataset(dataset, trained.config)
    if not trained.model.recurrent:
        raise InputError(f"model {trained.config.model} has no recurrent steps: nothing to sweep")
    if policies is None:
        policies = default_policies(trained.config)
    chosen = {policy_name(p): p for p in checked_policies(policies)}
    if not chosen:
        raise InputError("there are no policies to test: give some, or None for the usual")
    test = first_videos(dataset.test, videos)
    fewer = f"_{videos}videos" if videos else ""
    files, suffix = RunFolder(writable_folder(workdir)), f"{name_suffix(trained, dataset)}{fewer}"
    path = files.sweep(suffix)
    header = _header(trained, dataset, len(test))
    points = _known_points(path, header)
    config = trained.config
    beside = header | {"trivial": score_trivial(test, config.classes, config.eval_batch_size)}
    missing = {name: policy for name, policy in chosen.items() if name not in points}
    for point in _points(trained, test, missing):
        points[point["policy"]] = point
        results = _write(path, beside, points)
        print(_line(point, len(points), len(points.keys() | chosen.keys())), flush=True)
    if not missing:
        results = _write(path, beside, points)
    for ending in ("png", "svg"):
        save_tradeoff(files.sweep(suffix, ending), results)
    return results


def _header(trained: Trained, dataset: Dataset, videos: int) -> dict[str, Any]:
    """What a sweep holds besides its points: all that they have in common."""
    return {
        "preset": trained.config.name,
        "dataset": dataset.name,
        "update": trained.update,
        "weights": trained.fingerprint,
        "data": dataset.identity and dataclasses.asdict(dataset.identity),
        "stateful": carried(trained),
        **entry(training_schedule(trained.config), "training_schedule"),
        "videos": videos,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "config": dataclasses.asdict(trained.config),
    }


def _known_points(path: Path, header: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The points of an earlier call for the same model, data and machine, by policy.

    An earlier version may have written them, with other texts for the same policies, and without
    saying whose weights they are of.
    """
    try:
        found = json.loads(path.read_text())
        found = renewed(found, "training_schedule")
        same = all(found.get(name, value) == value for name, value in header.items())
        points = map(renewed, found["points"]) if same else ()
        return {point["policy"]: point for point in points}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}  # none, or damaged: it is made anew


def _write(path: Path, header: dict[str, Any], points: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Writes `sweep.json` with the points that there are; returns what it holds."""
    found = list(points.values())
    front = pareto_front([p["steps"] for p in found], [p["miou"] for p in found])
    marked = [{**p, "on_front": bool(best)} for p, best in zip(found, front)]
    speeds = [Speed(1 / p["frames_per_second"], p["timed_steps"]) for p in marked]
    results = {**header, "points": marked, "milliseconds": fit_cost(speeds)}
    write_json(path, results)
    return results


def _line(point: dict[str, Any], number: int, total: int) -> str:
    return (
        f"{number} of {total}: {point['policy']}  mIoU {point['miou']:.3f}  "
        f"{point['steps']:.2f} steps per frame"
    )


def fit_cost(speeds: Iterable[Speed]) -> dict[str, float]:
    """Fits a frame's time as a constant and a share for each recurrent step, in milliseconds.

    Relative errors count alike, whatever the number of steps.
    """
    measured = np.array([(1, s.steps, s.seconds) for s in speeds])
    if len(np.unique(measured[:, 1])) < 2:
        return {}
    weighted = measured[:, :2] / measured[:, 2:]
    frame, step = np.linalg.lstsq(weighted, np.ones(len(measured)), rcond=None)[0]
    return {"frame": 1000 * float(frame), "step": 1000 * float(step)}


def print_sweep(results: dict[str, Any]) -> None:
    """Prints the table of a sweep; policies on the Pareto front are starred."""
    table = Table(title=f"{results['preset']}, trained with {results['training_schedule']}")
    table.add_column("policy", overflow="fold")
    for title in ("mIoU", "steps", "frames/s"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("steps by frame", no_wrap=True)
    for point in sorted(results["points"], key=lambda p: p["steps"]):
        table.add_row(
            point["policy"] + (" *" if point["on_front"] else ""),
            f"{point['miou']:.3f}",
            f"{point['steps']:.2f}",
            f"{point['frames_per_second']:.0f}",
            _shortened([f"{steps:.1f}" for steps in point["steps_by_frame"]]),
        )
    console = table_console()
    console.print(table)
    console.print(_explanation(results), highlight=False, soft_wrap=True)


def _shortened(values: list[str]) -> str:
    """As many as a page has room for."""
    return " ".join(
        values if len(values) <= _SHOWN_FRAMES else [*values[: _SHOWN_FRAMES - 1], "..."]
    )


def _explanation(results: dict[str, Any]) -> str:
    """How frames per second follow from steps, in words."""
    cost, points = results["milliseconds"], results["points"]
    lines = [
        f"{results['videos']} test videos; * no other policy is as good with fewer steps; frames a "
        f"second at batch 1 ({results['device']})"
    ]
    if cost and all(p["timed_steps"] for p in points):
        most = max(points, key=lambda p: p["timed_steps"])
        least = min(points, key=lambda p: p["timed_steps"])
        lines.append(
            f"A frame takes {cost['frame']:.2f} ms and {cost['step']:.2f} ms more for each step. "
            f"{most['policy']} spends {most['timed_steps'] / least['timed_steps']:.1f} times the "
            f"steps of {least['policy']}, which is "
            f"{least['frames_per_second'] / most['frames_per_second']:.1f} times as fast: what a "
            "frame takes besides its steps does not become less"
        )
    return "\n".join(lines)


def _speeds(
    trained: Trained, test: grain.MapDataset, policies: Iterable[StepPolicy]
) -> dict[str, Speed]:
    batch = next(evaluation_batches(test, min(TIMED_VIDEOS, len(test))))
    return measure_speeds(
        trained.model,
        trained.variables,
        excerpt(batch.frames),
        policies,
        stateful=trained.config.stateful,
    )


def _points(
    trained: Trained, test: grain.MapDataset, policies: dict[str, StepPolicy]
) -> Iterator[dict[str, Any]]:
    """Yields the point of every policy; all are timed first, in turns, to be comparable."""
    if not policies:
        return
    score, speeds = trained.scorer(), _speeds(trained, test, policies.values())
    most = training_schedule(trained.config).max_steps
    for name, policy in policies.items():
        summary = summarize(score(test, policy))
        if math.isnan(summary.miou):
            raise InputError("no test video has a label: policies cannot be compared by their mIoU")
        point = Point(
            **entry(policy),
            miou=summary.miou,
            miou_deviation=summary.miou_deviation,
            steps=float(np.mean(summary.steps_by_frame)),
            miou_by_frame=plain(summary.miou_by_frame),
            steps_by_frame=summary.steps_by_frame,
            frames_per_second=1 / speeds[name].seconds,
            timed_steps=speeds[name].steps,
            extrapolates=policy.max_steps > most,
            on_front=False,  # known once all are
        )
        yield dataclasses.asdict(point)
