"""What masks hold: pixels of every class in every split, and what must be wrong with them."""

from __future__ import annotations

import pathlib

import numpy as np

from frame_folders.labels import UNLABELED, Labels


class Census:
    """Counts the pixels of masks while they are looked through.

    Attributes:
        pixels: int64 [256] of every split, pixels of each index in the files.
        kinds: the sets of indices that single masks were found to hold: one such mask, and how
            many there are.
    """

    def __init__(self) -> None:
        self.pixels: dict[str, np.ndarray] = {}
        self.kinds: dict[frozenset[int], tuple[pathlib.Path, int]] = {}
        self._split = ""

    def begin(self, split: str) -> None:
        """Says which split the next masks are of."""
        self._split = split
        self.pixels.setdefault(split, np.zeros(256, np.int64))

    def add(self, path: pathlib.Path, mask: np.ndarray) -> None:
        """Counts a mask, uint8 [H, W]."""
        found = np.bincount(mask.ravel(), minlength=256)
        self.pixels[self._split] += found
        kind = frozenset(map(int, np.flatnonzero(found)))
        first, count = self.kinds.get(kind, (path, 0))
        self.kinds[kind] = first, count + 1

    def by_class(self, labels: Labels) -> dict[str, dict[str, int]]:
        """Pixels of each class, and unlabeled ones, of every split."""
        return {split: labels.counted(pixels) for split, pixels in self.pixels.items()}


def check_counts(counts: dict[str, dict[str, int]]) -> list[str]:
    """Looks for splits and classes that have no pixel.

    Args:
        counts: pixels by split and class, as `Census.by_class` returns them.

    Returns:
        Warnings, a line each: of classes that a split has not.

    Raises:
        ValueError: if nothing is labeled in a split, or one of two classes is in no mask at all.
    """
    for split, found in counts.items():
        if not any(count for name, count in found.items() if name != UNLABELED):
            raise ValueError(
                f"no pixel of split {split} is labeled: its masks hold nothing but the index that "
                "means unlabeled (`ignored` in a dataset.yaml)"
            )
    classes = [name for name in next(iter(counts.values()), {}) if name != UNLABELED]
    nowhere = [name for name in classes if not any(found[name] for found in counts.values())]
    if nowhere and len(classes) == 2:
        raise ValueError(
            f"no mask has a pixel of class {classes.index(nowhere[0])}, {nowhere[0]}: look into "
            "the masks, and at the classes and `ignored` in a dataset.yaml"
        )
    return [
        f"WARNING: no mask of split {split} has a pixel of {', '.join(absent)}"
        for split, found in counts.items()
        if (absent := [name for name in classes if not found[name]])
    ]


def in_words(counts: dict[str, dict[str, int]]) -> list[str]:
    """Shares of the classes, a line for each split."""
    lines = []
    for split, found in counts.items():
        total = max(sum(found.values()), 1)
        shares = ", ".join(
            f"{'unlabeled' if name == UNLABELED else name} {_percent(count / total)}"
            for name, count in found.items()
        )
        lines.append(f"pixels of {split}: {shares}")
    return lines


def _percent(share: float) -> str:
    return f"{share:.1%}" if share == 0 or share >= 0.001 else "<0.1%"
