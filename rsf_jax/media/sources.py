"""Opens whatever a text names as a source of frames."""

import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
from av.error import ExitError, FFmpegError

from rsf_jax.arguments import check_number
from rsf_jax.errors import InputError
from rsf_jax.media.animations import AnimationSource, is_animated_webp
from rsf_jax.media.cameras import camera_name, is_camera, open_camera
from rsf_jax.media.fitting import SQUEEZE
from rsf_jax.media.folders import FolderSource, is_image
from rsf_jax.media.pictures import Shaper
from rsf_jax.media.source import Source, UnreachableError
from rsf_jax.media.videos import VideoSource
from rsf_jax.models.base import checked_frame_shape
from rsf_jax.paths import expand, split_address

STANDARD_INPUT = "-"
_STDIN = ("the standard input", "stdin", False, False)
# Of an address: what trying again does not help.
_FINAL = (
    av.error.ProtocolNotFoundError,
    av.error.InvalidDataError,
    av.error.HTTPClientError,
)
# What only says where the video is: its own size is not the video's.
_PLAYLISTS = {"hls", "applehttp", "dash", "sdp"}
# Of a frame for a model; what FFmpeg makes of larger ones is an error, or no memory is left.
_LONGEST_SIDE, _MOST_PIXELS = 2**14, 2**26
_LISTED = 5  # names in a message


def open_source(
    text: str | Path,
    frame_shape: tuple[int, int] | None,
    channels: int = 3,
    *,
    images_per_second: int | float = 25.0,
    timeout: int | float = 10.0,
    fit: str = SQUEEZE,
) -> Source:
    """Opens a source of frames.

    A live source has to be read as fast as its frames come, in a thread of its own if need be. What
    has an end, such as a file behind http:// whose server says how long it is, is none: it waits
    until its frames are taken.

    Args:
        text: a video file; an image, or a folder of them; a stream address such as
            "rtsp://host/door"; a camera, "camera:0" or "camera:/dev/video0"; or "-", the standard
            input.
        frame_shape: (H, W) in pixels of the frames for the model; None for those of the first
            frame.
        channels: 3 for color, 1 for gray (Rec. 601 luma).
        images_per_second: at which the images of a folder were taken.
        timeout: seconds without data after which a camera or a stream counts as gone.
        fit: how frames of another shape become those of the model, see `Fit`.

    Raises:
        InputError: if there is nothing there that can be decoded, or an argument is not allowed;
            an `UnreachableError` if trying again later may help.
    """
    shaper = Shaper(_checked_shape(frame_shape), _checked_channels(channels), fit)
    timeout = check_number(
        "timeout", timeout, "it has to be a number of seconds above 0", lambda x: 0 < x < math.inf
    )
    address = str(text)
    if is_camera(address):
        container = open_camera(address, timeout)
        return VideoSource(container, address, camera_name(address), True, True, shaper)
    if address == STANDARD_INPUT:
        return VideoSource(_open_pipe("pipe:0", "the standard input"), *_STDIN, shaper)
    if is_address(address):
        label, name = address_names(address)
        container = _open_address(address, label, timeout)
        return VideoSource(container, label, name, not _has_end(container), False, shaper)
    path = path_of(text)
    source: Source
    if path.is_dir() or is_image(path):
        source = FolderSource(path, images_per_second, shaper)
    elif path.is_file() and is_animated_webp(path):
        source = AnimationSource(path, shaper)
    else:
        source = VideoSource(_open_file(path), path.name, path.stem, False, False, shaper)
    source.path = path
    return source


def is_address(text: str) -> bool:
    """Whether a text is the address of something that is no file here."""
    return "://" in text and not text.startswith("file://")


def path_of(text: str | Path) -> Path:
    """Returns the path of a file or folder, which may be given as file://."""
    address = str(text)
    return expand(unquote(split_address(address).path) if "://" in address else text)


def is_late(text: str | Path) -> bool:
    """Whether to open something may take as long as others wish: cameras, addresses, pipes."""
    address = str(text)
    if is_camera(address) or is_address(address) or address == STANDARD_INPUT:
        return True
    return path_of(text).is_fifo()


