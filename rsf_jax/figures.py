"""Pictures of what a model sees and says."""

import re
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

from rsf_jax.pareto import pareto_front

# Okabe and Ito's colours, told apart by colour-blind readers too.
# Kind of policy: marker, colour.
_KINDS = {
    "same steps on all frames": ("o", "#000000"),
    "more on the first": ("s", "#0072b2"),
    "l1 ratio": ("^", "#d55e00"),
    "l2 ratio": ("v", "#d55e00"),
    "l1 ratio, first frame's minimum": ("^", "#009e73"),
    "l2 ratio, first frame's minimum": ("v", "#009e73"),
    "pattern ratio": ("D", "#d55e00"),
    "pattern ratio, first frame's minimum": ("D", "#009e73"),
    "l1 movement": ("^", "#cc79a7"),
    "l2 movement": ("v", "#cc79a7"),
    "pattern movement": ("D", "#cc79a7"),
}
_COLOURS = {"target": "#e69f00", "missed": "#56b4e9", "wrong": "#cc79a7"}


def save_predictions(
    path: Path, frames: np.ndarray, truth: np.ndarray, predicted: np.ndarray, iou: np.ndarray
) -> None:
    """Draws videos as strips: above the truth, below what was predicted.

    Args:
        path: picture to write; the ending decides the format.
        frames: [V, T, H, W, 1], grey values in 0..1.
        truth: bool [V, T, H, W].
        predicted: bool [V, T, H, W].
        iou: [V, T], written under each prediction; NaN where nothing is labelled.
    """
    videos, length = truth.shape[:2]
    figure, axes = plt.subplots(
        2 * videos,
        length,
        figsize=(1.5 * length, 3.2 * videos + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for v in range(videos):
        for t in range(length):
            grey = frames[v, t, ..., 0]
            above, below = axes[2 * v, t], axes[2 * v + 1, t]
            _show(above, _paint(grey, {"target": truth[v, t]}))
            _show(below, _paint(grey, _errors(truth[v, t], predicted[v, t])))
            score = "no label" if np.isnan(iou[v, t]) else f"IoU {iou[v, t]:.2f}"
            below.set_xlabel(score, fontsize=8)
            if v == 0:
                above.set_title(f"frame {t + 1}", fontsize=9)
        axes[2 * v, 0].set_ylabel("truth", fontsize=9)
        axes[2 * v + 1, 0].set_ylabel("prediction", fontsize=9)
    handles = [Patch(color=colour, label=name) for name, colour in _COLOURS.items()]
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
    """Draws mIoU against recurrent steps and against frames a second, as the paper's Figure 3.

    Args:
        path: picture to write; the ending decides the format.
        results: what `tradeoff.sweep` returned.
    """
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True, layout="constrained")
    # Steps cost; frames a second are the contrary of a cost.
    for panel, quantity, sign in zip(panels, ("steps", "frames_per_second"), (1, -1)):
        points = [(p[quantity], p["miou"]) for p in results["points"]]
        on_front = pareto_front([sign * x for x, _ in points], [y for _, y in points])
        front = sorted(point for point, best in zip(points, on_front) if best)
        panel.plot(*zip(*front), color="0.8", linewidth=5, zorder=0, label="Pareto front")
        for kind in _KINDS:
            _scatter(panel, results["points"], quantity, kind)
        panel.grid(alpha=0.3)
    panels[0].set(xlabel="mean recurrent steps a frame", ylabel="test mIoU")
    panels[1].set(xlabel=f"frames a second at batch 1 ({results['device']})", xscale="log")
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

    Schedules are a line, halting rules crosses; the schedule of training is ringed.

    Args:
        path: picture to write; the ending decides the format.
        sweeps: what `comparison.compare` returned.
    """
    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    for number, (name, sweep) in enumerate(sweeps.items()):
        colour = f"C{number}"
        points = sorted((p["steps"], p["miou"], p["policy"]) for p in sweep["points"])
        fixed = [(x, y) for x, y, policy in points if re.fullmatch(r"s\d+f\d+", policy)]
        halting = [(x, y) for x, y, policy in points if not re.fullmatch(r"s\d+f\d+", policy)]
        trained = [(x, y) for x, y, policy in points if policy == sweep["training_schedule"]]
        for chosen, style in ((fixed, "o-"), (halting, "x")):
            if chosen:
                label = name if style == "o-" or not fixed else None
                axes.plot(*zip(*chosen), style, color=colour, ms=4, label=label)
        if trained:
            axes.plot(*zip(*trained), "o", color=colour, ms=11, mfc="none")
    axes.set(xlabel="mean recurrent steps a frame", ylabel="test mIoU", xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 4, 6)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    for style, label in (("x", "halting"), ("o", "as trained")):
        size = 4 if style == "x" else 9
        axes.plot([], [], style, color="grey", ms=size, mfc="none", label=label)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _scatter(panel: Axes, points: list[dict[str, Any]], quantity: str, kind: str) -> None:
    """Draws one kind of policy: filled, or hollow where it extrapolates."""
    marker, colour = _KINDS[kind]
    chosen = [p for p in points if _kind(p["policy"]) == kind]
    faces = ["none" if p["extrapolates"] else colour for p in chosen]
    panel.scatter(
        [p[quantity] for p in chosen],
        [p["miou"] for p in chosen],
        marker=marker,
        facecolors=faces,
        edgecolors=colour,
        label=kind if chosen else None,
    )


def _kind(policy: str) -> str:
    schedule = re.fullmatch(r"s(\d+)f(\d+)", policy)
    if schedule:
        same = schedule[1] == schedule[2]
        return "same steps on all frames" if same else "more on the first"
    rule = "movement" if "rtol" in policy else "ratio"
    minimum = ", first frame's minimum" if "min_first_steps" in policy else ""
    return f"{policy.partition(':')[0]} {rule}{minimum}"


def _errors(truth: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "target": truth & predicted,
        "missed": truth & ~predicted,
        "wrong": predicted & ~truth,
    }


def _paint(grey: np.ndarray, regions: dict[str, np.ndarray]) -> np.ndarray:
    image = np.repeat(0.75 * grey[..., None], 3, axis=-1)
    for name, region in regions.items():
        image[region] = to_rgb(_COLOURS[name])
    return image


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, interpolation="nearest", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
