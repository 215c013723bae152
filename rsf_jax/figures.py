"""Pictures of what a model sees and says."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

# Okabe and Ito's colours, told apart by colour-blind readers too.
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
        iou: [V, T], written under each prediction.
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
            below.set_xlabel(f"IoU {iou[v, t]:.2f}", fontsize=8)
            if v == 0:
                above.set_title(f"frame {t + 1}", fontsize=9)
        axes[2 * v, 0].set_ylabel("truth", fontsize=9)
        axes[2 * v + 1, 0].set_ylabel("prediction", fontsize=9)
    handles = [Patch(color=colour, label=name) for name, colour in _COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)
    plt.close(figure)


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
