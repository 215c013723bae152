"""Figures of hidden states.

Each function returns a figure that belongs to no window, so that notebooks can show it.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from rsf_jax.analysis.changes import Changes, Correlation, StepsByChange
from rsf_jax.analysis.movement import BEHAVIORS, DistanceRatios, LongRun
from rsf_jax.analysis.reaction_time import ENTROPY, EVIDENCE, Reactions
from rsf_jax.analysis.trajectory import Trajectory
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.ops.pixels import as_float
from rsf_jax.paths import expand

# Okabe and Ito's colors, told apart by color-blind readers too; yellow is too pale for lines.
_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
_BLUE, _VERMILLION, _PURPLE, _GRAY = "#0072b2", "#d55e00", "#cc79a7", "#999999"
_CYCLE = (_VERMILLION, _ORANGE, _GREEN, _SKY, _BLUE, _PURPLE, _BLACK, _GRAY)
_BEHAVIOR_COLORS = dict(zip(BEHAVIORS, (_GREEN, _ORANGE, _VERMILLION, _BLUE)))
_STRIP = 8  # input frames shown
_UNCERTAINTIES = {
    EVIDENCE: "uncertainty, by evidence (vacuity)",
    ENTROPY: "entropy of the softmax / log K\n(the model has no evidential readout)",
}
_COLOR = 3  # channels


def save(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Writes a figure as PNG and SVG; returns the files."""
    paths = [expand(folder) / f"{name}.{ending}" for ending in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=150)
    return paths


def correlation(hidden: Correlation, pattern: Correlation | None) -> Figure:
    """Draws how far the hidden state moved against how far the drive did, a dot a pair of frames.

    Args:
        hidden: of the whole hidden state.
        pattern: of its pattern, for a second panel; None leaves it out.

    Source: Wang et al. 2023, figure 4a, for the first panel.
    """
    shown = [("hidden state", hidden)]
    shown += [("its pattern (less each channel's mean)", pattern)] if pattern else []
    figure = Figure(figsize=(4.6 * len(shown), 4.6), layout="constrained")
    for axes, (name, found) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown):
        _draw_pairs(axes, found)
        axes.set_ylabel(f"change of the {name.removeprefix('its ')}\nover the video's mean")
        axes.set_xlabel(r"change of the drive, $\|x_{t+1}-x_t\|$, over the video's mean")
        axes.set_title(
            f"Pearson r = {found.pearson:.2f}; at the same t: {found.pearson_at_position:.2f}",
            fontsize=10,
        )
        _clean(axes)
    _share_legend(figure)
    return figure


def _draw_pairs(axes: Axes, found: Correlation) -> None:
    positions = np.unique(found.frame)
    for t, color in zip(positions, _frame_colors(len(positions))):
        chosen = found.frame == t
        axes.scatter(
            found.drive[chosen],
            found.hidden[chosen],
            s=14,
            color=color,
            alpha=0.7,
            linewidths=0,
            label=f"frames {t} to {t + 1}",
            rasterized=True,
        )


def trajectory(path: Trajectory, frames: np.ndarray) -> Figure:
    """Draws a video's trajectory in its plane, its input frames at the side.

    Args:
        path: the trajectory.
        frames: [T, H, W, I], values in 0..1 or bytes.

    Source: Wang et al. 2023, figure 4b.
    """
    length = len(frames)
    shown = np.unique(np.linspace(0, length - 1, min(length, _STRIP)).round().astype(int))
    figure = Figure(figsize=(7.4, 5.0), layout="constrained")
    grid = figure.add_gridspec(len(shown), 2, width_ratios=(5.2, 1))
    axes = figure.add_subplot(grid[:, 0])
    colors = _frame_colors(length)
    _draw_path(axes, path, colors)
    for row, t in enumerate(shown):
        _draw_input(figure.add_subplot(grid[row, 1]), frames[t], int(t), colors[t])
    return figure


