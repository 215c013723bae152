"""Videos whose labels are what a model makes of them."""

from typing import Any

import grain
import numpy as np

from rsf_jax.data.augmentation import Example


def relabeled(videos: grain.MapDataset, classes: np.ndarray) -> grain.MapDataset:
    """Returns the videos of a split with other labels.

    Args:
        videos: the split.
        classes: uint8 [V, T, H, W], of every pixel.
    """
    return grain.MapDataset.source(_Relabeled(videos, classes))


class _Relabeled:
    def __init__(self, videos: grain.MapDataset, classes: np.ndarray) -> None:
        self._videos, self._classes = videos, classes

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, index: Any) -> Example:
        return {**self._videos[int(index)], "masks": self._classes[int(index)]}
