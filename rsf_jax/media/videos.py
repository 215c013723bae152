"""Video files, stream addresses and cameras as sources of frames."""

import threading
from collections.abc import Iterator

import av
from av.error import ExitError, FFmpegError

from rsf_jax.errors import InputError
from rsf_jax.media.pictures import Picture, Shaper
from rsf_jax.media.source import Source
from rsf_jax.media.times import Times

_TOLERANCE = 1.5  # frames by which a file may end before its stated end
# With sound the stated end is that of the longer, and the two seldom end together.
_SOUND_TOLERANCE = 1.0  # seconds


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
            self._stream = _video_stream(container, label)
        except InputError:
            container.close()
            raise
        self._lock = threading.Lock()
        self._closed = False
        self._breakdown = ""
        self._times = Times(live)
        self._end = 0.0  # seconds on the file's clock
        rate = self._stream.average_rate or self._stream.guessed_rate
        super().__init__(label, name, live, float(rate) if rate else None, shaper)

    def _read(self) -> Iterator[Picture]:
        packets = self._container.demux(self._stream)
        while (decoded := self._next(packets)) is not None:
            for frame in decoded:
                seconds = self._time(frame)
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
            try:
                return list(self._stream.decode(packet))
            except FFmpegError:
                self.skipped += 1
                return []

    def _time(self, frame: av.VideoFrame) -> float:
        """Seconds of a frame after the first one."""
        each = 1 / self.frames_per_second if self.frames_per_second else 0.0
        length = float(frame.duration * frame.time_base) if frame.time_base else 0.0
        if frame.time is not None:
            self._end = max(self._end, frame.time + (length or each))
        else:
            self._end += each
        return self._times.of(frame.time, each)

    def _reason(self) -> str:
        """Why it has ended; empty if that was to be expected."""
        after = f"after {self.count} frames"
        if self._breakdown:
            verb = "went away" if self.live else "cannot be read"
            return f"{self.label} {verb} {after}: {self._breakdown}"
        if self._endless:
            return f"{self.label} went away {after}: it sends no more"
        if self.live or not self.frames_per_second:
            return ""
        stated = _stated_seconds(self._container, self._stream)
        if self._end >= stated - self._tolerance(self.frames_per_second):
            return ""
        total = self._stream.frames or round(stated * self.frames_per_second)
        return f"{self.label} ends after {self.count} of {total} frames: it is cut short or damaged"

    def _tolerance(self, rate: float) -> float:
        """Seconds by which a file may end before its stated end."""
        with_sound = len(self._container.streams) > 1 and not self._stream.duration
        return _TOLERANCE / rate + (_SOUND_TOLERANCE if with_sound else 0)


def _video_stream(container: av.container.InputContainer, label: str) -> av.VideoStream:
    # A cover picture of a sound file is a video stream to FFmpeg.
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        held = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise InputError(f"{label} has no video in it, but {held}: give a video")
    if streams[0].codec_context is None:
        raise InputError(
            f"{label} is coded in a way that this build of FFmpeg has no decoder for: convert it, "
            "for example to H.264 in an .mp4"
        )
    return streams[0]


def _stated_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """When a file should end; 0 if it does not say."""
    stated = 0.0
    if stream.duration and stream.time_base:
        stated = float(stream.duration * stream.time_base)
    elif container.duration:
        stated = container.duration / av.time_base
    # FFmpeg corrects the duration of a cut AVI, but not its number of frames. In an MP4 that number
    # counts also what an edit list cuts away.
    if container.format.name == "avi" and stream.average_rate:
        stated = max(stated, float(stream.frames / stream.average_rate))
    return stated


def _words(error: FFmpegError) -> str:
    if isinstance(error, ExitError):  # what PyAV makes of a timeout
        return "nothing came within the timeout"
    return error.strerror or type(error).__name__
