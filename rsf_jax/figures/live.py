"""Pictures of live streams: frames with the steps that each got, and what steps buy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from rsf_jax.data.streams import CUT, EVENTS, START
from rsf_jax.evaluation.still import StillCamera
from rsf_jax.figures.segmentation import overlay
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.paths import expand
from rsf_jax.trained.appearance import Appearance

_ROW = 12  # frames
# Okabe and Ito's colors, told apart by color-blind readers too.
_BAR = {"start": "#000000", "cut": "#d55e00", "change": "#0072b2", "pause": "#999999"}
_LINES = ("#999999", "#000000", "#56b4e9", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_MARKERS = "os^Dvp*X"
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


class Strip(NamedTuple):
    """Frames of a live stream under a policy.

    Attributes:
        frames: uint8 or float32 [T, H, W, I].
        predicted: int [T, H, W], class of every pixel.
        steps: int [T].
        events: uint8 [T], see `data.streams.EVENTS`; None if they are not known.
        policy: what the steps were chosen by.
        look: colors of the classes.
    """

    frames: np.ndarray
    predicted: np.ndarray
    steps: np.ndarray
    events: np.ndarray | None
    policy: str
    look: Appearance


def save_live(
    path: str | Path, strip: Strip, lines: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    """Draws a strip of a stream, and mIoU against steps beside it.

    Args:
        path: picture to write; the ending decides the format.
        strip: frames, and the steps of each.
        lines: (steps per frame, mIoU) of the members of each family of policies.
    """
    figure = plt.figure(figsize=(13, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.75, 1))[0]
    _draw_strip(left, strip)
    _draw_lines(right.subplots(), lines)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def save_still(path: str | Path, runs: Sequence[StillCamera]) -> None:
    """Draws mIoU against the repeats of a frame; see `draw_still`."""
    figure = draw_still(runs)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def draw_still(runs: Sequence[StillCamera]) -> Figure:
    """Returns a figure of mIoU against the repeats of a frame."""
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for run in runs:
        label = f"{run.policy}, noise {run.noise:g}"
        miou = np.asarray(run.miou, float)  # of a file None, where nothing is labeled
        axes.plot(np.arange(1, len(miou) + 1), miou, label=label, linewidth=1.3)
    axes.set(xlabel="times that a frame was shown", ylabel="mIoU", xscale="log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _draw_strip(figure: SubFigure | Figure, strip: Strip) -> None:
    count = len(strip.frames)
    rows = -(-count // _ROW)
    axes = figure.subplots(
        2 * rows, _ROW, squeeze=False, gridspec_kw={"height_ratios": (1.6, 1) * rows}
    )
    for panel in axes.flat:
        panel.axis("off")
    most = max(int(strip.steps.max()), 1)
    for t in range(count):
        row, column = divmod(t, _ROW)
        _draw_frame(axes[2 * row, column], strip, t)
        _draw_bar(axes[2 * row + 1, column], strip, t, most)
    figure.suptitle(f"recurrent steps of each frame, {strip.policy}", fontsize=10)


def _draw_frame(axes: Axes, strip: Strip, t: int) -> None:
    frame, look = strip.frames[t], strip.look
    image = overlay(frame, strip.predicted[t], look.colors, alpha=0.75, clear=look.background)
    axes.imshow(image, interpolation="nearest")


def _draw_bar(axes: Axes, strip: Strip, t: int, most: int) -> None:
    event = EVENTS[strip.events[t]] if strip.events is not None else "change"
    steps = int(strip.steps[t])
    axes.bar(0, steps, color=_BAR[event], width=0.6)
    axes.text(0, steps + 0.04 * most, f"{steps}", ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(-0.5, 0.5), ylim=(-0.45 * most, 1.35 * most))
    if strip.events is not None:
        weight = "bold" if strip.events[t] in (START, CUT) else "normal"
        axes.text(
            0, -0.08 * most, event, ha="center", va="top", fontsize=7, color=_BAR[event],
            fontweight=weight,
        )  # fmt: skip


def _draw_lines(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for number, (name, points) in enumerate(lines.items()):
        look: dict[str, Any] = {
            "color": _LINES[number % len(_LINES)],
            "marker": _MARKERS[number % len(_MARKERS)],
        }
        steps, found = zip(*sorted(points))
        axes.plot(steps, found, linestyle="", markersize=5, label=name, **look)
        # What no fewer steps reach: other lines would go up and down.
        front = np.flatnonzero(pareto_front(steps, found))
        axes.plot(np.take(steps, front), np.take(found, front), linewidth=1.2, color=look["color"])
    axes.set(xlabel="recurrent steps per frame", ylabel="mIoU of all frames")
    _spread([found for points in lines.values() for _, found in points], axes)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)


def _spread(found: Sequence[float], axes: Axes) -> None:
    """Gives .98 and .99 as much room as .8 and .9, unless something is all right or all wrong."""
    if not 0 < min(found) < max(found) < 1:
        return
    bottom, top = 0.9 * min(found), 1 - 0.7 * (1 - max(found))
    axes.set_yscale("logit")
    axes.set_ylim(bottom, top)
    axes.set_yticks([tick for tick in _TICKS if bottom <= tick <= top])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