def _draw_path(axes: Axes, path: Trajectory, colors: list) -> None:
    points = path.coordinates
    axes.plot(*points.T, color=_GRAY, linewidth=0.6, zorder=1)
    for t, color in enumerate(colors):
        own = np.flatnonzero(path.frame == t)
        if not len(own):
            continue  # a frame without a step stays where the one before is
        # From where the frame before has left it.
        way = points[max(own[0] - 1, 0) : own[-1] + 1]
        axes.plot(*way.T, color=color, linewidth=1.6, zorder=2)
        axes.scatter(points[own, 0], points[own, 1], color=color, s=14, zorder=3)
        _mark_end(axes, points[own[-1]], t, color)
    axes.set_xlabel(f"principal component 1 ({100 * path.shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"principal component 2 ({100 * path.shares[1]:.0f} %)")
    axes.set_title(
        "Hidden state after every recurrent step; the last step of each frame is ringed",
        fontsize=10,
    )
    axes.margins(0.08)
    _clean(axes)


def _mark_end(axes: Axes, point: np.ndarray, t: int, color: object) -> None:
    axes.scatter(
        point[0], point[1], color=color, s=110, edgecolors=_BLACK, linewidths=0.9, zorder=4
    )
    look: dict[str, Any] = {"fontsize": 9, "color": _BLACK, "zorder": 5}
    axes.annotate(
        str(t + 1), (point[0], point[1]), xytext=(9, 7), textcoords="offset points", **look
    )


def _draw_input(axes: Axes, frame: np.ndarray, t: int, color: object) -> None:
    frame = as_float(frame)
    shown = frame if frame.shape[-1] == _COLOR else frame.mean(-1)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylabel(f"frame {t + 1}", fontsize=8)
    for spine in axes.spines.values():
        spine.set(edgecolor=color, linewidth=2.5)


def steps_vs_change(found: StepsByChange, changes: Changes, policy: str) -> Figure:
    """Draws the steps of later frames against how much the input changed.

    Args:
        found: means by bins.
        changes: single frames, drawn in the background.
        policy: name of the halting rule.
    """
    figure = Figure(figsize=(5.4, 4.2), layout="constrained")
    axes = figure.subplots()
    steps = np.asarray(changes.steps)[:, 1:].ravel()
    _draw_frames(axes, np.asarray(changes.frames).ravel(), steps)
    axes.errorbar(
        found.change,
        found.steps,
        yerr=found.standard_error,
        color=_VERMILLION,
        marker="o",
        capsize=3,
        label="mean of a bin, ± standard error",
    )
    axes.set_xlabel(r"$\|I_{t+1}-I_t\|$, change of the input (values 0..1)")
    axes.set_ylabel("recurrent steps")
    axes.set_yticks(np.arange(steps.min(), steps.max() + 1))
    axes.set_title(f"{policy}; Spearman {found.spearman:.2f}, {len(steps)} frames", fontsize=10)
    _share_legend(figure)
    _clean(axes)
    return figure


def _draw_frames(axes: Axes, change: np.ndarray, steps: np.ndarray) -> None:
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(steps))
    axes.scatter(
        change,
        steps + jitter,
        s=8,
        color=_SKY,
        alpha=0.45,
        linewidths=0,
        label="a frame (moved up or down a little, to be seen)",
        rasterized=True,
    )


def distance_ratios(
    found: DistanceRatios, trained_steps: int, threshold: float | None = None
) -> Figure:
    """Draws quartiles of the ratios of consecutive movements, step by step.

    Args:
        found: the ratios.
        trained_steps: most steps of a frame in training.
        threshold: of the halting rule; None leaves it out.
    """
    figure = Figure(figsize=(5.8, 4.2), layout="constrained")
    axes = figure.subplots()
    for quartiles, color, label in (
        (found.first, _VERMILLION, "first frames"),
        (found.later, _BLUE, "later frames"),
    ):
        axes.fill_between(found.step, quartiles[0], quartiles[2], color=color, alpha=0.2, lw=0)
        axes.plot(found.step, quartiles[1], color=color, marker="o", markersize=4, label=label)
    axes.axhline(1, color=_GRAY, linewidth=0.8)
    if threshold is not None:
        axes.axhline(
            threshold, color=_BLACK, linestyle="--", linewidth=0.9, label=f"threshold {threshold:g}"
        )
    _mark_training(axes, trained_steps)
    axes.set_xlabel("recurrent step n")
    axes.set_ylabel(r"$d_n/d_{n-1}$, with $d_n=\|h_n-h_{n-1}\|$")
    axes.set_xticks(found.step)
    axes.set_ylim(bottom=0)
    axes.set_title("Movement against that of the step before: median and quartiles", fontsize=10)
    _share_legend(figure)
    _clean(axes)
    return figure


