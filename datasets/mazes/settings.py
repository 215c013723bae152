"""Settings of a subset of mazes: how large they are, how they grow, and what happens in them."""

from __future__ import annotations

import dataclasses
from typing import Any

from generated_videos.checks import Range, require, require_range


@dataclasses.dataclass(frozen=True)
class Growth:
    """How a maze is made. Numbers are of cells unless something else is said.

    Attributes:
        side: cells of a row, and rows.
        trees: least and most trees that grow at once.
        onward: probability that a tree grows from its newest cell, and not from any of its cells.
        connected: least and most share of the cells that are connected with the source.
        pockets: small parts that are cut off after growing.
        pocket_cells: most cells of one.
        lights: most discs of another gray level.
    """

    side: int
    trees: Range
    onward: float = 0.5
    connected: tuple[float, float] = (0.25, 0.75)
    pockets: int = 3
    pocket_cells: int = 6
    lights: int = 4

    def __post_init__(self) -> None:
        for name, least in (("side", 4), ("pockets", 0), ("pocket_cells", 1), ("lights", 0)):
            value = getattr(self, name)
            allowed = f"a whole number of at least {least}"
            require(isinstance(value, int) and value >= least, name, value, allowed, "raise it")
        require_range("trees", self.trees, 2)
        fits = self.trees[1] <= self.side
        require(fits, "trees", self.trees, f"at most side={self.side}", "ask for fewer")
        allowed = "a probability from 0 to 1"
        require(0 <= self.onward <= 1, "onward", self.onward, allowed, "give such a one")
        least, most = self.connected
        right = 0 < least < most < 1
        allowed = "a pair (least, most) of shares between 0 and 1"
        require(right, "connected", self.connected, allowed, "give a wider one")


@dataclasses.dataclass(frozen=True)
class Chances:
    """Probability of each kind of event at a frame, see `events.KINDS`; together 1."""

    nothing: float = 0.6
    near: float = 0.1
    far: float = 0.1
    decoy: float = 0.15
    cut: float = 0.05
    loss: float = 0.0

    def __post_init__(self) -> None:
        values = dataclasses.astuple(self)
        right = min(values) >= 0 and abs(sum(values) - 1) < 1e-9
        require(right, "chances", values, "probabilities with the sum 1", "change one")


@dataclasses.dataclass(frozen=True)
class Happening:
    """What happens in a video after its first frame.

    Attributes:
        frames: of a video.
        chances: of what happens at each.
        near: most cells to the farthest one that is reached by a near gate.
        far: least cells to the farthest one that is reached by a far gate.
        joined: most cells that a gate joins, or that a loss takes.
        clutter: probability that a near or far gate, a decoy or a loss has clutter beside it.
        cluttered: most share of the pixels that change by it.
    """

    frames: int
    chances: Chances = Chances()
    near: int = 3
    far: int = 9
    joined: int = 60
    clutter: float = 0.5
    cluttered: float = 0.3

    def __post_init__(self) -> None:
        for name in ("frames", "near", "far", "joined"):
            value = getattr(self, name)
            allowed = "a whole number of at least 1"
            require(isinstance(value, int) and value >= 1, name, value, allowed, "raise it")
        ordered = self.near < self.far <= self.joined
        allowed = f"above near={self.near} and at most joined={self.joined}"
        require(ordered, "far", self.far, allowed, "change it")
        for name in ("clutter", "cluttered"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "from 0 to 1", "give a share")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a subset of mazes depends on, apart from the seed.

    Attributes:
        growth: of every maze.
        happening: in videos; None for images.
    """

    growth: Growth
    happening: Happening | None = None

    @property
    def frames(self) -> int:
        """Frames of a video, 1 of an image."""
        return 1 if self.happening is None else self.happening.frames

    def as_dict(self) -> dict[str, Any]:
        """Nested dict of plain values, for metadata."""
        return dataclasses.asdict(self)
