"""Results of all frames of a picture, made one."""

import dataclasses

from rsf_jax.media.pictures import Picture
from rsf_jax.streaming import FrameResult

# What a picture is, if its frames are not the same: the worst of them.
_WORST_FIRST = ("failed", "dropped", "cut", "done", "repeated")


@dataclasses.dataclass
class _Begun:
    picture: Picture
    count: int
    results: dict[str, FrameResult] = dataclasses.field(default_factory=dict)


class Gathering:
    """Pictures whose frames are on their way, each in a stream of its own.

    Args:
        names: of the streams, in the order of a picture's frames; the first names the results.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._begun: dict[int, _Begun] = {}

    def __len__(self) -> int:
        """Pictures without a result yet."""
        return len(self._begun)

    def begin(self, index: int, picture: Picture, count: int) -> None:
        """Takes a picture whose first `count` frames were submitted as number `index`."""
        self._begun[index] = _Begun(picture, count)

    def add(self, result: FrameResult) -> tuple[FrameResult, Picture] | None:
        """Takes the result of a frame; returns that of its picture once it is the last of them.

        Its `outputs` are those of the frames, in order, or None if one of them has none; its
        `steps` are the most that one of them took.
        """
        begun = self._begun[result.index]
        begun.results[result.stream] = result
        if len(begun.results) < begun.count:
            return None
        del self._begun[result.index]
        return self._merged(begun), begun.picture

    def _merged(self, begun: _Begun) -> FrameResult:
        parts = [begun.results[name] for name in self._names if name in begun.results]
        worst = min(parts, key=lambda part: _WORST_FIRST.index(part.status))
        whole = len(parts) == len(self._names) and all(p.outputs is not None for p in parts)
        return dataclasses.replace(
            worst,
            stream=self._names[0],
            status=worst.status if whole or worst.outputs is None else "failed",
            outputs=[part.outputs for part in parts] if whole else None,
            steps=max(part.steps for part in parts),
            seconds=max(part.seconds for part in parts),
            time=min(part.time for part in parts),
            first=any(part.first for part in parts),
        )
