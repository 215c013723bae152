"""Summary: figures of a subset as Markdown tables, from freshly generated videos.

Run in `datasets/`: `python -m t_pathfinder.summary --config=hard`. The figures are those of the
test split; `--videos` takes fewer of them.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from contours.drawing import MASK_ABOVE
from contours.tables import table
from generated_videos.parallel import Example, generate
from generated_videos.subset import Subset

from t_pathfinder.generator import video
from t_pathfinder.plan import LengthPlan, draw_plan
from t_pathfinder.settings import GrowthRule
from t_pathfinder.subsets import SUBSETS

Rows = list[tuple[str, str]]


def overlap(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Foreground intersection over union of every frame.

    Args:
        predicted: bool [T, H, W].
        truth: bool [T, H, W], some pixel true in every frame.

    Returns:
        float64 [T].
    """
    both = np.sum(predicted & truth, axis=(1, 2))
    return both / np.sum(predicted | truth, axis=(1, 2))


def trivial_scores(example: Example) -> dict[str, float]:
    """Scores, averaged over the frames, of predictors that need no training.

    Args:
        example: a video as `generator.video` returns it.
    """
    truth = example["masks"] > 0
    ink = example["frames"][..., 0] > MASK_ABOVE
    target = example["target"]
    return {
        "all ink": float(overlap(ink, truth).mean()),
        "first frame's mask for ever": float(overlap(truth[:1] & ink, truth).mean()),
        "frames in which the first target still is the target": float(np.mean(target == target[0])),
    }


def pixel_shares(example: Example) -> dict[str, float]:
    """Shares of pixels, averaged over the frames."""
    ink = (example["frames"][..., 0] > MASK_ABOVE).sum(axis=(1, 2))
    marked = example["masks"].sum(axis=(1, 2))
    pixels = example["masks"][0].size
    return {
        "ink, share of the pixels": float(np.mean(ink / pixels)),
        "target, share of the pixels": float(np.mean(marked / pixels)),
        "target, share of the ink": float(np.mean(marked / ink)),
    }


def plan_figures(plans: list[LengthPlan]) -> dict[str, str]:
    """Lengths and target changes.

    Args:
        plans: length plans of the videos.
    """
    lengths = np.stack([plan.lengths for plan in plans])  # [videos, T, contours]
    target = np.stack([plan.target for plan in plans])
    changes = np.sum(target[:, 1:] != target[:, :-1], axis=1)
    total = lengths.sum(axis=2)
    aimed = np.take_along_axis(lengths, target[:, :, None].astype(int), axis=2)[..., 0]
    last = total[:, -1]
    return {
        "segments in the first frame: longest, a distractor": (
            f"{lengths[:, 0, 0].mean():.2f}, {lengths[:, 0, 1:].mean():.2f}"
        ),
        "segments in the last frame: first target, a distractor, last target": (
            f"{lengths[:, -1, 0].mean():.2f}, {lengths[:, -1, 1:].mean():.2f}, "
            f"{aimed[:, -1].mean():.2f}"
        ),
        "all segments in the last frame: mean, 99th percentile, most": (
            f"{last.mean():.1f}, {np.percentile(last, 99):.0f}, {last.max()}"
        ),
        "videos in which the target changes": f"{np.mean(changes > 0):.3f}",
        "changes of the target per video": f"{changes.mean():.2f}",
        "frames in which the first target still is the target": (
            f"{np.mean(target == target[:, :1]):.3f}"
        ),
        "target, share of the segments": f"{np.mean(aimed / total):.3f}",
    }


def mean_of(function: Callable[[Example], dict[str, float]], examples: Iterable[Example]) -> Rows:
    """Rows with the mean over videos of every figure that `function` gives."""
    values = [function(example) for example in examples]
    return [(name, f"{np.mean([v[name] for v in values]):.3f}") for name in values[0]]


def layout_rows(subset: Subset, examples: list[Example]) -> list[tuple[str, ...]]:
    """Share of videos per relaxation level and per number of layouts."""
    levels = collections.Counter(example["relaxation"] for example in examples)
    rows: list[tuple[str, ...]] = []
    for level, spacing in enumerate(subset.settings.geometry.spacings):
        share = f"{levels[level] / len(examples):.2%}"
        values = (spacing.continuity, spacing.clearance, spacing.gap)
        rows.append((str(level), *map(str, values), share))
    return rows


def attempt_rows(examples: list[Example]) -> Rows:
    """Share of videos by the number of layouts that they took."""
    attempts = np.array([example["layout_attempts"] for example in examples])
    bounds = [(1, 1), (2, 2), (3, 3), (4, 6), (7, 12), (13, 10**6)]
    names = ["1", "2", "3", "4-6", "7-12", "13 or more"]
    shares = [np.mean((attempts >= low) & (attempts <= high)) for low, high in bounds]
    return [(name, f"{share:.2%}") for name, share in zip(names, shares, strict=True)]


def readings(rule: GrowthRule, seed: int, count: int) -> str:
    """Table of figures for each reading of which contour grows slowly; no geometry is needed."""
    columns = {}
    for reading in ("current", "initial"):
        variant = dataclasses.replace(rule, slow_contour=reading)
        columns[reading] = plan_figures([draw_plan(variant, seed, i) for i in range(count)])
    current, initial = columns["current"], columns["initial"]
    rows = [(name, current[name], initial[name]) for name in current]
    return table((f"{count} length plans", "current longest grows slowly", "initial one"), rows)


def summarize(name: str, subset: Subset, count: int, plans: int) -> str:
    """All tables of a subset."""
    test = subset.splits["test"]
    indices = range(test.start, min(test.stop, test.start + count))
    examples = list(generate(video, subset.settings, subset.seed, indices))
    drawn = [LengthPlan(example["lengths"], example["target"]) for example in examples]
    figures: Rows = list(plan_figures(drawn).items()) + mean_of(pixel_shares, examples)
    scores = mean_of(trivial_scores, examples)
    parts = [
        table((f"`{name}`, {len(examples)} test videos", ""), figures),
        table(("trivial predictor", "mean foreground IoU"), scores[:2]),
        table(
            ("level", "continuity", "clearance (px)", "gap (px)", "videos"),
            layout_rows(subset, examples),
        ),
        table(("layouts tried", "videos"), attempt_rows(examples)),
    ]
    if subset.settings.rule.overtaking:
        parts.append(readings(subset.settings.rule, subset.seed, plans))
    return "\n".join(parts)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Figures of a subset as Markdown tables.")
    parser.add_argument("--config", choices=sorted(SUBSETS), default="hard")
    parser.add_argument("--videos", type=int, default=2000, help="test videos to generate")
    parser.add_argument("--plans", type=int, default=10000, help="plans to compare readings with")
    flags = parser.parse_args()
    print(summarize(flags.config, SUBSETS[flags.config], flags.videos, flags.plans))


if __name__ == "__main__":
    main()
