"""Video files, stream addresses and cameras as sources of frames."""

import threading
from collections.abc import Iterator
from fractions import Fraction

import av
from av.error import ExitError, FFmpegError

from rsf_jax.errors import InputError
from rsf_jax.media.endings import Ending
from rsf_jax.media.filters import Filters
from rsf_jax.media.pictures import Picture, Shaper
from rsf_jax.media.source import Source
from rsf_jax.media.times import Times

_MOST_ASPECT = 10  # of pixels: more, or less than one in it, is an error of a file


class VideoSource(Source):
    """What FFmpeg decodes.

    Args:
        container: opened; the source closes it.
        label: for messages.
        name: for files.
        live: whether it is a camera or a stream address.
        endless: whether its end is a problem even if it ends in order, as a camera's is.
        shaper: makes the pictures.

    Raises:
        InputError: if there is nothing in it to decode. The container is closed then.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        label: str,
        name: str,
        live: bool,
        endless: bool,
        shaper: Shaper,
    ) -> None:
        self._container, self._endless = container, endless
        try:
            self._stream = video_stream(container, label)
        except InputError:
            container.close()
            raise
        self._lock = threading.Lock()
        self._closed = False
        self._breakdown = ""
        self._times, self._filters = Times(live), Filters()
        rate = self._stream.average_rate or self._stream.guessed_rate
        self._ending = Ending(container, self._stream, float(rate) if rate else None)
        shaper.aspect = pixel_aspect(self._stream)
        super().__init__(label, name, live, float(rate) if rate else None, shaper)

    def _read(self) -> Iterator[Picture]:
        for frame in self._frames():
            if not self.count:
                self.began = frame.time or 0.0
            self._ending.frame(frame)
            each = 1 / self.frames_per_second if self.frames_per_second else 0.0
            seconds = self._times.of(frame.time, each)
            index = self.count + self.skipped
            self.count += 1
            self.damaged += frame.is_corrupt
            yield self._shaper.picture(frame, seconds, index)
        if not self._closed:
            self.problem = self._reason()

    def close(self) -> None:
        """Ends it; a thread that reads a frame meanwhile closes the file once it has it."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._container.close()
            finally:
                self._lock.release()

    def _frames(self) -> Iterator[av.VideoFrame]:
        """All frames as they are looked at."""
        packets = self._container.demux(self._stream) if self.live else self._container.demux()
        while (decoded := self._next(packets)) is not None:
            yield from self._filters.frames(decoded)
            for text in self._filters.notes:
                self.note(f"{self.label}: {text}")
        if not self._closed:
            yield from self._filters.rest()

    def _next(self, packets: Iterator[av.Packet]) -> list[av.VideoFrame] | None:
        """Frames of the next packet: none, one or more; None at the end."""
        with self._lock:
            if self._closed or self._breakdown:
                return None
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                self._breakdown = _words(error)
                packet = av.Packet()  # makes the decoder give up the frames it still holds
                packet.stream = self._stream
            if packet is None:
                return None
            self._ending.packet(packet)
            if packet.stream.index != self._stream.index:
                return []
            try:
                return list(self._stream.decode(packet))
            except FFmpegError:
                self.skipped += 1
                return []

    def _reason(self) -> str:
        """Why it has ended; empty if that was to be expected."""
        after = f"after {self.count} frames"
        if self._breakdown:
            verb = "went away" if self.live else "cannot be read"
            return f"{self.label} {verb} {after}: {self._breakdown}"
        if self._endless:
            return f"{self.label} went away {after}: it sends no more"
        if not self.count:
            return (
                f"{self.label} has no frame that can be decoded: it is damaged, or of a kind that "
                "this build of FFmpeg does not know"
            )
        if self.live or (short := self._ending.shortfall(self.count)) is None:
            return ""
        return f"{self.label} ends after {short}: it is cut short or damaged"


def pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Returns the width of a pixel by its height; 1 where a file says nothing, or nonsense."""
    stated = stream.sample_aspect_ratio or Fraction(1)
    return stated if 1 / _MOST_ASPECT <= stated <= _MOST_ASPECT else Fraction(1)


def video_stream(container: av.container.InputContainer, label: str) -> av.VideoStream:
    """Returns the video of a container, which is no cover.

    Raises:
        InputError: if there is none, or no decoder for it.
    """
    # A cover picture of a sound file is a video stream to FFmpeg.
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        types = {stream.type for stream in container.streams} - {"video"}
        held = ", ".join(sorted(types) + ["a cover"] * bool(container.streams.video)) or "nothing"
        raise InputError(f"{label} has no video in it, but {held}: give a video")
    if streams[0].codec_context is None:
        raise InputError(
            f"{label} is coded in a way that this build of FFmpeg has no decoder for: convert it, "
            "for example to H.264 in an .mp4"
        )
    return streams[0]


def _words(error: FFmpegError) -> str:
    if isinstance(error, ExitError):  # what PyAV makes of a timeout
        return "nothing came within the timeout"
    return error.strerror or type(error).__name__
