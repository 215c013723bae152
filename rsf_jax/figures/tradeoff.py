"""A model's trade-off of accuracy against steps and speed, as the paper's Figure 3."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from rsf_jax.figures.policy_styles import Style, kind_label, styles
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.paths import expand
from rsf_jax.policies import renewed
from rsf_jax.scoring.trivial import baseline

_FACTORS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0))
_MOST_TICKS = 9
_SLANT = 35.0  # degrees, of labels
_GAP, _LETTER = 13.0, 7.0  # pixels between neighboring labels, and of a letter
_HEADROOM = 0.3  # share of the range of mIoU, for labels
_LABEL_ROOM = 0.8  # share of a panel's width beyond which no labeled point lies
_LONGEST = 30  # letters of a label
_BELOW: dict[str, Any] = {"xytext": (22, -44), "textcoords": "offset points"}


def save_tradeoff(path: str | Path, results: dict[str, Any]) -> None:
    """Draws mIoU against recurrent steps and against frames per second.

    The policies that none beats with less are labeled, and the schedule of training is; the best
    predictor without a network is a line.

    Args:
        path: picture to write; the ending decides the format.
        results: what `sweep.sweep` returned; one of an earlier version has no trivial scores.
    """
    points = list(map(renewed, results["points"]))
    drawn = styles(point["policy_spec"] for point in points)
    figure, panels = plt.subplots(1, 2, figsize=(10, 5), sharey=True, layout="constrained")
    panels[0].set(xlabel="mean recurrent steps per frame", ylabel="test mIoU")
    panels[1].set(xlabel=f"frames per second at batch 1 ({results['device']})")
    fronts = []
    # Steps cost; frames per second are the contrary of a cost.
    for panel, quantity, sign in zip(panels, ("steps", "frames_per_second"), (1, -1)):
        front = _front(points, quantity, sign)
        _draw_points(panel, points, quantity, drawn)
        panel.plot(
            [p[quantity] for p in front], [p["miou"] for p in front], color="0.8", linewidth=5,
            zorder=0,
        )  # fmt: skip
        _draw_trivial(panel, results.get("trivial") or {})
        _scale(panel, [p[quantity] for p in points], front[-1][quantity])
        fronts.append((panel, quantity, front))
    low, high = panels[0].get_ylim()
    ticks = [tick for tick in panels[0].get_yticks() if low <= tick <= 1]
    panels[0].set(yticks=ticks, ylim=(low, high + _HEADROOM * (high - low)))
    figure.suptitle(f"{results['preset']}, trained with {results['training_schedule']}")
    _add_legend(figure, drawn, any(p["extrapolates"] for p in points))
    figure.draw_without_rendering()  # places of labels are known from here on
    for panel, quantity, front in fronts:
        own = [p for p in points if p["policy"] == _own_schedule(results)]
        _label_trained(panel, own, quantity)
        _label_front(panel, [p for p in front if p not in own], quantity)
    figure.savefig(expand(path), dpi=120)
    plt.close(figure)


def _own_schedule(results: dict[str, Any]) -> str:
    """The schedule of training as this version writes it."""
    return renewed(results, "training_schedule")["training_schedule"]


def number_ticks(low: int | float, high: int | float) -> list[float]:
    """Returns round numbers between two others for a logarithmic axis, as many as fit."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    choices = [
        [factor * 10.0**decade for decade in decades for factor in factors] for factors in _FACTORS
    ]
    inside = [[tick for tick in ticks if low <= tick <= high] for ticks in choices]
    return max((t for t in inside if len(t) <= _MOST_TICKS), key=len, default=[])


def _front(points: Sequence[dict[str, Any]], quantity: str, sign: int) -> list[dict[str, Any]]:
    """The points that no other is as good as with less, from left to right."""
    best = pareto_front([sign * p[quantity] for p in points], [p["miou"] for p in points])
    return sorted((p for p, is_best in zip(points, best) if is_best), key=lambda p: p[quantity])


def _draw_points(
    panel: Axes, points: Sequence[dict[str, Any]], quantity: str, drawn: dict[str, Style]
) -> None:
    """A marker for each policy: filled, or hollow where it extrapolates."""
    for label, style in drawn.items():
        alike = [p for p in points if kind_label(p["policy_spec"]) == label]
        panel.scatter(
            [p[quantity] for p in alike],
            [p["miou"] for p in alike],
            marker=style.marker,
            facecolors=["none" if p["extrapolates"] else style.color for p in alike],
            edgecolors=style.color,
            label=label,
        )
    panel.grid(alpha=0.3)


def _draw_trivial(panel: Axes, trivial: dict[str, float | None]) -> None:
    found = baseline(trivial)
    if found is None:
        return
    name, score = found
    panel.axhline(score, color="0.4", linestyle="--", linewidth=1)
    panel.annotate(
        f"{name} {score:.3f}",
        (0.99, score),
        xycoords=panel.get_yaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
    )


def _scale(panel: Axes, values: Sequence[int | float], last_label: int | float) -> None:
    """A logarithmic axis with round numbers, and room for labels on its right."""
    low, high = min(values) / 1.12, max(values) * 1.12
    high = max(high, low * (last_label / low) ** (1 / _LABEL_ROOM))
    panel.set(xscale="log", xlim=(low, high))
    panel.xaxis.set_major_locator(FixedLocator(number_ticks(low, high)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter("{x:g}")


def _label_trained(panel: Axes, own: Sequence[dict[str, Any]], quantity: str) -> None:
    for point in own:
        place = (point[quantity], point["miou"])
        panel.plot(*place, "o", color="black", ms=13, mfc="none")
        panel.annotate(
            f"{point['policy']}, as trained",
            place,
            arrowprops={"arrowstyle": "-", "shrinkB": 6, "color": "0.4"},
            **_BELOW,
            fontsize=9,
            fontweight="bold",
        )


def _label_front(panel: Axes, front: Sequence[dict[str, Any]], quantity: str) -> None:
    """Labels the best first, and of those whose labels would run into another none."""
    slant = np.deg2rad(_SLANT)
    taken: list[tuple[float, float, float]] = []  # of each its distance, beginning and end
    for point in sorted(front, key=lambda p: -p["miou"]):
        place, text = (point[quantity], point["miou"]), _shortened(point["policy"])
        x, y = panel.transData.transform(place)
        across, along = x * np.sin(slant) - y * np.cos(slant), x * np.cos(slant) + y * np.sin(slant)
        end = along + _LETTER * len(text)
        if any(abs(across - a) < _GAP and along < e and b < end for a, b, e in taken):
            continue
        taken.append((across, along, end))
        panel.annotate(
            text,
            place,
            xytext=(4, 5),
            textcoords="offset points",
            fontsize=8,
            rotation=_SLANT,
            rotation_mode="anchor",
        )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _add_legend(figure: Figure, drawn: dict[str, Style], hollow: bool) -> None:
    panel = figure.axes[0]
    panel.plot([], [], color="0.8", linewidth=5, label="none is as good with less")
    if hollow:
        label = "hollow: may take more steps than in training"
        panel.plot([], [], "o", color="0.4", mfc="none", label=label)
    handles = panel.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
