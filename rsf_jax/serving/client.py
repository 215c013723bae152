"""Calls a server from Python."""

import contextlib
import dataclasses
import io
import json
import math
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from types import TracebackType
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from rsf_jax.arguments import check_number, check_text
from rsf_jax.errors import InputError
from rsf_jax.paths import split_address
from rsf_jax.serving.guard import PROTOCOL, is_token
from rsf_jax.serving.protocol import png, unpack
from rsf_jax.shown import in_a_line, short

_MOST_BYTES = 2**26
_BYTES = (bytes, bytearray, memoryview)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of a frame.

    Attributes:
        index: number of the frame in its stream.
        status: as in `FrameResult`.
        steps: recurrent steps.
        seconds: from the frame's arrival at the server to its result.
        mask: uint8 [H, W], class indices; None if there is none, or none was asked for.
        probabilities: uint8 [H, W, K], in 255ths; None unless asked for.
        about: all that the server says.
    """

    __repr__ = in_a_line

    index: int
    status: str
    steps: int
    seconds: float
    mask: np.ndarray | None
    probabilities: np.ndarray | None
    about: dict[str, Any]


class Client:
    """A server, as this process sees it.

        client = Client("http://127.0.0.1:8000")
        with client.stream(masks="raw") as stream:
            for frame in frames:
                answer = stream.ask(frame)

    Args:
        address: "http://HOST:PORT", or https.
        token: if the server wants one.
        timeout: seconds for an answer.

    Raises:
        InputError: if one of these is none. All methods raise it, too: if an argument is none, if
            the server refuses, does not answer, or is another one than this library's.
    """

    def __init__(self, address: str, token: str = "", timeout: int | float = 60.0) -> None:
        check_text("address", address)
        parts = split_address(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InputError(f"address is {address!r}: http://HOST:PORT is needed")
        check_number("timeout", timeout, "seconds above 0 are needed", lambda x: 0 < x < math.inf)
        check_text("token", token)
        if not is_token(token):  # which no message shows
            raise InputError(
                "token has spaces, line breaks or letters that are no ASCII: give it alone"
            )
        self._base, self._timeout = f"{parts.scheme}://{parts.netloc}", float(timeout)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def model(self) -> dict[str, Any]:
        """Returns what the server says of its model."""
        return self._json("GET", "/v1/models", "models")["models"][0]

    def streams(self) -> list[dict[str, Any]]:
        """Returns what the server says of all streams."""
        return self._json("GET", "/v1/streams", "streams")["streams"]

    def statistics(self) -> dict[str, Any]:
        """Returns what the server has done so far."""
        return self._json("GET", "/v1/statistics", "waiting")

    def change_policy(self, policy: str) -> str:
        """Lets all streams go on under another policy; returns its name."""
        return self._json("PUT", "/v1/policy", "policy", {"policy": policy})["policy"]

    def predict(self, image: np.ndarray | bytes) -> Answer:
        """Returns what the model makes of an image, from a fresh state.

        Args:
            image: uint8 [h, w], [h, w, 1] or [h, w, 3] of any size; or a JPEG, PNG or WebP.
        """
        path = "/v1/predict?masks=raw&probabilities=1"
        return _answer(self._call("POST", path, _encoded(image, "image"), "image/png"))

    def predict_clip(self, clip: bytes) -> list[Answer]:
        """Returns what the model makes of an MP4, MOV, WebM or Matroska file, frame by frame.

        Args:
            clip: all bytes of the file.
        """
        if not isinstance(clip, _BYTES):
            raise InputError(
                f"clip is {short(clip)}: the bytes of a file are needed, as Path.read_bytes gives "
                "them"
            )
        content = self._call("POST", "/v1/predict?masks=raw", bytes(clip), "video/mp4")
        answers, place = [], 0
        while place < len(content):
            size = int.from_bytes(content[place : place + 4], "little")
            answers.append(_answer(content[place + 4 : place + 4 + size]))
            place += 4 + size
        return answers

    def stream(self, name: str = "", **options: Any) -> "ClientStream":
        """Opens a stream, and connects to it.

        Args:
            name: a random one unless given.
            options: as `rsf_jax.serving.session.Options`.
        """
        check_text("name", name)
        if name:
            return self._connected(self.open(name, **options))
        return self._connected(self._json("POST", "/v1/streams", "stream", options))

    def attach(self, name: str, **options: Any) -> "ClientStream":
        """Connects to a stream that is open: after a break, or after the server's.

        Args:
            name: of the stream.
            options: of them those that say what is sent: frames, masks, probabilities.
        """
        stream = self._connected(self.about(name))
        if options:
            stream.tell("options", **options)
        return stream

    def open(self, name: str, **options: Any) -> dict[str, Any]:
        """Opens a stream without a connection to it, and returns what the server says of it.

        Args:
            name: in the path, by which a proxy finds the process.
            options: as `rsf_jax.serving.session.Options`.
        """
        return self._json("PUT", _path(name), "stream", options)

    def about(self, name: str) -> dict[str, Any]:
        """Returns what the server says of a stream: `frames` has been taken, send on from there.

        Raises:
            InputError: if there is none of this name.
        """
        return self._json("GET", _path(name), "stream")

    def _connected(self, about: Mapping[str, Any]) -> "ClientStream":
        """Connects to a stream of which the server has told."""
        name = about["stream"]
        address = f"{self._base.replace('http', 'ws', 1)}{_path(name)}/frames"
        socket: Any = self._patiently(
            lambda: connect(
                address,
                additional_headers=self._headers,
                subprotocols=[Subprotocol(PROTOCOL)],
                max_size=_MOST_BYTES,
                open_timeout=self._timeout,
                compression=None,
            )
        )
        return ClientStream(name, socket, self._timeout, about["options"]["frames"])

    def _patiently(self, act: Any) -> Any:
        """Does it again, later, as long as the server says that requests come too fast."""
        until = time.monotonic() + self._timeout
        while True:
            try:
                return act()
            except urllib.error.HTTPError as error:
                wait, reason = error.headers.get("Retry-After"), _reason(error.read(), str(error))
            except InvalidStatus as error:
                answer = error.response
                wait = answer.headers.get("Retry-After")
                reason = _reason(bytes(answer.body), str(error))
            except (OSError, HTTPException, InvalidHandshake) as error:
                raise InputError(f"{self._base} does not answer: {error}") from None
            # A proxy may say a date, which nobody waits for.
            if wait is None or not wait.isdecimal() or time.monotonic() + int(wait) > until:
                raise InputError(reason)
            time.sleep(int(wait))

    def _json(self, method: str, path: str, wanted: str, body: Any = None) -> Any:
        """The object that the server answers, which has a key."""
        content = None if body is None else _written(body).encode()
        answer = self._call(method, path, content, "application/json")
        try:
            told = json.loads(answer)
        except ValueError:
            told = None
        if not isinstance(told, dict) or wanted not in told:
            raise InputError(f"{self._base} is no server of this library: {path} answers otherwise")
        return told

    def _call(self, method: str, path: str, content: bytes | None, kind: str) -> bytes:
        headers = self._headers | ({} if content is None else {"Content-Type": kind})
        asked = urllib.request.Request(self._base + path, content, headers, method=method)
        context = ssl.create_default_context() if self._base.startswith("https") else None

        def ask() -> bytes:
            with urllib.request.urlopen(asked, timeout=self._timeout, context=context) as answer:
                return answer.read()

        return self._patiently(ask)


class ClientStream:
    """A stream of a server, and a connection to it.

    Attributes:
        name: by which `Client.attach` finds it again.
    """

    def __init__(self, name: str, socket: Any, timeout: int | float, frames: str) -> None:
        self.name, self._timeout, self._frames = name, timeout, frames
        # Later versions connect where the context begins.
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(socket)

    def send(self, frame: np.ndarray | bytes) -> None:
        """Sends a frame; waits if the server reads no more for now.

        Args:
            frame: an array, or the bytes of one as the stream's `frames` says: a JPEG, PNG or WebP
                for "image", all of it for "raw" and "float32". An array is sent as a PNG for
                "image", uint8 [h, w], [h, w, 1] or [h, w, 3] of any size; as it is for "raw",
                uint8, and "float32", floats in 0..1, of the size of the model's frames.

        Raises:
            InputError: if it is none of these, or the stream has ended.
        """
        content = _encoded(frame, self._frames)
        self._trying(lambda: self._socket.send(content))

    def receive(self) -> Answer:
        """Returns the next result.

        Raises:
            InputError: if the server refuses a frame, ends the stream, or takes too long.
        """
        content = self._trying(lambda: self._socket.recv(self._timeout))
        if isinstance(content, str):
            raise InputError(_reason(content.encode(), content))
        return _answer(content)

    def ask(self, frame: np.ndarray | bytes) -> Answer:
        """Sends a frame and returns the next result, which is its own if none were sent before."""
        self.send(frame)
        return self.receive()

    def reset(self) -> None:
        """Makes the next frame the first of a video."""
        self.tell("reset")

    def tell(self, kind: str, **more: Any) -> None:
        """Sends a message of text: "reset", "close", or "options" with some."""
        content = _written({"type": kind, **more})
        self._trying(lambda: self._socket.send(content))
        self._frames = more.get("frames", self._frames)

    def leave(self) -> None:
        """Ends the connection; the stream stays for a while."""
        self._open.close()

    def _trying(self, act: Any) -> Any:
        try:
            return act()
        except TimeoutError:
            raise InputError(f"no result within {self._timeout:g} seconds") from None
        except ConnectionClosed as error:
            told = error.rcvd.reason if error.rcvd else "the connection broke"
            raise InputError(f"stream {self.name!r}: {told or 'it was closed'}") from None

    def __enter__(self) -> "ClientStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the stream."""
        try:
            self.tell("close")
        except InputError:
            return  # the server has
        finally:
            self._open.close()


