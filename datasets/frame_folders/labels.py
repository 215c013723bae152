"""Class indices: what they are called, and which one means nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from video_records.labels import IGNORED, class_metadata

# How the metadata of built datasets calls pixels of no class. Its spelling stays: data are known
# by their metadata.
UNLABELED = "unlabelled"


@dataclasses.dataclass(frozen=True)
class Labels:
    """Classes of a dataset.

    Attributes:
        names: name of class 0, 1, ...
        colors: (red, green, blue) of each, 0 to 255, for pictures; None leaves them to who draws.
        ignored: index that means "unlabeled" in the files; none of the classes'.
        read_as: further indices in the files, and the class, or `IGNORED`, that each stands for.
        ignored_is_given: whether somebody has said what `ignored` is.
        background: class that pictures leave clear; None for none.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] | None = None
    ignored: int = IGNORED
    read_as: tuple[tuple[int, int], ...] = ()
    ignored_is_given: bool = False
    background: int | None = 0

    def not_allowed(self, mask: np.ndarray) -> list[int]:
        """The indices in a mask that stand for nothing, ascending.

        Args:
            mask: uint8 [H, W], indices as in the files.
        """
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        meanings = self._meanings()
        return [int(i) for i in present if int(i) not in meanings]

    def allowed(self) -> str:
        """The indices that masks may hold, in words."""
        further = sorted(i for i, _ in self.read_as if i not in (*self._classes(), self.ignored))
        more = "".join(f", {i}" for i in further)
        return f"0 to {len(self.names) - 1} and {self.ignored} (unlabeled){more}"

    def stored(self, mask: np.ndarray) -> np.ndarray:
        """A mask as a built dataset has it: classes, and 255 for what is unlabeled."""
        table = np.arange(256, dtype=np.uint8)
        for index, meaning in self._meanings().items():
            table[index] = meaning
        return table[mask]

    def counted(self, pixels: np.ndarray) -> dict[str, int]:
        """Pixels of each class, by name, and of none, under `UNLABELED`.

        Args:
            pixels: int64 [256], of each index in the files.
        """
        meanings = self._meanings()
        stored = np.bincount(list(meanings.values()), pixels[list(meanings)], minlength=256)
        found = {name: int(stored[k]) for k, name in enumerate(self.names)}
        return found | {UNLABELED: int(stored[IGNORED])}

    def as_metadata(self) -> dict[str, Any]:
        """Plain values for the metadata of a built dataset."""
        return class_metadata(self.names, self.colors, self.background)

    def _classes(self) -> range:
        return range(len(self.names))

    def _meanings(self) -> dict[int, int]:
        """What every index in the files stands for."""
        return {k: k for k in self._classes()} | {self.ignored: IGNORED} | dict(self.read_as)