def long_run(runs: list[LongRun], trained_steps: int) -> Figure:
    """Draws relative movement and score of first frames that are given many steps.

    Args:
        runs: one for each video.
        trained_steps: steps of a first frame in training.
    """
    figure = Figure(figsize=(12.0, 4.3), layout="constrained")
    whole, pattern, score = figure.subplots(1, 3)
    pattern.sharey(whole)
    _draw_runs(whole, [run.movement for run in runs], [run.behavior for run in runs])
    behaviors = [run.pattern_behavior for run in runs]
    _draw_runs(pattern, [run.pattern_movement for run in runs], behaviors)
    _draw_runs(score, [run.iou for run in runs], behaviors)
    mean = mean_of_labeled(np.array([run.iou for run in runs]), 0)
    score.plot(np.arange(len(mean)) + 1, mean, color=_BLACK, linewidth=2.2, label="mean")
    whole.set(yscale="log", ylabel=r"$\|h_n-h_{n-1}\|\,/\,\|h_n\|$")
    whole.set_title(_counted("hidden state", [run.behavior for run in runs]), fontsize=10)
    pattern.set_title(_counted("its pattern", behaviors), fontsize=10)
    score.set(ylabel="IoU of the readout", ylim=(-0.02, 1.02))
    score.set_title("score of the same first frames", fontsize=10)
    for axes in (whole, pattern, score):
        axes.set_xlabel("recurrent step n")
        _mark_training(axes, trained_steps)
        _clean(axes)
    _share_legend(figure)
    return figure


def reaction_time(found: Reactions, trained_steps: int) -> Figure:
    """Draws uncertainty step by step, and the area under it for every pixel of a first frame.

    Args:
        found: of some videos, and maps of one.
        trained_steps: steps of a first frame in training.

    Source: Goetschalckx et al. 2023, figures 2 and 3.
    """
    figure = Figure(figsize=(11.4, 4.2), layout="constrained")
    curves, picture, area = figure.subplots(1, 3, width_ratios=(1.6, 1, 1.15))
    for quartiles, color, label in (
        (found.curves.first, _VERMILLION, "first frames"),
        (found.curves.later, _BLUE, "later frames"),
    ):
        curves.fill_between(found.curves.step, quartiles[0], quartiles[2], color=color, alpha=0.2)
        curves.plot(found.curves.step, quartiles[1], color=color, marker="o", ms=4, label=label)
    _mark_training(curves, trained_steps)
    curves.set(xlabel="recurrent step n", ylabel=_UNCERTAINTIES[found.kind], ylim=(0, None))
    later = f", later ones {found.xi[:, 1:].mean():.2f}" if found.xi.shape[1] > 1 else ""
    curves.set_title(
        rf"mean area $\xi$ in steps: first frames {found.xi[:, 0].mean():.2f}{later}", fontsize=10
    )
    _clean(curves)
    _draw_input(picture, found.frames[0], 0, _GRAY)
    image = area.imshow(found.maps[0], cmap="magma", vmin=0, interpolation="nearest")
    area.set(xticks=[], yticks=[])
    area.set_title("the same for every pixel", fontsize=10)
    figure.colorbar(image, ax=area, shrink=0.8)
    _share_legend(figure)
    return figure


def _share_legend(figure: Figure) -> None:
    """One legend for all panels, each label once."""
    labeled: dict[str, Artist] = {}
    for axes in figure.axes:
        labeled |= dict(zip(*reversed(axes.get_legend_handles_labels())))
    place: dict[str, Any] = {"loc": "outside lower center", "ncols": 8}
    figure.legend(labeled.values(), labeled, frameon=False, fontsize=8, **place)


def _draw_runs(axes: Axes, values: list[np.ndarray], behaviors: list[str]) -> None:
    for line, behavior in zip(values, behaviors):
        axes.plot(
            np.arange(len(line)) + 1,
            # Neither 0 nor what is not finite has a place on a logarithmic axis.
            np.where(np.isfinite(line) & (line >= 0), line, np.nan),
            color=_BEHAVIOR_COLORS[behavior],
            linewidth=0.9,
            alpha=0.8,
            label=behavior,
        )


def _counted(what: str, behaviors: list[str]) -> str:
    counts = Counter(behaviors)
    return f"{what}: " + ", ".join(f"{name} ({counts[name]})" for name in BEHAVIORS if counts[name])


def _mark_training(axes: Axes, steps: int) -> None:
    axes.axvline(
        steps, color=_GRAY, linestyle=":", linewidth=1.2, label=f"{steps} steps, as trained"
    )


def _frame_colors(length: int) -> list:
    """A color for each frame: Okabe and Ito's, blended where there are more frames."""
    if length <= len(_CYCLE):
        return list(_CYCLE[:length])
    scale = LinearSegmentedColormap.from_list("frames", _CYCLE[:6])
    return [scale(x) for x in Normalize(0, length - 1)(np.arange(length))]


def _clean(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
