"""Video files as frames, each with a path of its own: `walk.mp4/12` is the frame 12, from 0 on."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterator

import av
import numpy as np

ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ogv")
_OPEN = 4  # videos that are read at once


def is_video(path: pathlib.Path) -> bool:
    """Whether a file is one by its name."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def is_frame(path: pathlib.Path) -> bool:
    """Whether a path is of a frame of a video."""
    return is_video(path.parent)


def exists(path: pathlib.Path) -> bool:
    """Whether there is such a file, or a frame of a video."""
    return path.is_file() or is_frame(path)


def file_of(path: pathlib.Path) -> pathlib.Path:
    """The file that holds a frame."""
    return path.parent if is_frame(path) else path


def count_frames(path: pathlib.Path) -> int:
    """The number of frames in a video, without decoding them.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        with av.open(str(path)) as container:
            stream = _stream(container)
            return stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
    except av.error.FFmpegError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from None


def read_frame(path: pathlib.Path) -> np.ndarray:
    """Reads a frame as uint8 [H, W, 3]; quick for one that follows the last of its video.

    Raises:
        ValueError: if it cannot be decoded.
    """
    video = path.parent
    return _player(video, video.stat().st_mtime_ns).frame(int(path.name))


class _Player:
    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._frames, self._next = _decoded(path), 0

    def frame(self, number: int) -> np.ndarray:
        if number < self._next:
            self._frames, self._next = _decoded(self._path), 0
        for frame in self._frames:
            self._next += 1
            if self._next > number:
                turns = round(frame.rotation / 90) % 4
                return np.rot90(frame.to_ndarray(format="rgb24"), turns)
        raise ValueError(f"is not there: the video has {self._next} frames")


@functools.lru_cache(_OPEN)
def _player(path: pathlib.Path, _changed: int) -> _Player:
    return _Player(path)


def _decoded(path: pathlib.Path) -> Iterator[av.VideoFrame]:
    try:
        with av.open(str(path)) as container:
            yield from container.decode(_stream(container))
    except av.error.FFmpegError as error:
        raise ValueError(f"cannot be decoded ({error.strerror or error})") from None


def _stream(container: av.container.InputContainer) -> av.VideoStream:
    if not container.streams.video:
        raise ValueError("has no pictures: no video stream is in it")
    return container.streams.video[0]
