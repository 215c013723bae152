"""The files that are written of one stream."""

import collections
import contextlib
import functools
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.media.json_lines import JsonLinesWriter
from rsf_jax.media.kinds import (
    ANNOTATIONS,
    CAPTION,
    JSON,
    LEGEND,
    MASKS,
    OVERLAY,
    STEPS,
    check_kinds,
)
from rsf_jax.media.legend import Entry, legend
from rsf_jax.media.lettering import letters_for, strip
from rsf_jax.media.mask_writer import MaskWriter
from rsf_jax.media.overlay import draw, fitted
from rsf_jax.media.pictures import Picture
from rsf_jax.media.sound import add_sound
from rsf_jax.media.source import Source
from rsf_jax.media.step_chart import FRESH, StepChart
from rsf_jax.media.targets import check_free, check_free_folder, check_spares
from rsf_jax.media.video_writer import RATES, VideoWriter
from rsf_jax.paths import expand
from rsf_jax.streaming import FrameResult
from rsf_jax.trained.appearance import Appearance, class_label

_LATENCIES = 25  # frames whose median a caption tells: that of a single one jumps
_ENDINGS = {OVERLAY: ".mp4", MASKS: "_masks", JSON: ".jsonl"}
_USUAL_RATE = 25.0  # frames per second of a video whose source states none


class Outputs:
    """NAME.mp4, NAME_masks/ and NAME.jsonl of one stream, or some of them.

    The video has every frame, in the size of the first, with the colors of the classes, and below
    it what `ANNOTATIONS` names and is asked for; one that was dropped or failed without colors. It
    has no mask then.

    Args:
        folder: for the files.
        name: of the stream.
        kinds: which of `kinds.KINDS`.
        appearance: names and colors of the classes.
        frames_per_second: of the video; None if its source states none.
        overwrite: whether older files may be replaced.
        inputs: files and folders that are read, which nothing may take the place of.
        most_steps: that a frame can get; None draws no steps.
        annotations: which of `ANNOTATIONS` are below the frames of the video.
        sound_of: source whose sound the video gets; None for none.

    Raises:
        InputError: if a kind is none of these, a file exists, is an input or cannot be written.
    """

    def __init__(
        self,
        folder: str | Path,
        name: str,
        kinds: tuple[str, ...],
        appearance: Appearance,
        frames_per_second: float | None,
        overwrite: bool = False,
        *,
        inputs: Sequence[Path] = (),
        most_steps: int | None = None,
        annotations: tuple[str, ...] = ANNOTATIONS,
        sound_of: Source | None = None,
    ) -> None:
        check_kinds(kinds, annotations)
        paths = check_outputs(folder, name, kinds, overwrite, inputs)
        self._appearance, self._annotations = appearance, annotations
        self._chart = StepChart(most_steps) if most_steps and STEPS in annotations else None
        self._latencies: collections.deque[float] = collections.deque(maxlen=_LATENCIES)
        self._video: VideoWriter | None = None
        self._masks: MaskWriter | None = None
        self._lines: JsonLinesWriter | None = None
        self._size: tuple[int, int] | None = None  # of the video's first frame
        with contextlib.ExitStack() as stack:
            if JSON in kinds:
                lines = JsonLinesWriter(paths[JSON], appearance.class_names, overwrite)
                self._lines = stack.enter_context(lines)
            if MASKS in kinds:
                self._masks = MaskWriter(paths[MASKS], appearance.colors, overwrite)
            if OVERLAY in kinds:
                rate = min(max(frames_per_second or _USUAL_RATE, RATES[0]), RATES[1])
                finish = functools.partial(_give_sound, sound_of) if sound_of else None
                video = VideoWriter(paths[OVERLAY], rate, overwrite, finish)
                self._video = stack.enter_context(video)
            self._stack = stack.pop_all()

    def write(self, result: FrameResult, picture: Picture, draw: bool = True) -> None:
        """Writes what became of a frame; its `outputs` are class indices [H, W], or None.

        Args:
            result: of the frame.
            picture: the frame.
            draw: whether the video gets it.

        Raises:
            InputError: if the disk is full.
        """
        if self._lines:
            self._lines.write(
                result,
                picture.seconds,
                result.outputs,
                frame=picture.index,
                file=picture.file,
                damaged=picture.damaged,
            )
        if self._masks and result.outputs is not None:
            self._masks.write(picture.index, result.outputs)
        if self._video and draw:
            self._video.write(self._drawn(result, picture), picture.seconds)

    def _drawn(self, result: FrameResult, picture: Picture) -> np.ndarray:
        """A frame of the video."""
        look = self._appearance
        drawn = draw(picture.image, result.outputs, look.colors, "", transparent=look.background)
        self._size = self._size or drawn.shape[:2]
        drawn = fitted(drawn, self._size)
        height, width = self._size
        letters, parts = letters_for(height, width), [drawn]
        if self._chart:
            self._chart.add(result)
            parts.append(self._chart.draw(letters, width))
        if CAPTION in self._annotations:
            parts.append(strip(self._caption(result, picture.index), letters, width))
        if LEGEND in self._annotations and (entries := self._entries()):
            parts.append(legend(entries, letters, width))
        return np.concatenate(parts)

    def _entries(self) -> tuple[Entry, ...]:
        """What there is to explain: the classes that are colored, and the mark of a fresh state."""
        look = self._appearance
        shown = [
            Entry(class_label(name), tuple(color.tolist()))
            for k, (name, color) in enumerate(zip(look.class_names, look.colors))
            if k != look.background
        ]
        return (*shown, *([Entry("fresh state", FRESH, line=True)] if self._chart else []))

    def _caption(self, result: FrameResult, index: int) -> str:
        place = f"{result.stream}, frame {index}"
        if result.outputs is None:
            return f"{place}: {result.status}"
        self._latencies.append(result.seconds)
        latency = f"{1000 * statistics.median(self._latencies):.0f} ms"
        steps = f"{result.steps} step{'s' if result.steps != 1 else ''}"
        cut = f" ({result.status})" if result.status != "done" else ""
        return f"{place}: {steps}{cut}, {latency}"

    def close(self) -> None:
        """Completes the files.

        Raises:
            InputError: if the disk is full.
        """
        self._stack.close()

    def discard(self) -> None:
        """Ends files that could not be written; half a video is deleted."""
        with contextlib.suppress(InputError):
            self._stack.__exit__(InputError, InputError(), None)


def check_outputs(
    folder: str | Path,
    name: str,
    kinds: tuple[str, ...],
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
) -> dict[str, Path]:
    """Returns where each kind of file goes; the arguments are those of `Outputs`.

    Raises:
        InputError: if there is something that would be lost.
    """
    paths = {kind: expand(folder) / f"{name}{ending}" for kind, ending in _ENDINGS.items()}
    for kind in kinds:
        check_spares(paths[kind], inputs)
        check = check_free_folder if kind == MASKS else check_free
        check(paths[kind], overwrite)
    return paths


def _give_sound(source: Source, video: Path, seconds: float) -> None:
    """Gives a finished video the sound of its source, or notes why it has none."""
    if source.path is None or not source.path.is_file():
        # What an address or a pipe has sent is gone by now.
        why = "the sound of files alone is kept"
    else:
        why = add_sound(video, source.path, source.began, seconds)
    if why:
        source.note(f"{source.label}: {why}")
