"""The growth of a convolution's cost, as a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from rsf_jax.benchmarks.cases import METHODS
from rsf_jax.benchmarks.suite import Row

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


def _points(rows: list[Row], quantity: str, method: str) -> list[tuple[int, float]]:
    return [
        (int(row.group.split()[1]), row.value)
        for row in rows
        if row.section == "growth" and row.name == method and row.group.split()[0] == quantity
    ]
