"""What all sources of frames have in common."""

import abc
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from rsf_jax.errors import InputError
from rsf_jax.media.fitting import Fit
from rsf_jax.media.pictures import Picture, Shaper


class UnreachableError(InputError):
    """A camera or an address does not answer; it may later."""


_SQUEEZED = 1.1  # times as narrow or as wide, from which on it is said


class Source(abc.ABC):
    """Frames from a file, a folder, a camera or a stream address. `open_source` makes it.

    Iteration yields each `Picture` once: a second loop goes on where the first was left. It raises
    nothing when the source breaks down, but ends, and `problem` says why.

    Attributes:
        label: what messages call it: "clip.mp4", "camera:0", "rtsp://host/door".
        name: the same, as part of a file name: "clip", "camera0", "door".
        path: the file or folder that it is; None of a camera or an address.
        live: whether frames arrive in their own time, and are lost unless they are taken.
        frames_per_second: as stated by the source; None if it states nothing.
        count: pictures yielded so far.
        damaged: how many of these the decoder had to patch up.
        skipped: frames or files that could not be decoded so far.
        problem: why it ended before its end; empty while there is none.
        notes: what a user should know of it, each once: what was done to its frames.
        began: seconds of the first picture on the source's own clock.
        reconnects: how often it was opened again.
    """

    path: Path | None = None
    began = 0.0
    reconnects = 0

    def __init__(
        self, label: str, name: str, live: bool, frames_per_second: float | None, shaper: Shaper
    ) -> None:
        self.label, self.name, self.live = label, name, live
        self.frames_per_second = frames_per_second
        self.count, self.damaged, self.skipped, self.problem = 0, 0, 0, ""
        self.notes: list[str] = []
        self._shaper = shaper
        self._pictures: Iterator[Picture] = self._noted(self._read())

    @abc.abstractmethod
    def _read(self) -> Iterator[Picture]:
        """Yields the pictures, and counts them."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends it; may be called from another thread than the one that iterates, and twice."""

    def first(self) -> Picture | None:
        """Returns the next picture, which is yielded still; None if there is none."""
        picture = next(self._pictures, None)
        if picture is not None:
            self._pictures = itertools.chain([picture], self._pictures)
        return picture

    def go_on_from(self, other: "Source") -> None:
        """Makes its frames as another source has made its own, before the first: of one video."""
        self._shaper.go_on_from(other._shaper)

    def note(self, text: str) -> None:
        """Adds to `notes`."""
        if text not in self.notes:
            self.notes.append(text)

    def _noted(self, pictures: Iterator[Picture]) -> Iterator[Picture]:
        said = False
        for picture in pictures:
            if not said and (words := squeezed_words(picture.fit)):
                said = True
                self.note(f"{self.label}: {words}")
            yield picture

    def __iter__(self) -> Iterator[Picture]:
        """Returns what is left of its pictures."""
        return self._pictures

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def squeezed_words(fit: Fit) -> str:
    """Returns what to say of frames whose shape is changed by more than a tenth, or nothing."""
    narrower, times = fit.narrowing > 1, max(fit.narrowing, 1 / fit.narrowing)
    if times <= _SQUEEZED:
        return ""
    (h, w), (height, width) = fit.shape, fit.model
    return (
        f"{w}x{h} squeezed into the model's {width}x{height} makes all {times:.2f} times as "
        f"{'narrow' if narrower else 'wide'}; fit=letterbox, fit=crop and fit=tiles:1 keep shapes"
    )
