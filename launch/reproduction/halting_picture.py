"""Pictures of halting on equal terms: what evaluations buy, whom steps follow, and larger mazes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from reproduction import halting_page
from reproduction.halting_page import Compared, Part, mean
from reproduction.mazes import cells_of
from rsf_jax.evaluation.equal_terms import SOLVERS
from rsf_jax.measures.pareto import pareto_front
from rsf_jax.run_folder import read_json

# Okabe and Ito's colors, told apart by color-blind readers too.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_LINES = {
    "fixed": ("o", "-"),
    "distance": ("^", "--"),
    "readout": ("s", ":"),
    "learned": ("*", "-."),
}
_TICKS = (0.5, 1, 2, 4, 8, 16, 32)
_DPI = 120


def save_bought(path: Path, records: Path) -> None:
    """Draws mIoU against evaluations for every network, a panel for each kind of video.

    Args:
        path: picture to write.
        records: folder of records.

    Raises:
        InputError: if a record is damaged.
    """
    found = [(part, halting_page.read(records, part)) for part in halting_page.PARTS]
    panels = [(part, models) for part, models in found if models]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.8 * len(panels), 4.2), layout="constrained", squeeze=False
    )
    for panel, (part, models) in zip(axes[0], panels, strict=True):
        for color, model in zip(_COLORS, models):
            _draw_families(panel, model, part, color)
        title = f"{part.title}, behind a gate" if part.gated else part.title
        panel.set(xlabel="evaluations per frame", title=title, xscale="log")
        panel.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.3)
        panel.legend(frameon=False, fontsize=7)
    axes[0][0].set_ylabel("mIoU")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def _draw_families(axes: Axes, model: Compared, part: Part, color: str) -> None:
    wanted = {"warm": True, "gated": part.gated, "solver": SOLVERS[0]}
    for family, (marker, line) in _LINES.items():
        groups = model.rows(part.results, family=family, **wanted)
        if groups:
            points = sorted((mean(g, "steps"), mean(g, "miou")) for g in groups)
            steps, miou = zip(*points)
            front = np.flatnonzero(pareto_front(steps, miou))
            axes.plot(
                np.take(steps, front),
                np.take(miou, front),
                line,
                marker=marker,
                color=color,
                markersize=4,
                linewidth=1.2,
                label=f"{model.name.removeprefix('terms_')}, {family}",
            )


def save_followed(path: Path, record: Path, policies: Sequence[str]) -> None:
    """Draws steps against the steps that a frame needs, beside changed pixels against them.

    Args:
        path: picture to write.
        record: of a network on videos that say what they need.
        policies: texts of the rules that are shown.

    Raises:
        InputError: if the record is missing, damaged, or says nothing of distances.
    """
    found = read_json(record, "run the plan `mazes` first")["clips"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    for color, policy in zip(_COLORS, policies):
        row = next(row for row in found["rows"] if row["policy"] == policy and row["warm"])
        label = f"{policy}: {row['follows']:.2f}"
        _draw_means(left, row["by_distance"], color, label)
    _draw_means(
        right, found["pixels"]["by_distance"], "#000000", f"{found['pixels']['follows']:.2f}"
    )
    left.set(ylabel="recurrent steps, mean", title="steps that halting spends")
    right.set(ylabel="share of the pixels, mean", title="pixels that change")
    for axes in (left, right):
        axes.set(xlabel="steps that a frame needs, of a kernel's reach each", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, title="rank correlation", title_fontsize=8)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def _draw_means(axes: Axes, means: Sequence[Sequence[float]], color: str, label: str) -> None:
    needed, mean, frames = np.array(means).T
    axes.plot(needed, mean, color=color, linewidth=1)
    axes.scatter(needed, mean, np.sqrt(frames) * 4, color=color, label=label)


def save_sizes(path: Path, records: Mapping[str, Path]) -> None:
    """Draws mIoU against steps on mazes of several sizes, a panel for each network.

    Args:
        path: picture to write.
        records: of networks, by the titles of their panels.

    Raises:
        InputError: if a record is missing or damaged.
    """
    figure, axes = plt.subplots(
        1, len(records), figsize=(4.6 * len(records), 3.8), layout="constrained", squeeze=False,
        sharey=True,
    )  # fmt: skip
    for panel, (title, record) in zip(axes[0], records.items(), strict=True):
        found = read_json(record, "run the plan `mazes` first")
        for color, (name, tested) in zip(_COLORS, found["datasets"].items()):
            points = [
                (row["steps"], row["miou"]) for row in tested["rows"] if row["policy"][0] == "s"
            ]
            panel.plot(
                *zip(*points), "o-", color=color, markersize=3, label=f"{cells_of(name)} cells"
            )
        panel.set(xlabel="recurrent steps", xscale="log", title=title, ylim=(0, 1.02))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.grid(alpha=0.3)
    axes[0][0].set_ylabel("mIoU")
    axes[0][-1].legend(frameon=False, fontsize=8, title="mazes of", loc="lower right")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)
