"""How cameras are called on each system."""

import sys
from pathlib import Path

import av
from av.device import enumerate_input_devices
from av.error import FFmpegError

from rsf_jax.errors import InputError
from rsf_jax.media.source import UnreachableError

_PREFIX = "camera:"
_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


def is_camera(text: str) -> bool:
    """Whether a text names a camera."""
    return text.startswith(_PREFIX)


def camera_name(text: str) -> str:
    """Returns a name for files: "camera0" for "camera:0", "video2" for "camera:/dev/video2"."""
    device = text.removeprefix(_PREFIX)
    return f"camera{device}" if device.isdecimal() else Path(device).name


def open_camera(text: str, timeout: int | float) -> av.container.InputContainer:
    """Opens a camera.

    Args:
        text: "camera:" and the camera's number, or what the system calls it.
        timeout: seconds to wait for it.

    Raises:
        InputError: if it cannot be opened, an `UnreachableError` if it may be later.
    """
    form = _FORMATS.get(sys.platform, "v4l2")
    # avfoundation's own default is a rate that most cameras do not have.
    options = {"framerate": "30"} if form == "avfoundation" else {}
    device = _device(text.removeprefix(_PREFIX), form)
    try:
        return av.open(device, format=form, options=options, timeout=timeout)
    except FFmpegError as error:
        raise UnreachableError(
            f"{text} cannot be opened: {error.strerror}; {_present(form)}"
        ) from None
    except ValueError:  # PyAV was built without it
        raise InputError(
            f"{text} cannot be opened: this build of PyAV has no {form}; install PyAV from its "
            "wheel, or give a file or a stream address"
        ) from None


def _device(name: str, form: str) -> str:
    if not name:
        raise InputError(f"a camera is 'camera:' and its number, as in camera:0; {_present(form)}")
    if form == "v4l2":
        return f"/dev/video{name}" if name.isdecimal() else name
    if form == "dshow":
        cameras = _names(form)
        known = name.isdecimal() and int(name) < len(cameras)
        return f"video={cameras[int(name)] if known else name}"
    return name


def _names(form: str) -> list[str]:
    if form == "v4l2":
        return sorted(str(path) for path in Path("/dev").glob("video*"))
    try:
        devices = enumerate_input_devices(form)
    except (FFmpegError, ValueError):
        return []
    return [device.name for device in devices if "video" in device.media_types]


def _present(form: str) -> str:
    found = ", ".join(_names(form))
    return f"found are {found}" if found else "no camera was found"
