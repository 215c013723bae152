"""Chooses the policy that keeps a target."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
from rich.table import Table

from rsf_jax.calibration.candidates import default_candidates, default_reference
from rsf_jax.calibration.files import FILE
from rsf_jax.calibration.judge import judged_by, scorer_for
from rsf_jax.calibration.risk import upper_bound, values_until_failure
from rsf_jax.calibration.scored import LABELS, REFERENCE, Scored, VideoScorer
from rsf_jax.calibration.target import Target
from rsf_jax.calibration.units import Units, as_units, first_units
from rsf_jax.calibration.watching import shadow_bound
from rsf_jax.checks import check_policy, checked_policies
from rsf_jax.console import table_console
from rsf_jax.data.dataset import Dataset
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_json
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.policies import (
    StepPolicy,
    entry,
    parse_policy,
    policy_name,
    read_policy,
    to_spec,
)
from rsf_jax.run_folder import writable_folder
from rsf_jax.trained.model import Trained


def calibrate(
    trained: Trained,
    data: Dataset | Units,
    workdir: str | Path,
    target: Target,
    *,
    reference: StepPolicy | None = None,
    policies: Sequence[StepPolicy] | None = None,
    videos: int = 0,
) -> dict[str, Any]:
    """Chooses the cheapest (or the best) of the policies that keep a target.

    Candidates are put in order on the validation videos, the safest first, each later one with
    fewer steps (or a higher quality). They are tested in that order on calibration videos, which
    neither training nor the selection of a checkpoint has touched, until one fails; the last that
    passes is taken. The guarantee is one for the mean over videos like these, whatever their
    distribution; it is none for a single video, nor for videos of another kind.

    With the target "disagreement" what a reference makes of the videos takes the place of their
    labels, and nothing else is different. What an alarm is to watch is bounded beside it, see
    `watching`.

    Writes `policy.json` beside the checkpoints.

    Args:
        trained: the model.
        data: an open dataset, the one the model was trained on; or live streams or clips, of which
            each takes the place of a video (`units`, `clips`).
        workdir: the run's folder.
        target: what is wanted.
        reference: what a drop or a disagreement is measured against; None for the schedule of
            training, on streams and clips behind a gate.
        policies: candidates; None for those of a sweep, on streams and clips those of a live test.
        videos: number of calibration videos; 0 for all.

    Returns:
        What `policy.json` holds.

    Raises:
        InputError: if there are no calibration videos, or too few for the target; or if no
            candidate can be guaranteed to keep it (the message says what can); or a policy cannot
            be written to a file.

    Source: see `risk.py`.
    """
    if not isinstance(target, Target):
        raise InputError(
            f'target is {target!r}: a Target is needed, such as Target("miou_drop", 0.01)'
        )
    units = first_units(as_units(trained, data), videos)
    calibration, kind = units.calibration, units.kind
    reference = _checked(default_reference(trained, kind) if reference is None else reference)
    if policies is None:
        policies = default_candidates(trained.config, kind, reference)
    candidates = list(map(_checked, checked_policies(policies)))
    if not candidates:
        raise InputError("there are no policies to choose from: give some, or None for the usual")
    _check_enough(target, len(calibration), kind, candidates)
    score = scorer_for(trained, target, kind, reference)
    workdir = writable_folder(workdir)
    order = in_order(target, candidates, reference, units.validation, score)
    beside = score(reference, calibration)
    judged = len(beside.quality)
    _check_enough(target, judged, kind, candidates)
    judge = judged_by(target, kind)
    rows = _test(target, order, beside, calibration, score, _QUALITIES[judge])
    passed = [row for row in rows if row["p_value"] <= target.level]
    if not passed:
        raise InputError(_unmet(target, rows[0], reference, judged, kind))
    results = {
        "policy": passed[-1]["policy"],
        "policy_spec": passed[-1]["policy_spec"],
        "target": dataclasses.asdict(target),
        **entry(reference, "reference"),
        "units": {"kind": kind, **units.made},
        "judged_by": judge,
        "preset": trained.config.name,
        "update": trained.update,
        "weights": trained.fingerprint,
        "dataset": trained.config.dataset,
        "stateful": trained.config.stateful,
        "validation_videos": len(units.validation),
        "calibration_videos": judged,
        "tested": rows,
        "order": list(map(policy_name, order)),
        "order_specs": list(map(to_spec, order)),
    }
    if target.quantity == "disagreement" and trained.model.recurrent:
        chosen = read_policy(results)
        level = target.level / len(order)
        results["shadow"] = shadow_bound(trained, chosen, reference, calibration, level)
    write_json(Path(workdir, FILE), results)
    return results


# What the quality of a policy is called in files, by its judge.
_QUALITIES = {LABELS: "miou", REFERENCE: "agreement"}
_TITLES = {"miou": "mIoU", "agreement": "agreement"}


def print_calibration(results: dict[str, Any]) -> None:
    """Prints the candidates that were tested, and the choice."""
    target, kind = Target(**results["target"]), results["units"]["kind"]
    quality = _QUALITIES[results["judged_by"]]
    table = Table(title=f"{target.words(kind)} (reference {results['reference']})")
    table.add_column("policy, in the order of tests", overflow="fold")
    for title in (_TITLES[quality], "steps", "estimate", "bound", "p-value"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in results["tested"]:
        mark = " <" if row["policy"] == results["policy"] else ""
        numbers = (f"{row[key]:.3f}" for key in (quality, "steps", "estimate", "bound", "p_value"))
        table.add_row(row["policy"] + mark, *numbers)
    console = table_console()
    console.print(table)
    console.print(
        f"Chosen: {results['policy']}, tested on {results['calibration_videos']} calibration "
        f"{kind} in an order found on {results['validation_videos']} validation {kind}",
        highlight=False,
        soft_wrap=True,
    )
    if target.quantity == "disagreement":
        console.print(_plain_words(target, results), highlight=False, soft_wrap=True)


def _plain_words(target: Target, results: dict[str, Any]) -> str:
    """What a disagreement is, to whom the word says little."""
    return (
        f"With confidence {target.confidence:.0%}, the expected disagreement with the reference "
        f"{results['reference']} is at most {target.limit:g} on {results['units']['kind']} like "
        "these: 1 less the IoU of what both make of a frame, in the mean over frames"
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
    quality: str,
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
            quality: float(s.quality.mean()),
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


def _check_enough(target: Target, count: int, kind: str, candidates: Sequence[StepPolicy]) -> None:
    """Not even videos of the least loss could guarantee more than this."""
    none = np.full(count, target.least(candidates))
    least = upper_bound(none, target.level, target.most(candidates))
    if least > target.limit:
        raise InputError(
            f"{count} calibration {kind} can guarantee {least:.3g} at best with confidence "
            f"{target.confidence:g}, not {target.limit:g}: ask for more than that, for less "
            f"confidence, or take more {kind}"
        )


def _unmet(
    target: Target, safest: dict[str, Any], reference: StepPolicy, count: int, kind: str
) -> str:
    name = policy_name(reference)
    what = {
        "miou_drop": f"a drop of mIoU against {name}",
        "disagreement": f"a disagreement with {name}",
        "steps": "mean steps",
    }
    return (
        f"no policy can be guaranteed to keep {what[target.quantity]} within {target.limit:g} with "
        f"confidence {target.confidence:g}: the safest, {safest['policy']}, is at "
        f"{safest['estimate']:.3g} on {count} calibration {kind}, and {safest['bound']:.3g} is "
        "the least that can be guaranteed. Ask for that, or give other policies"
    )
