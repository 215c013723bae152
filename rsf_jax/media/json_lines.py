"""Writes what became of each frame as a line of JSON."""

import contextlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from rsf_jax.arguments import check_number, whole
from rsf_jax.errors import InputError
from rsf_jax.media.checks import checked_classes
from rsf_jax.media.targets import check_free, check_open, disk_errors
from rsf_jax.paths import expand
from rsf_jax.streaming import FrameResult


class JsonLinesWriter:
    """A text file with one JSON object a line, each on the disk before the next is written.

    An object holds `stream`, `frame` (number of the frame in its source), `seconds` (when it is
    shown), `time` (when it was taken, in UTC), `status`, `steps`, `latency_ms` and `share` (per
    cent by class of the pixels that the model was shown; null without a class map); the `file` of
    an image; `damaged` if the decoder has patched it up; `first` if it began from a fresh state as
    a video's first frame does; and the `reason` if there is one.

    Args:
        path: of the file.
        class_names: of the K classes.
        overwrite: whether a file of that name may be replaced.

    Raises:
        InputError: if the file exists, or cannot be written.
    """

    def __init__(
        self, path: str | Path, class_names: Sequence[str], overwrite: bool = False
    ) -> None:
        self.path, self._class_names = expand(path), tuple(class_names)
        with disk_errors(self.path):
            check_free(self.path, overwrite)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")

    def write(
        self,
        result: FrameResult,
        seconds: int | float,
        classes: np.ndarray | None,
        *,
        frame: int | None = None,
        file: str = "",
        damaged: bool = False,
    ) -> None:
        """Writes the line of one frame.

        Args:
            result: of the frame; its `outputs` are not looked at.
            seconds: when the frame is shown.
            classes: integer [H, W], class indices; None for a frame without a result.
            frame: its number in the source; in its stream if None.
            file: its name, if it is a file.
            damaged: whether the decoder has patched it up.

        Raises:
            InputError: if the classes do not fit their names, a number is none, the file is closed,
                or the disk is full.
        """
        check_open(self.path, self._file.closed)
        needed = "it has to be a finite number of seconds"
        shown = check_number("seconds", seconds, needed, math.isfinite)
        line: dict[str, Any] = {
            "stream": result.stream,
            "frame": result.index if frame is None else whole("frame", frame, 0),
            "seconds": round(shown, 6),
            "status": result.status,
            "steps": result.steps,
            "latency_ms": round(1000 * result.seconds, 3),
            "share": None if classes is None else self._shares(classes),
        }
        if math.isfinite(result.time):
            line["time"] = datetime.fromtimestamp(result.time, UTC).isoformat()
        if file:
            line["file"] = file
        if damaged:
            line["damaged"] = True
        if result.first:
            line["first"] = True
        if result.reason:
            line["reason"] = result.reason
        with disk_errors(self.path):
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Closes the file.

        Raises:
            InputError: if the disk is full.
        """
        with disk_errors(self.path):
            self._file.close()

    def _shares(self, classes: np.ndarray) -> dict[str, float]:
        count = len(self._class_names)
        classes = checked_classes(classes, count, unseen=True)
        # What the model was shown nothing of, 255, is no share of anything.
        counts = np.bincount(classes.ravel(), minlength=count)[:count]
        shares = (100 * counts / max(1, counts.sum())).round(2).tolist()
        return dict(zip(self._class_names, shares))

    def __enter__(self) -> "JsonLinesWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error on the disk closing fails as well: the first tells more.
        with contextlib.nullcontext() if kind is None else contextlib.suppress(InputError):
            self.close()