def _path(name: Any) -> str:
    """Where a stream is."""
    check_text("name", name)
    if not name:
        raise InputError("name is '': that of a stream is needed")
    return f"/v1/streams/{quote(name, safe='')}"


def _written(value: Any) -> str:
    """A value as JSON; numbers of NumPy as those of Python."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise InputError(f"{short(value)} cannot be sent: texts, numbers, booleans and None can")


def _encoded(frame: np.ndarray | bytes, kind: str) -> bytes:
    """A frame as it is sent to a stream whose `frames` are of a kind."""
    if isinstance(frame, _BYTES):
        return bytes(frame)
    array = np.asarray(frame)
    wanted = np.floating if kind == "float32" else np.uint8
    # Other arrays may have any channels that the model has: the server knows.
    is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3))
    fits = (is_picture or kind != "image") and array.size > 0
    if not (np.issubdtype(array.dtype, wanted) and fits):
        name = "floats" if kind == "float32" else "uint8"
        shapes = " [h, w], [h, w, 1] or [h, w, 3]" if kind == "image" else ""
        raise InputError(
            f"the frame is {array.dtype} {list(array.shape)}: for frames={kind!r} {name}{shapes}, "
            "or bytes, are needed"
        )
    if kind == "float32":
        return array.astype("<f4").tobytes()
    return png(array) if kind == "image" else array.tobytes()


def _answer(content: bytes) -> Answer:
    about, parts = unpack(content)
    mask, probabilities = parts.get("mask"), parts.get("probabilities")
    if isinstance(mask, bytes):
        mask = np.asarray(Image.open(io.BytesIO(mask)))
    return Answer(
        index=about["index"],
        status=about["status"],
        steps=about["steps"],
        seconds=about["seconds"],
        mask=mask,
        probabilities=None if isinstance(probabilities, bytes) else probabilities,
        about=about,
    )


def _reason(content: bytes, otherwise: str) -> str:
    """What the server says is wrong."""
    try:
        error = json.loads(content)["error"]
        return f"{error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        return otherwise
