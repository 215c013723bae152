"""How costs grow, as pictures."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import ticker

from benchmarks import reuse, training_memory
from benchmarks.cases import METHODS
from benchmarks.refilling import ENGINE, LOCK_STEP, Latency
from benchmarks.suite import Row

_AXES = {"kernel": "kernel side (pixels)", "side": "frame side (pixels)", "batch": "batch"}


def save_growth(path: Path, rows: list[Row]) -> None:
    """Draws time against kernel size, frame size and batch, both methods, logarithmic axes.

    Args:
        path: picture to write; the ending decides the format.
        rows: what `suite.run` measured; those of the section "growth" are drawn.
    """
    figure, panels = plt.subplots(1, len(_AXES), figsize=(9, 3.2), layout="constrained")
    for panel, (quantity, label) in zip(panels, _AXES.items()):
        for method in METHODS:
            points = _points(rows, quantity, method)
            panel.plot(*zip(*points), marker="o", label=method)
        panel.set(xscale="log", yscale="log", xlabel=label)
        ticks = [x for x, _ in points]
        panel.set_xticks(ticks, [str(x) for x in ticks])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("ms per image")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_training_memory(path: Path, rows: list[training_memory.Row]) -> None:
    """Draws memory and time of gradients against recurrent steps, one line for each estimator.

    Args:
        path: picture to write; the ending decides the format.
        rows: what `training_memory.run` measured.
    """
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for gradient in dict.fromkeys(row.gradient for row in rows):
        found = [row for row in rows if row.gradient == gradient]
        steps = [row.steps for row in found]
        # Contractors are drawn with the color of what they penalize.
        style = {"c_": "--", "j_": ":"}.get(gradient[:2], "-")
        color = _COLORS[gradient.removeprefix("c_").removeprefix("j_")]
        for panel, quantity in zip(panels, ("temporary_mb", "ms")):
            values = [getattr(row, quantity) for row in found]
            panel.plot(steps, values, style, color=color, marker="o", ms=4, label=gradient)
    for panel, label in zip(panels, ("temporary memory (MB)", "time of gradients (ms)")):
        panel.set(xlabel="recurrent steps", ylabel=label, ylim=(0, None), xticks=steps)
        panel.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_reuse(path: Path, rows: list[reuse.Row]) -> None:
    """Draws how many times faster reuse is against the share of changed pixels, and its bound.

    Args:
        path: picture to write; the ending decides the format.
        rows: what `reuse.run` measured; those of one moving object are drawn.
    """
    drawn = [row for row in rows if row.clip in ("one object", "all changes")]
    networks = list(dict.fromkeys(row.network for row in drawn))
    figure, panels = plt.subplots(
        1, max(len(networks), 1), figsize=(4.2 * max(len(networks), 1), 3.2), layout="constrained"
    )
    for panel, network in zip(np.atleast_1d(panels), networks):
        found = [row for row in drawn if row.network == network]
        for color, size in zip(_SIZE_COLORS, dict.fromkeys(row.size for row in found)):
            points = sorted((r.changed, r.speedup, r.bound) for r in found if r.size == size)
            changed, faster, bound = zip(*points)
            label = f"{size[0]}x{size[1]}"
            panel.plot(changed, faster, marker="o", ms=4, color=color, label=label)
            panel.plot(changed, bound, ":", color=color, label=f"{label}, bound")
        panel.axhline(1, color="gray", lw=0.8)
        panel.set(xscale="log", yscale="log", xlabel="share of changed pixels", title=network)
        panel.set_yticks([1, 2, 3, 5, 10], ["1", "2", "3", "5", "10"])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    if networks:
        np.atleast_1d(panels)[0].set_ylabel("times faster than dense")
        np.atleast_1d(panels)[0].legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_latency(path: Path, rows: list[Latency]) -> None:
    """Draws the latency of frames that arrive at random against the load, logarithmic.

    Args:
        path: picture to write; the ending decides the format.
        rows: what `streaming.run` measured.
    """
    figure, panel = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for name, color in zip((ENGINE, LOCK_STEP), _SIZE_COLORS):
        found = [row for row in rows if row.name == name]
        loads = [row.load for row in found]
        for percentile, style in zip((50, 99), ("-", "--")):
            values = [row.milliseconds[percentile] for row in found]
            label = f"{name}, {percentile} %"
            panel.plot(loads, values, style, color=color, marker="o", ms=4, label=label)
    panel.set(yscale="log", xlabel="arrivals over throughput", ylabel="ms to the result")
    for of in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
        of(ticker.FormatStrFormatter("%g"))
    panel.grid(alpha=0.3, which="both")
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=2)
    figure.savefig(path, dpi=120)
    plt.close(figure)


_SIZE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
_COLORS = {"bptt": "#0072b2", "rbp": "#d55e00", "one_step": "#009e73", "phantom": "#cc79a7"}


def _points(rows: list[Row], quantity: str, method: str) -> list[tuple[int, float]]:
    return [
        (int(row.group.split()[1]), row.value)
        for row in rows
        if row.section == "growth" and row.name == method and row.group.split()[0] == quantity
    ]
