"""Whether a file has ended where it should have."""

import math
import re

import av

_TOLERANCE = 1.5  # frames by which a file may end before its stated end
_SOUND_TOLERANCE = 0.5  # seconds, where that is stated of all streams together
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


class Ending:
    """Compares what was read with what a file states.

    A file may state when its video ends, or when all of it does; sound and subtitles may be longer
    than the picture. So the packets of all streams are looked at.

    Args:
        container: of the file.
        stream: its video.
        rate: frames per second; None if that is not known.

    Attributes:
        video: when the picture has ended so far, in seconds on the file's clock.
    """

    def __init__(
        self, container: av.container.InputContainer, stream: av.VideoStream, rate: float | None
    ) -> None:
        self._container, self._stream, self._rate = container, stream, rate
        self._each = 1 / rate if rate else 0.0
        self.video = self._all = 0.0
        self._begun = math.nan

    def packet(self, packet: av.Packet) -> None:
        """Takes notice of a packet of any stream."""
        if packet.pts is None or not packet.time_base:
            return
        end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
        self._all = max(self._all, end)

    def frame(self, frame: av.VideoFrame) -> None:
        """Takes notice of a decoded frame."""
        length = float(frame.duration * frame.time_base) if frame.time_base else 0.0
        if math.isnan(self._begun):
            self._begun = frame.time or 0.0
        if frame.time is not None:
            self.video = max(self.video, frame.time + (length or self._each))
        else:
            self.video += self._each

    def shortfall(self, count: int) -> str | None:
        """Returns what is missing: "50 of 200 frames"; None of a file that is whole.

        Args:
            count: frames that were read.
        """
        if not self._rate:
            return None
        of_video = _seconds_of_video(self._container, self._stream)
        if of_video:
            if self.video >= of_video - _TOLERANCE / self._rate:
                return None
        elif self._is_whole():
            return None
        elif len(self._container.streams) > 1:
            return f"{count} frames"
        length = (of_video or self._stated()) - max(0.0, self._begun)
        total = self._stream.frames or round(length * self._rate)
        return f"{count} of {total} frames"

    def _is_whole(self) -> bool:
        """Whether the longest of the streams has reached what is stated of the whole file."""
        many = len(self._container.streams) > 1
        tolerance = _SOUND_TOLERANCE if many else _TOLERANCE * self._each
        return max(self.video, self._all) >= self._stated() - tolerance

    def _stated(self) -> float:
        return (self._container.duration or 0) / av.time_base


def _seconds_of_video(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """When the picture should end; 0 if the file does not say."""
    stated = 0.0
    if stream.duration and stream.time_base:
        stated = float(stream.duration * stream.time_base)
    elif found := _CLOCK.match(stream.metadata.get("DURATION", "")):  # of Matroska
        stated = 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
    # FFmpeg corrects the duration of a cut AVI, but not its number of frames. In an MP4 that number
    # counts also what an edit list cuts away.
    if container.format.name == "avi" and stream.average_rate:
        stated = max(stated, float(stream.frames / stream.average_rate))
    return stated
