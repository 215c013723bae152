"""Pictures of what a model sees and says."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from rsf_jax.figures.policy_styles import Style, kind_label, styles
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import renewed

# Okabe and Ito's colors, told apart by color-blind readers too.
_COLORS = {"target": "#e69f00", "missed": "#56b4e9", "wrong": "#cc79a7"}
_MOST_FRAMES = 16  # of a strip; of a longer video as many are drawn, evenly spread


def save_predictions(
    path: Path, frames: np.ndarray, truth: np.ndarray, predicted: np.ndarray, iou: np.ndarray
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
    drawn = np.linspace(0, length - 1, min(length, _MOST_FRAMES)).round().astype(int).tolist()
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
            _show(above, _paint(gray, {"target": truth[v, t]}))
            _show(below, _paint(gray, _errors(truth[v, t], predicted[v, t])))
            score = "no label" if np.isnan(iou[v, t]) else f"IoU {iou[v, t]:.2f}"
            below.set_xlabel(score, fontsize=8)
            if v == 0:
                above.set_title(f"frame {t + 1}", fontsize=9)
        axes[2 * v, 0].set_ylabel("truth", fontsize=9)
        axes[2 * v + 1, 0].set_ylabel("prediction", fontsize=9)
    handles = [Patch(color=color, label=name) for name, color in _COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_curves(path: Path, curves: dict[str, dict[int, dict[str, float]]]) -> None:
    """Draws loss, mIoU and learning rate against updates.

    Args:
        path: picture to write; the ending decides the format.
        curves: metrics by split and update, as `training.curves.read` returns them.
    """
    titles = {"loss": "focal loss", "miou": "mIoU", "learning_rate": "learning rate"}
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    for panel, (metric, title) in zip(panels, titles.items()):
        for split, style in (("train", "-"), ("validation", "o-")):
            points = curves.get(split, {}).items()
            line = [(update, values[metric]) for update, values in points if metric in values]
            if line:
                panel.plot(*zip(*line), style, label=split, linewidth=1.2)
        panel.set(xlabel="update", title=title)
        panel.grid(alpha=0.3)
    panels[0].set_yscale("log")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_tradeoff(path: Path, results: dict[str, Any]) -> None:
    """Draws mIoU against recurrent steps and against frames per second, as the paper's Figure 3.

    Args:
        path: picture to write; the ending decides the format.
        results: what `tradeoff.sweep` returned.
    """
    points = list(map(renewed, results["points"]))
    labels = [kind_label(point["policy_spec"]) for point in points]
    drawn = styles(point["policy_spec"] for point in points)
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
    # Steps cost; frames per second are the contrary of a cost.
    for panel, quantity, sign in zip(panels, ("steps", "frames_per_second"), (1, -1)):
        places = [(p[quantity], p["miou"]) for p in points]
        on_front = pareto_front([sign * x for x, _ in places], [y for _, y in places])
        front = sorted(place for place, best in zip(places, on_front) if best)
        panel.plot(*zip(*front), color="0.8", linewidth=5, zorder=0, label="Pareto front")
        for label, style in drawn.items():
            alike = [p for p, found in zip(points, labels) if found == label]
            _scatter(panel, alike, quantity, label, style)
        panel.grid(alpha=0.3)
    panels[0].set(xlabel="mean recurrent steps per frame", ylabel="test mIoU")
    panels[1].set(xlabel=f"frames per second at batch 1 ({results['device']})", xscale="log")
    panels[1].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[1].xaxis.set_major_formatter("{x:g}")
    panels[1].xaxis.set_minor_formatter(NullFormatter())
    figure.suptitle(
        f"{results['preset']}, trained with {results['training_schedule']} "
        "(hollow: may take more steps than in training)",
        fontsize=10,
    )
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_comparison(path: Path, sweeps: dict[str, Any]) -> None:
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
            axes.plot([], [], style, color="grey", ms=4, label=kind)
    axes.plot([], [], "o", color="grey", ms=9, mfc="none", label="as trained")
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _line_styles(kinds: Iterable[str]) -> dict[str, str]:
    """A line for schedules, markers for the others, by kind."""
    others = sorted(set(kinds) - {"schedule", "halting"})
    markers = dict(zip(others, itertools.cycle("+1234|_")))
    return {"schedule": "o-", "halting": "x", **markers}


def _line(points: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    ordered = sorted((p["steps"], p["miou"]) for p in points)
    return [steps for steps, _ in ordered], [miou for _, miou in ordered]


def _scatter(
    panel: Axes, points: list[dict[str, Any]], quantity: str, label: str, style: Style
) -> None:
    """Draws one kind of policy: filled, or hollow where it extrapolates."""
    panel.scatter(
        [p[quantity] for p in points],
        [p["miou"] for p in points],
        marker=style.marker,
        facecolors=["none" if p["extrapolates"] else style.color for p in points],
        edgecolors=style.color,
        label=label,
    )


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


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, interpolation="nearest", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
