"""Messages that no server should suffer from: damaged, huge, absurd, or never finished."""

import dataclasses
import json
import random
import socket
import struct
import zlib
from urllib.parse import urlsplit

_STREAM = "hostile"
_SECONDS = 20.0  # for an answer
_MEGABYTES_9 = 9 * 10**6  # more than a message may have
_OPEN_FRAME, _TEXT_FRAME = 0x82, 0x81


@dataclasses.dataclass(frozen=True)
class Answered:
    """What became of a message.

    Attributes:
        kind: of the message.
        status: of HTTP; 0 for a WebSocket's or none.
        refused: whether the server has said no, or ended the connection.
    """

    kind: str
    status: int
    refused: bool


def all_kinds() -> tuple[str, ...]:
    """Returns the kinds of messages."""
    return (*_REQUESTS, *_SOCKET_MESSAGES, *_RAW)


def send(address: str, number: int) -> Answered:
    """Sends a message over a connection of its own; the number says which.

    A stream called "hostile" has to be open.
    """
    kind = all_kinds()[number % len(all_kinds())]
    port = urlsplit(address).port or 80
    draw = random.Random(number)
    with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
        if kind in _REQUESTS:
            return _answer(kind, connection, _REQUESTS[kind](draw))
        if kind in _SOCKET_MESSAGES:
            return _over_socket(kind, connection, _SOCKET_MESSAGES[kind](draw))
        connection.sendall(_RAW[kind](draw))
        return Answered(kind, 0, True)  # and the client goes


def _answer(kind: str, connection: socket.socket, content: bytes) -> Answered:
    """Sends a request, and reads the status."""
    _send_all(connection, content)
    found = _read(connection, 12)
    status = int(found[9:12]) if found[:5] == b"HTTP/" else 0
    return Answered(kind, status, not found or 400 <= status < 500)


def _over_socket(kind: str, connection: socket.socket, content: bytes) -> Answered:
    """Sends messages of a WebSocket to the stream; it is refused by a text or a close."""
    connection.sendall(_request("GET", f"/v1/streams/{_STREAM}/frames", _UPGRADE))
    head = b""
    while b"\r\n\r\n" not in head and (more := _read(connection, 1)):
        head += more
    if b" 101 " not in head:
        return Answered(kind, int(head[9:12] or 0), True)
    _send_all(connection, content)
    first = _read(connection, 1)
    # 0x81: a text, which only says what is wrong; 0x88: it is closed; nothing: it broke.
    return Answered(kind, 0, not first or first[0] in (0x81, 0x88))


def _send_all(connection: socket.socket, content: bytes) -> None:
    try:
        connection.sendall(content)
    except OSError:
        return  # the server reads no more: what it has said can be read


def _read(connection: socket.socket, count: int) -> bytes:
    try:
        return connection.recv(count, socket.MSG_WAITALL)
    except ConnectionError:
        return b""


def _request(method: str, path: str, headers: str = "", body: bytes = b"") -> bytes:
    size = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{size}{headers}\r\n".encode() + body


_UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def _json(method: str, path: str, value: object) -> bytes:
    return _request(method, path, "Content-Type: application/json\r\n", json.dumps(value).encode())


def _predict(kind: str, content: bytes) -> bytes:
    return _request("POST", "/v1/predict", f"Content-Type: {kind}\r\n", content)


def _framed(content: bytes, first: int = _OPEN_FRAME) -> bytes:
    """A message of a WebSocket from a client, masked by zeros."""
    size = len(content)
    if size < 126:
        head = struct.pack(">BB", first, 0x80 | size)
    elif size < 2**16:
        head = struct.pack(">BBH", first, 0x80 | 126, size)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, size)
    return head + bytes(4) + content


def _bomb() -> bytes:
    """A PNG that says it has 3.6 billion pixels, and is small."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


_DEEP = "[" * 50_000
_REQUESTS = {
    "path that is none": lambda draw: _request("GET", f"/{draw.randrange(10**9)}"),
    "path out of the server": lambda _: _request("GET", "/../../../etc/passwd"),
    "another method": lambda _: _request("DELETE", "/v1/models"),
    "another host": lambda _: b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "another origin": lambda _: _request("GET", "/v1/models", "Origin: http://evil.example\r\n"),
    "origin that is none": lambda _: _request("GET", "/v1/models", "Origin: http://[\r\n"),
    "host that is none": lambda _: b"GET /v1/models HTTP/1.1\r\nHost: [\r\n\r\n",
    "no request": lambda draw: draw.randbytes(200) + b"\r\n\r\n",
    "damaged JSON": lambda _: _request("POST", "/v1/streams", "", b'{"name": '),
    "deep JSON": lambda _: _request("POST", "/v1/streams", "", _DEEP.encode()),
    "a list": lambda _: _json("POST", "/v1/streams", [1, 2]),
    "unknown option": lambda _: _json("POST", "/v1/streams", {"frame": "raw"}),
    "option of another type": lambda _: _json("POST", "/v1/streams", {"budget_ms": "x"}),
    "name that is none": lambda _: _json("POST", "/v1/streams", {"name": "../../a"}),
    "name in use": lambda _: _json("POST", "/v1/streams", {"name": _STREAM}),
    "policy that is none": lambda _: _json("PUT", "/v1/policy", {"policy": "s3f"}),
    "policy without end": lambda _: _json("PUT", "/v1/policy", {"policy": "s100000f100000"}),
    "policy around hundreds": lambda _: _json(
        "PUT", "/v1/policy", {"policy": "refresh:9+" * 300 + "s1f1"}
    ),
    "stream that is none": lambda _: _request("GET", "/v1/streams/none"),
    "no image": lambda draw: _predict("image/png", draw.randbytes(1000)),
    "cut image": lambda _: _predict("image/png", _bomb()[:40]),
    "image of billions of pixels": lambda _: _predict("image/png", _bomb()),
    "playlist": lambda _: _predict("video/mp4", b"#EXTM3U\nfile:///etc/passwd\n"),
    "no clip": lambda draw: _predict("video/mp4", b"\0\0\0\x18ftypmp42" + draw.randbytes(500)),
}
_SOCKET_MESSAGES = {
    "empty frame": lambda _: _framed(b""),
    "frame of another size": lambda draw: _framed(draw.randbytes(draw.randrange(1, 999))),
    "frame that is too large": lambda _: _framed(bytes(_MEGABYTES_9)),
    "text that is no JSON": lambda _: _framed(b"hello", _TEXT_FRAME),
    "text that is deep": lambda _: _framed(_DEEP.encode(), _TEXT_FRAME),
    "text of another type": lambda _: _framed(b'{"type": "shutdown"}', _TEXT_FRAME),
    "option that is fixed": lambda _: _framed(b'{"type": "options", "priority": 100}', _TEXT_FRAME),
    "text that is no UTF-8": lambda _: _framed(b"\xff\xfe\xfd", _TEXT_FRAME),
    "frame without a mask": lambda _: b"\x82\x03abc",
    "opcode that is none": lambda _: _framed(b"abc", 0x8F),
    "frame of 8 exabytes": lambda _: b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4),
}
_RAW = {
    "half a request": lambda _: b"GET / HTTP/1.1\r\nHost: local",
    "half a body": lambda _: _request("POST", "/v1/predict", "Content-Length: 5000000\r\n") + b"x",
    "a TLS greeting": lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "nothing": lambda _: b"",
    "half a WebSocket": lambda _: _request("GET", f"/v1/streams/{_STREAM}/frames", _UPGRADE),
}
