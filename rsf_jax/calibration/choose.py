"""Chooses the policy that keeps a target."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
from rich.console import Console
from rich.table import Table

from rsf_jax.calibration.files import FILE
from rsf_jax.calibration.risk import upper_bound, values_until_failure
from rsf_jax.calibration.target import Scored, Target, VideoScorer, video_scorer
from rsf_jax.checks import check_policy
from rsf_jax.config.build import training_schedule
from rsf_jax.data.dataset import Dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.evaluation.sweep import default_policies
from rsf_jax.json_files import write_json
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.policies import StepPolicy, entry, parse_policy, policy_name, to_spec
from rsf_jax.trained.model import Trained


def calibrate(
    trained: Trained,
    dataset: Dataset,
    workdir: str | Path,
    target: Target,
    *,
    reference: StepPolicy | None = None,
    policies: Sequence[StepPolicy] | None = None,
    videos: int = 0,
) -> dict[str, Any]:
    """Chooses the cheapest (or the most accurate) of the policies that keep a target.

    Candidates are put in order on the validation videos, the safest first, each later one with
    fewer steps (or a higher mIoU). They are tested in that order on calibration videos, which
    neither training nor the selection of a checkpoint has touched, until one fails; the last that
    passes is taken. The guarantee is one for the mean over videos like these, whatever their
    distribution; it is none for a single video, nor for videos of another kind.

    Writes `policy.json` beside the checkpoints.

    Args:
        trained: the model.
        dataset: an open dataset, the one the model was trained on.
        workdir: the run's folder.
        target: what is wanted.
        reference: what a drop is measured against; None for the schedule of training.
        policies: candidates; None for those of a sweep, schedules among them.
        videos: number of calibration videos; 0 for all.

    Returns:
        What `policy.json` holds.

    Raises:
        InputError: if there are no calibration videos, or too few for the target; or if no
            candidate can be guaranteed to keep it (the message says what can); or a policy cannot
            be written to a file.

    Source: see `risk.py`.
    """
    calibration = _calibration_videos(trained, dataset, videos)
    reference = _checked(training_schedule(trained.config) if reference is None else reference)
    if policies is None:
        policies = default_policies(trained.config)
    candidates = list(map(_checked, policies))
    if not candidates:
        raise InputError("there are no policies to choose from: give some, or None for the usual")
    _check_enough(target, len(calibration), candidates)
    score = video_scorer(trained)
    order = in_order(target, candidates, reference, dataset.validation, score)
    beside = score(reference, calibration)
    labeled = len(beside.miou)
    _check_enough(target, labeled, candidates)
    rows = _test(target, order, beside, calibration, score)
    passed = [row for row in rows if row["p_value"] <= target.level]
    if not passed:
        raise InputError(_unmet(target, rows[0], reference, labeled))
    results = {
        "policy": passed[-1]["policy"],
        "policy_spec": passed[-1]["policy_spec"],
        "target": dataclasses.asdict(target),
        **entry(reference, "reference"),
        "preset": trained.config.name,
        "update": trained.update,
        "dataset": trained.config.dataset,
        "validation_videos": len(dataset.validation),
        "calibration_videos": labeled,
        "tested": rows,
        "order": list(map(policy_name, order)),
        "order_specs": list(map(to_spec, order)),
    }
    write_json(Path(workdir, FILE), results)
    return results


def check_data(trained: Trained) -> None:
    """Checks that a model's settings name the videos it was trained on; opens nothing.

    Raises:
        InputError: if they name others.
    """
    for name in ("dataset", "validation_share", "calibration_share"):
        saved, now = getattr(trained.saved, name), getattr(trained.config, name)
        if saved != now:
            raise InputError(
                f"config.{name} is {now!r}, the checkpoint was trained with {saved!r}: a guarantee "
                "holds for the videos a model was made for"
            )


def print_calibration(results: dict[str, Any]) -> None:
    """Prints the candidates that were tested, and the choice."""
    target = Target(**results["target"])
    table = Table(title=f"{target} (reference {results['reference']})")
    table.add_column("policy, in the order of tests", overflow="fold")
    for title in ("mIoU", "steps", "estimate", "bound", "p-value"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in results["tested"]:
        mark = " <" if row["policy"] == results["policy"] else ""
        numbers = (f"{row[key]:.3f}" for key in ("miou", "steps", "estimate", "bound", "p_value"))
        table.add_row(row["policy"] + mark, *numbers)
    console = Console()
    console.print(table)
    console.print(
        f"Chosen: {results['policy']}, tested on {results['calibration_videos']} calibration "
        f"videos in an order found on {results['validation_videos']} validation videos",
        highlight=False,
        soft_wrap=True,
    )


def in_order(
    target: Target,
    candidates: Sequence[StepPolicy],
    reference: StepPolicy,
    validation: grain.MapDataset,
    score: VideoScorer,
) -> list[StepPolicy]:
    """Returns the candidates that no other one beats on the validation videos, the safest first."""
    beside = score(reference, validation)
    scored = [score(policy, validation) for policy in candidates]
    risks = [float(target.losses(s, beside).mean()) for s in scored]
    gains = [target.gain(s) for s in scored]
    best = [i for i, is_best in enumerate(pareto_front(risks, gains)) if is_best]
    # Of those that are equal the first will do.
    distinct = {risks[i]: i for i in reversed(best)}
    return [candidates[distinct[risk]] for risk in sorted(distinct)]


def _test(
    target: Target,
    order: Sequence[StepPolicy],
    beside: Scored,
    calibration: grain.MapDataset,
    score: VideoScorer,
) -> list[dict[str, Any]]:
    """Tests candidates until one fails; returns a row for each."""
    most = target.most(order)
    scored: list[Scored] = []

    def losses() -> Iterator[np.ndarray]:
        for policy in order:
            scored.append(score(policy, calibration))
            yield target.losses(scored[-1], beside)

    values = values_until_failure(losses(), target.limit, target.level, most)
    return [
        {
            **entry(policy),
            "miou": float(s.miou.mean()),
            "steps": float(s.steps.mean()),
            "estimate": float(target.losses(s, beside).mean()),
            "bound": upper_bound(target.losses(s, beside), target.level, most),
            "p_value": value,
        }
        for policy, s, value in zip(order, scored, values)
    ]


def _checked(policy: StepPolicy) -> StepPolicy:
    """Returns a policy that can be written to a file and read again."""
    check_policy(policy)
    try:
        same = bool(parse_policy(policy_name(policy)) == policy)
    except InputError:
        same = False
    if not same:
        raise InputError(
            f"policy {policy} cannot be written to {FILE}: candidates and reference are schedules, "
            "halting by a metric that has a name, or registered policies (rsf.register_metric, "
            "rsf.register_policy), with one number for all samples"
        )
    return policy


def _calibration_videos(trained: Trained, dataset: Dataset, videos: int) -> grain.MapDataset:
    check_data(trained)
    if dataset.calibration is None:
        raise InputError(
            f"dataset {trained.config.dataset} has no videos that neither training nor the "
            "selection of a checkpoint has touched: build it anew if its builder has a split "
            "'calibration', or train with config.calibration_share=0.1"
        )
    return first_videos(dataset.calibration, videos)


def _check_enough(target: Target, videos: int, candidates: Sequence[StepPolicy]) -> None:
    """Not even videos without any loss could guarantee more than this."""
    none = np.full(videos, target.least(candidates))
    least = upper_bound(none, target.level, target.most(candidates))
    if least > target.limit:
        raise InputError(
            f"{videos} calibration videos can guarantee {least:.3g} at best with confidence "
            f"{target.confidence:g}, not {target.limit:g}: ask for more than that, for less "
            "confidence, or take more videos"
        )


def _unmet(target: Target, safest: dict[str, Any], reference: StepPolicy, videos: int) -> str:
    what = {"miou_drop": f"a drop of mIoU against {policy_name(reference)}", "steps": "mean steps"}
    return (
        f"no policy can be guaranteed to keep {what[target.quantity]} within {target.limit:g} with "
        f"confidence {target.confidence:g}: the safest, {safest['policy']}, is at "
        f"{safest['estimate']:.3g} on {videos} calibration videos, and {safest['bound']:.3g} is "
        "the least that can be guaranteed. Ask for that, or give other policies"
    )
