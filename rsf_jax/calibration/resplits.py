"""Tries a guarantee: calibrates on many random parts of held-out videos, and looks at the rest."""

import dataclasses
from pathlib import Path
from typing import Any

import grain
import numpy as np

from rsf_jax.arguments import whole
from rsf_jax.calibration.files import FILE
from rsf_jax.calibration.judge import scorer_for
from rsf_jax.calibration.kinds import VIDEOS
from rsf_jax.calibration.risk import values_until_failure
from rsf_jax.calibration.target import Target
from rsf_jax.calibration.units import Units, as_units
from rsf_jax.data.dataset import Dataset
from rsf_jax.json_files import write_json
from rsf_jax.policies import read_policy
from rsf_jax.run_folder import writable_folder
from rsf_jax.trained.model import Trained

_SEED = 0


@dataclasses.dataclass(frozen=True)
class Resplits:
    """What became of a guarantee that was made many times.

    Attributes:
        count: how often.
        videos: held-out videos in all.
        guaranteed: share of the times in which any policy passed.
        exceeded: share in which the chosen policy's mean over the other half of the videos was
            above the limit. More than were broken: half of the videos have a mean of their own.
        broken: share in which the chosen policy's mean over all of the videos was above the limit,
            when calibrating on as many of them drawn with replacement, which makes them the whole
            population: this is what the guarantee bounds.
        steps: mean recurrent steps per frame of the chosen policies.
        kind: what the videos are: "videos", "streams" or "clips".
    """

    count: int
    videos: int
    guaranteed: float
    exceeded: float
    broken: float
    steps: float
    kind: str = VIDEOS

    def __str__(self) -> str:
        """Returns the outcome in words."""
        return (
            f"Of {self.count} calibrations on random halves of {self.videos} held-out {self.kind}, "
            f"{self.guaranteed:.1%} found a policy ({self.steps:.2f} steps per frame on average); "
            f"its mean over the other half was above the limit in {self.exceeded:.1%}. Calibrating "
            f"on as many drawn with replacement, the mean over all was in {self.broken:.1%}: this "
            "is what the confidence bounds"
        )


def resplit(
    trained: Trained,
    data: Dataset | Units,
    workdir: str | Path,
    results: dict[str, Any],
    count: int,
) -> Resplits:
    """Repeats a calibration on random halves of the calibration and test videos together.

    Adds what came of it to `policy.json`.

    Args:
        trained: the model.
        data: what was calibrated on.
        workdir: the run's folder.
        results: what `calibrate` returned; its order of candidates is kept.
        count: number of repetitions.

    Raises:
        InputError: if there are no calibration videos, or the number is none of at least 1.
    """
    count, workdir = whole("count", count), writable_folder(workdir)
    units, target = as_units(trained, data), Target(**results["target"])
    specs = results.get("order_specs") or [None] * len(results["order"])
    policies = [
        read_policy({"policy": text, "policy_spec": spec})
        for text, spec in zip(results["order"], specs)
    ]
    reference = read_policy(results, "reference")
    score = scorer_for(trained, target, units.kind, reference)
    losses, steps = [], []
    for split in _held_out(units):
        beside = score(reference, split)
        scored = [score(policy, split) for policy in policies]
        losses.append(np.stack([target.losses(s, beside) for s in scored]))
        steps.append(np.stack([s.steps for s in scored]))
    found = repeat(
        np.concatenate(losses, 1), np.concatenate(steps, 1), target, target.most(policies), count
    )
    found = dataclasses.replace(found, kind=units.kind)
    write_json(Path(workdir, FILE), {**results, "resplits": found})
    return found


def _held_out(units: Units) -> list[grain.MapDataset]:
    splits = (units.calibration, units.test)
    return [split for split in splits if split is not None]


def repeat(
    losses: np.ndarray, steps: np.ndarray, target: Target, most: float, count: int
) -> Resplits:
    """Repeats a calibration on random parts of videos whose losses are known.

    Args:
        losses: [policies, V], policies in the order of tests.
        steps: [policies, V], recurrent steps per frame.
        target: what is guaranteed.
        most: the largest loss there can be.
        count: number of repetitions.
    """
    rng = np.random.default_rng(_SEED)
    videos = losses.shape[1]
    exceeded, broken, chosen = [], [], []
    for _ in range(count):
        shuffled = rng.permutation(videos)
        mine, others = np.split(shuffled, [videos // 2])
        index = _choose(losses[:, mine], target, most)
        exceeded.append(index is not None and losses[index, others].mean() > target.limit)
        if index is not None:
            chosen.append(steps[index, others].mean())
        index = _choose(losses[:, rng.integers(videos, size=videos // 2)], target, most)
        broken.append(index is not None and losses[index].mean() > target.limit)
    return Resplits(
        count=count,
        videos=videos,
        guaranteed=len(chosen) / count,
        exceeded=float(np.mean(exceeded)),
        broken=float(np.mean(broken)),
        steps=float(np.mean(chosen)) if chosen else float("nan"),
    )


def _choose(losses: np.ndarray, target: Target, most: float) -> int | None:
    """Index of the last policy that passes."""
    values = values_until_failure(losses, target.limit, target.level, most)
    passed = sum(value <= target.level for value in values)
    return passed - 1 if passed else None
