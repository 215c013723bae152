"""Writes images to a video file."""

import contextlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.error import FFmpegError

from rsf_jax.arguments import check_number
from rsf_jax.errors import InputError
from rsf_jax.media import colors
from rsf_jax.media.checks import checked_image
from rsf_jax.media.targets import check_free, check_open, disk_errors
from rsf_jax.paths import expand, unfinished

_FORMATS = {".mp4": "mp4", ".mkv": "matroska"}
RATES = (0.0001, 1000.0)  # frames per second; the least is one in three hours
_LONGEST = 1e9  # seconds
_LONGEST_SIDE = 2**14  # pixels; x264 takes no more
# A second in units of times: whole numbers for all usual rates, 30000/1001 too. MPEG-4 has no more
# than 65535.
_TICKS = 60_000
# Large frames are not kept to look ahead: x264 would hold dozens of them.
_LARGE = 2_500_000  # pixels
_SPARING = {"libx264": {"tune": "zerolatency", "x264-params": "subme=0"}}
# The second, less good and not for browsers, is in every build of FFmpeg.
_CODECS = {"libx264": {"crf": "20", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}


class VideoWriter:
    """A video file, complete once it is closed.

    Its pixels are square, its colors those of sRGB, coded and tagged as players take a video of its
    size for: BT.709 from HD on, BT.601 below. Until it is closed it is called
    `name.mp4.unfinished`, with a number behind that if there is such a file. Leaving the `with`
    block by an exception deletes it.

    Args:
        path: ends in .mp4 or .mkv.
        frames_per_second: 0.0001 to 1000.
        overwrite: whether a file of that name may be replaced.
        finish: called with the complete file, before it gets its name, and its length in seconds.

    Raises:
        InputError: if an argument is not allowed, or the file exists.
    """

    def __init__(
        self,
        path: str | Path,
        frames_per_second: int | float,
        overwrite: bool = False,
        finish: Callable[[Path, float], None] | None = None,
    ) -> None:
        self.path = expand(path)
        suffix = self.path.suffix.lower()
        if suffix not in _FORMATS:
            raise InputError(
                f"{self.path} ends in {suffix or 'nothing'}: choose {' or '.join(_FORMATS)}"
            )
        needed = f"it lies between {RATES[0]:g} and {RATES[1]:g}"
        rate = check_number(
            "frames_per_second", frames_per_second, needed, lambda x: RATES[0] <= x <= RATES[1]
        )
        check_free(self.path, overwrite)
        self._rate = _fraction(rate)
        self._size: tuple[int, int] | None = None
        self._count, self._last, self._finish = 0, -1, finish
        self._over = False

    def write(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Adds a frame, uint8 [h, w, 3].

        Where a size is odd, its last row or column is repeated: the usual format has none such.

        Args:
            image: uint8 [h, w, 3], red, green and blue.
            seconds: when it is shown, from the first one on; as `frames_per_second` says if None.

        Raises:
            InputError: if it is no image, has another size than the first, `seconds` is no number
                of at least 0, the video is closed, or the disk is full.
        """
        check_open(self.path, self._over)
        image = checked_image(image)
        if seconds is not None:
            needed = "it has to be a number of seconds of at least 0"
            seconds = check_number("seconds", seconds, needed, lambda x: 0 <= x < _LONGEST)
        height, width = image.shape[:2]
        with disk_errors(self.path):
            if self._size is None:
                self._begin(height, width)
            if self._size != (height, width):
                raise InputError(
                    f"{self.path}: a frame is {list(image.shape[:2])} pixels and the first was "
                    f"{list(self._size or ())}: one video holds frames of one size"
                )
            if height % 2 or width % 2:
                image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            shown = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
            frame = colors.coded(shown)
            if seconds is None:
                seconds = float(self._count / self._rate)
            self._last = max(round(seconds * _TICKS), self._last + 1)
            frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
            frame.duration = round(_TICKS / self._rate)
            self._container.mux(self._stream.encode(frame))
            self._count += 1

    def close(self) -> None:
        """Completes the file, and gives it its name; without any frame there is no file.

        Raises:
            InputError: if the disk is full; nothing is left then.
        """
        self._over = True
        if self._size is None:
            return
        try:
            with disk_errors(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
                if self._finish:
                    self._finish(self._part, self._last / _TICKS + float(1 / self._rate))
                self._part.replace(self.path)
                self._size = None
        finally:
            self.discard()

    def discard(self) -> None:
        """Deletes what was written since it was opened."""
        self._over = True
        if self._size is None:
            return
        self._size = None
        with contextlib.suppress(FFmpegError):  # The file is of no use anyway.
            self._container.close()
        self._part.unlink(missing_ok=True)

    def _begin(self, height: int, width: int) -> None:
        if max(height, width) > _LONGEST_SIDE:
            raise InputError(
                f"{self.path}: a frame is {[height, width]} pixels, and {_LONGEST_SIDE} a side are "
                "the most that can be coded: give a smaller one"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        codec = next(name for name in _CODECS if name in av.codecs_available)
        # With its protocol, or a colon in a name would end one.
        form = _FORMATS[self.path.suffix.lower()]
        self._part = unfinished(self.path)
        try:
            self._container = av.open(f"file:{self._part}", "w", format=form)
        except BaseException:
            self._part.unlink()
            raise
        self._size = (height, width)
        sparing = _SPARING.get(codec, {}) if height * width > _LARGE else {}
        options = _CODECS[codec] | sparing
        stream = self._container.add_stream(codec, rate=self._rate, options=options)
        self._stream = cast(av.VideoStream, stream)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS)
        colors.tag(self._stream)
        self._container.start_encoding()  # or what is wrong with the place shows much later

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def _fraction(rate: int | float) -> Fraction:
    """A rate such that 30000/1001 stays what it is, and one in an hour, too."""
    if rate < 1:
        return 1 / Fraction(1 / rate).limit_denominator(1001)
    return Fraction(rate).limit_denominator(1001)