def names_of(text: str | Path) -> tuple[str, str]:
    """Returns what messages call a source, and its name for files, without opening it."""
    address = str(text)
    if address == STANDARD_INPUT:
        return _STDIN[:2]
    if is_camera(address):
        return address, camera_name(address)
    if is_address(address):
        return address_names(address)
    path = path_of(text)
    return path.name, path.stem


def _open_pipe(name: str, label: str) -> av.container.InputContainer:
    try:
        return av.open(name)
    except FFmpegError as error:
        raise InputError(f"{label} cannot be read as a video: {error.strerror}") from None


def _open_file(path: Path) -> av.container.InputContainer:
    if not path.exists():
        raise InputError(f"{path} does not exist; {_present(path)}")
    try:
        # With its protocol, or a colon in a name would end one.
        container = av.open(f"file:{path}")
    except FFmpegError as error:
        if _lacks_index(path):
            raise _no_index(path) from None
        raise InputError(
            f"{path} cannot be read as a video: {error.strerror}; it is not a video, or damaged "
            "from its beginning on"
        ) from None
    if not len(container.streams) and _lacks_index(path):
        container.close()
        raise _no_index(path)
    return container


def _open_address(address: str, label: str, timeout: int | float) -> av.container.InputContainer:
    # Over UDP, FFmpeg's first choice, lost packets damage pictures.
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    try:
        return av.open(address, options=options, timeout=timeout)
    except FFmpegError as error:
        late = isinstance(error, ExitError)  # what PyAV makes of a timeout
        words = f"no answer within {timeout:g} seconds" if late else error.strerror
        kind = InputError if isinstance(error, _FINAL) else UnreachableError
        raise kind(
            f"{label} cannot be opened: {words}; check the address, and that it sends"
        ) from None


def _has_end(container: av.container.InputContainer) -> bool:
    """Whether it is a file, which can wait; what has no end is live."""
    if container.duration is not None:
        return True
    # A server that takes no ranges says how many bytes there are, if it knows.
    return container.size > 0 and _PLAYLISTS.isdisjoint(container.format.name.split(","))


def address_names(address: str) -> tuple[str, str]:
    """An address for messages, without passwords, and a name for files."""
    parts = split_address(address)
    host = parts.netloc.rpartition("@")[2]
    name = Path(parts.path).stem or host.partition(":")[0] or parts.scheme
    return f"{parts.scheme}://{host}{parts.path}", name


def _lacks_index(path: Path) -> bool:
    """Whether it is an MP4 or MOV file whose recording was broken off: the index comes last."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return False
        at, end = 0, file.seek(0, os.SEEK_END)
        while 0 <= at < end:
            file.seek(at)
            head = file.read(16)
            if head[4:8] == b"moov":
                return False
            size = int.from_bytes(head[:4])
            size = int.from_bytes(head[8:]) if size == 1 else size
            at = at + size if size >= 8 else end
    return True


def _no_index(path: Path) -> InputError:
    return InputError(
        f"{path} is cut short: its index (moov) is missing, without which no frame can be found; "
        "copy or record it again"
    )


def _present(path: Path) -> str:
    """What there is, for a path that does not exist."""
    parent = next(parent for parent in (*path.parents, Path()) if parent.is_dir())
    names = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    more = ", ..." if len(names) > _LISTED else ""
    return f"{parent.resolve()} holds {', '.join(names[:_LISTED]) or 'nothing'}{more}"


def _checked_shape(shape: Any) -> tuple[int, int] | None:
    if shape is None:
        return None
    height, width = checked_frame_shape(shape)
    if max(height, width) > _LONGEST_SIDE or height * width > _MOST_PIXELS:
        raise InputError(
            f"frame_shape is {shape!r}: up to {_LONGEST_SIDE} pixels a side and {_MOST_PIXELS} in "
            "all can be made"
        )
    return height, width


def _checked_channels(channels: Any) -> int:
    if isinstance(channels, bool) or channels not in (1, 3):
        raise InputError(f"channels is {channels!r}: choose 3 for color or 1 for gray")
    return int(channels)
