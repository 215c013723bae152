"""The files that are written of one stream."""

import contextlib
from pathlib import Path
from types import TracebackType

from rsf_jax.media.json_lines import JsonLinesWriter
from rsf_jax.media.kinds import JSON, MASKS, OVERLAY, check_kinds
from rsf_jax.media.mask_writer import MaskWriter
from rsf_jax.media.overlay import draw
from rsf_jax.media.pictures import Picture
from rsf_jax.media.video_writer import VideoWriter
from rsf_jax.streaming import FrameResult
from rsf_jax.trained.appearance import Appearance

_USUAL_RATE = 25.0  # frames per second of a video whose source states none


class Outputs:
    """NAME.mp4, NAME_masks/ and NAME.jsonl of one stream, or some of them.

    The video has every frame, with the colors of the classes and a caption; one that was dropped
    or failed without colors. It has no mask then.

    Args:
        folder: for the files.
        name: of the stream.
        kinds: which of `kinds.KINDS`.
        appearance: names and colors of the classes.
        frames_per_second: of the video; None if its source states none.
        overwrite: whether older files may be replaced.

    Raises:
        InputError: if a kind is none of these, a file exists or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        kinds: tuple[str, ...],
        appearance: Appearance,
        frames_per_second: float | None,
        overwrite: bool = False,
    ) -> None:
        check_kinds(kinds)
        self._appearance = appearance
        self._video: VideoWriter | None = None
        self._masks: MaskWriter | None = None
        self._lines: JsonLinesWriter | None = None
        with contextlib.ExitStack() as stack:
            if JSON in kinds:
                lines = JsonLinesWriter(folder / f"{name}.jsonl", appearance.class_names, overwrite)
                self._lines = stack.enter_context(lines)
            if MASKS in kinds:
                self._masks = MaskWriter(folder / f"{name}_masks", appearance.colors, overwrite)
            if OVERLAY in kinds:
                rate = frames_per_second or _USUAL_RATE
                video = VideoWriter(folder / f"{name}.mp4", rate, overwrite)
                self._video = stack.enter_context(video)
            self._stack = stack.pop_all()

    def write(self, result: FrameResult, picture: Picture) -> None:
        """Writes what became of a frame; its `outputs` are class indices [H, W], or None.

        Raises:
            InputError: if the disk is full.
        """
        if self._lines:
            self._lines.write(result, picture.seconds, result.outputs)
        if self._masks and result.outputs is not None:
            self._masks.write(result.index, result.outputs)
        if self._video:
            look = self._appearance
            caption = _caption(result)
            self._video.write(
                draw(
                    picture.image,
                    result.outputs,
                    look.colors,
                    caption,
                    transparent=look.background,
                )
            )

    def __enter__(self) -> "Outputs":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _caption(result: FrameResult) -> str:
    place = f"{result.stream}, frame {result.index}"
    if result.outputs is None:
        return f"{place}: {result.status}"
    steps = f"{result.steps} step{'s' if result.steps != 1 else ''}"
    cut = f" ({result.status})" if result.status != "done" else ""
    return f"{place}: {steps}{cut}, {1000 * result.seconds:.0f} ms"
