"""Cues: what can be guessed of the target, and of the steps that it takes, without following it."""

from __future__ import annotations

import dataclasses

import numpy as np

from mazes.drawing import SOURCE, WALL

FEATURES, PIXELS = 512, 40_000
_RIDGE = 1e-3
_THRESHOLDS = np.linspace(0.1, 0.9, 33)


def overlap(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Foreground intersection over union of every frame.

    Args:
        predicted: bool [T, H, W].
        truth: bool [T, H, W], some pixel true in every frame.

    Returns:
        float64 [T].
    """
    both = np.sum(predicted & truth, axis=(1, 2))
    return both / np.sum(predicted | truth, axis=(1, 2))


def passages(frames: np.ndarray) -> np.ndarray:
    """Where there is no wall: bool [T, H, W], of frames [T, H, W, 1]."""
    return frames[..., 0] != WALL


def from_source(frames: np.ndarray) -> np.ndarray:
    """Straight distance of every pixel from the middle of the source: float64 [T, H, W], pixels."""
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]]
    found = []
    for frame in frames[..., 0]:
        row, column = np.argwhere(frame == SOURCE).mean(0)
        found.append(np.hypot(rows - row, columns - column))
    return np.array(found)


def best_disc(frames: np.ndarray, masks: np.ndarray) -> tuple[float, float]:
    """The passages around the source, at the radius that is best.

    Args:
        frames: uint8 [T, H, W, 1].
        masks: uint8 [T, H, W].

    Returns:
        The radius in pixels, and the mean foreground IoU of all frames.
    """
    distance, passage, truth = from_source(frames), passages(frames), masks > 0
    radii = np.arange(2.0, 1.5 * max(masks.shape[1:]), 2.0)
    scores = [overlap(passage & (distance <= radius), truth).mean() for radius in radii]
    best = int(np.argmax(scores))
    return float(radii[best]), float(scores[best])


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties with their mean: float64 [N]."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of two lists, ties with their mean ranks; NaN if one is constant.

    Args:
        one: numbers [N].
        other: numbers [N].
    """
    a, b = (x - x.mean() for x in (ranks(one), ranks(other)))
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else float("nan")


def told_apart(values: np.ndarray, truth: np.ndarray) -> float:
    """Chance that a value of what is true is above one of what is not; ties count half.

    Args:
        values: numbers [N].
        truth: bool [N], both kinds there.

    Returns:
        0.5 where values tell nothing, 1 or 0 where they tell all: the area under the ROC curve.
    """
    positive = int(truth.sum())
    above = ranks(values)[truth].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(truth) - positive)))


def surroundings(pictures: np.ndarray, size: int) -> np.ndarray:
    """The patch around every pixel, zeros beyond the edge: [T, H, W, size, size], not copied.

    Args:
        pictures: [T, H, W].
        size: odd, pixels.
    """
    margin = size // 2
    padded = np.pad(pictures, ((0, 0), (margin, margin), (margin, margin)))
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))


@dataclasses.dataclass(frozen=True)
class LocalPredictor:
    """Guesses whether a pixel of a passage is of the target, from a patch around it.

    A linear one has the patch's gray levels as features, one that is not has random features,
    `max(0, patch @ weights)`, beside them. Its coefficients are those of least squares, its
    threshold the one with the best mean IoU on what it was fitted to.

    Attributes:
        size: pixels of a side of the patch.
        weights: float32 [size * size, features]; of a linear one there are no features.
        coefficients: float64 [1 + size * size + features].
        threshold: above which a pixel is guessed to be of the target.
    """

    size: int
    weights: np.ndarray
    coefficients: np.ndarray
    threshold: float

    @classmethod
    def fitted(
        cls, frames: np.ndarray, masks: np.ndarray, size: int, linear: bool = False, seed: int = 0
    ) -> LocalPredictor:
        """Fits one.

        Args:
            frames: uint8 [T, H, W, 1].
            masks: uint8 [T, H, W].
            size: of the patch, odd.
            linear: whether gray levels alone are its features.
            seed: of the features and of the pixels that it is fitted to.
        """
        rng = np.random.default_rng(seed)
        count = 0 if linear else FEATURES
        weights = rng.normal(0, 2 / size, (size * size, count)).astype(np.float32)
        passage = passages(frames)
        places = np.argwhere(passage)
        places = places[rng.permutation(len(places))[:PIXELS]]
        patches = surroundings(_gray(frames), size)[tuple(places.T)]
        x = _features(patches, weights).astype(np.float64)
        y = masks[tuple(places.T)].astype(np.float64)
        gram = x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1])
        unfinished = cls(size, weights, np.linalg.solve(gram, x.T @ y), 0.0)
        few = slice(0, 100)
        scores, truth = unfinished.scores(frames[few]), masks[few] > 0
        ious = [overlap(scores > level, truth).mean() for level in _THRESHOLDS]
        return dataclasses.replace(unfinished, threshold=float(_THRESHOLDS[int(np.argmax(ious))]))

    def scores(self, frames: np.ndarray) -> np.ndarray:
        """Returns the higher values the more likely a pixel is of the target.

        Args:
            frames: uint8 [T, H, W, 1].

        Returns:
            float64 [T, H, W]; where there is a wall, minus infinity.
        """
        found = np.full(frames.shape[:3], -np.inf)
        for scores, picture, passage in zip(found, _gray(frames), passages(frames), strict=True):
            patches = surroundings(picture[None], self.size)[0][passage]
            scores[passage] = _features(patches, self.weights) @ self.coefficients
        return found


def _gray(frames: np.ndarray) -> np.ndarray:
    """Gray levels in 0..1, [T, H, W]."""
    return frames[..., 0].astype(np.float32) / 255


def _features(patches: np.ndarray, weights: np.ndarray) -> np.ndarray:
    patches = patches.reshape(len(patches), -1)
    ones = np.ones((len(patches), 1), np.float32)
    return np.concatenate([ones, patches, np.maximum(patches @ weights, 0)], axis=1)
