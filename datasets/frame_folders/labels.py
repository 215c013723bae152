"""Class indices: what they are called, and which one means nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

IGNORED = 255  # in a built dataset: belongs to no class, counts nowhere


@dataclasses.dataclass(frozen=True)
class Labels:
    """Classes of a dataset.

    Attributes:
        names: name of class 0, 1, ...
        colors: (red, green, blue) of each, 0 to 255, for pictures; None leaves them to who draws.
        ignored: index that means "unlabelled" in the files; none of the classes'.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] | None = None
    ignored: int = IGNORED

    def not_allowed(self, mask: np.ndarray) -> list[int]:
        """The indices in a mask that stand for nothing, ascending.

        Args:
            mask: uint8 [H, W], indices as in the files.
        """
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        return [int(i) for i in present if i >= len(self.names) and i != self.ignored]

    def allowed(self) -> str:
        """The indices that masks may hold, in words."""
        return f"0 to {len(self.names) - 1} and {self.ignored} (unlabelled)"

    def stored(self, mask: np.ndarray) -> np.ndarray:
        """A mask as a built dataset has it: what is unlabelled becomes 255."""
        return np.where(mask == self.ignored, np.uint8(IGNORED), mask)

    def as_metadata(self) -> dict[str, Any]:
        """Plain values for the metadata of a built dataset."""
        colors = {"colors": [list(color) for color in self.colors]} if self.colors else {}
        return {"class_names": list(self.names), "ignored": IGNORED, **colors}
