"""Pictures of what a model sees and says."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from rsf_jax.figures.panels import score_text, show, shown_frames
from rsf_jax.ops.pixels import as_float
from rsf_jax.paths import expand
from rsf_jax.policies import renewed

# Metrics of training that are drawn.
CURVES = {
    "loss": "loss",
    "miou": "mIoU",
    "learning_rate": "learning rate",
    "expected_steps": "expected steps",
    "ponder_cost": "cost of pondering",
}
# Okabe and Ito's colors, told apart by color-blind readers too.
_COLORS = {"target": "#e69f00", "missed": "#56b4e9", "wrong": "#cc79a7"}


def save_predictions(
    path: str | Path, frames: np.ndarray, truth: np.ndarray, predicted: np.ndarray, iou: np.ndarray
) -> None:
    """Draws videos as strips: above the truth, below what was predicted.

    Of long videos some frames are drawn, the first and the last among them.

    Args:
        path: picture to write; the ending decides the format.
        frames: [V, T, H, W, 1], gray values in 0..1 or bytes.
        truth: bool [V, T, H, W].
        predicted: bool [V, T, H, W].
        iou: [V, T], written under each prediction; NaN where nothing is labeled.
    """
    videos, length = truth.shape[:2]
    drawn = shown_frames(length)
    figure, axes = plt.subplots(
        2 * videos,
        len(drawn),
        figsize=(1.5 * len(drawn), 3.2 * videos + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for v in range(videos):
        for column, t in enumerate(drawn):
            gray = as_float(frames[v, t, ..., 0])
            above, below = axes[2 * v, column], axes[2 * v + 1, column]
            show(above, _paint(gray, {"target": truth[v, t]}))
            show(below, _paint(gray, _errors(truth[v, t], predicted[v, t])))
            below.set_xlabel(score_text(iou[v, t]), fontsize=8)
            if v == 0:
                above.set_title(f"frame {t + 1}", fontsize=9)
        axes[2 * v, 0].set_ylabel("truth", fontsize=9)
        axes[2 * v + 1, 0].set_ylabel("prediction", fontsize=9)
    handles = [Patch(color=color, label=name) for name, color in _COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def save_curve(
    path: str | Path, curves: dict[str, dict[int, dict[str, float]]], metric: str
) -> None:
    """Draws one metric against updates.

    Args:
        path: picture to write; the ending decides the format.
        curves: metrics by split and update, as `training.curves.read` returns them.
        metric: of `CURVES`.
    """
    figure, axes = plt.subplots(figsize=(3.4, 2.8), layout="constrained")
    for split, style in (("train", "-"), ("validation", "o-")):
        points = curves.get(split, {}).items()
        line = [(update, values[metric]) for update, values in points if metric in values]
        if line:
            axes.plot(*zip(*line), style, label=split, linewidth=1.2, markersize=4)
    axes.set(xlabel="update", title=CURVES[metric], yscale="log" if metric == "loss" else "linear")
    axes.grid(alpha=0.3)
    if len(axes.lines) > 1:
        axes.legend(frameon=False)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def save_comparison(path: str | Path, sweeps: dict[str, Any]) -> None:
    """Draws mIoU against mean recurrent steps for several sweeps.

    Schedules are a line, halting rules and each kind of users' policies have a marker of their own;
    the schedule of training is ringed.

    Args:
        path: picture to write; the ending decides the format.
        sweeps: what `comparison.compare` returned.
    """
    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    sweeps = {name: renewed(sweep, "training_schedule") for name, sweep in sweeps.items()}
    points = {name: list(map(renewed, sweep["points"])) for name, sweep in sweeps.items()}
    every = (point["policy_spec"]["kind"] for found in points.values() for point in found)
    markers = _line_styles(every)
    for number, (name, sweep) in enumerate(sweeps.items()):
        label: str | None = name
        for kind, style in markers.items():
            alike = [p for p in points[name] if p["policy_spec"]["kind"] == kind]
            if alike:
                axes.plot(*_line(alike), style, color=f"C{number}", ms=4, label=label)
                label = None  # once, whichever kinds there are
        own = sweep["training_schedule_spec"]
        if trained := [p for p in points[name] if p["policy_spec"] == own]:
            axes.plot(*_line(trained), "o", color=f"C{number}", ms=11, mfc="none")
    axes.set(xlabel="mean recurrent steps per frame", ylabel="test mIoU", xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 4, 6)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    for kind, style in markers.items():
        if kind != "schedule":
            axes.plot([], [], style, color="gray", ms=4, label=kind)
    axes.plot([], [], "o", color="gray", ms=9, mfc="none", label="as trained")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def _line_styles(kinds: Iterable[str]) -> dict[str, str]:
    """A line for schedules, markers for the others, by kind."""
    others = sorted(set(kinds) - {"schedule", "halting"})
    markers = dict(zip(others, itertools.cycle("+1234|_")))
    return {"schedule": "o-", "halting": "x", **markers}


def _line(points: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    ordered = sorted((p["steps"], p["miou"]) for p in points)
    return [steps for steps, _ in ordered], [miou for _, miou in ordered]


def _errors(truth: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "target": truth & predicted,
        "missed": truth & ~predicted,
        "wrong": predicted & ~truth,
    }


def _paint(gray: np.ndarray, regions: dict[str, np.ndarray]) -> np.ndarray:
    image = np.repeat(0.75 * gray[..., None], 3, axis=-1)
    for name, region in regions.items():
        image[region] = to_rgb(_COLORS[name])
    return image
