"""What stands in front of every request: who asks, from which page, how much, how often."""

import asyncio
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsf_jax.serving.limits import Limits, Rate
from rsf_jax.serving.problems import Problem

PROTOCOL = "rsf.v1"  # of WebSockets
_BEARER = "bearer."  # a second subprotocol, as browsers can give no header
_DENIAL = "websocket.http.response"  # servers that answer a WebSocket as a request have it
_OPEN = ("/health",)
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_MOST_ADDRESSES = 10_000
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def is_local(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_token(text: str) -> bool:
    """Whether a text can be sent as a token."""
    return text.isascii() and text.isprintable() and " " not in text


class Guard:
    """An ASGI application in front of another one.

    Args:
        app: what is guarded.
        limits: of sizes, rates and times.
        token: what a request has to bring; empty for none.
        hosts: names that the server is asked by; None for any. Without a token those of this
            machine alone, or a page of anybody's could make its name lead here.
        pages: paths that need no token: what they show, asks with it.
        big: paths whose bodies may be as large as a clip.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        token: str = "",
        hosts: Collection[str] | None = None,
        pages: Collection[str] = (),
        big: Collection[str] = (),
    ) -> None:
        self._app, self._limits, self._token = app, limits, token
        self._hosts = hosts if hosts is not None or token else _LOCAL
        self._pages, self._big = {*_OPEN, *pages}, big
        self._rates: OrderedDict[str, Rate] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, or refuses it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            await _refuse(problem, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._limits, scope["path"] in self._big)
        await self._app(scope, body.receive, _with_headers(send))

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = _host(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            raise Problem("forbidden", f"this server is not called {host[:100]!r}")
        origin = headers.get("origin")
        if origin is not None and not _is_from(origin, headers.get("host", "")):
            raise Problem("forbidden", "a page of another origin may not ask here")
        client = scope.get("client")
        if not self._rate(client[0] if client else "").allows():
            raise Problem("too_many", "too many requests: wait a second")
        if self._token and scope["path"] not in self._pages:
            given = _given_token(headers)
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                raise Problem("unauthorized", "a token is needed: Authorization: Bearer TOKEN")

    def _rate(self, address: str) -> Rate:
        rate = self._rates.pop(address, None) or Rate(self._limits.requests_per_second)
        self._rates[address] = rate
        while len(self._rates) > _MOST_ADDRESSES:
            self._rates.popitem(last=False)
        return rate


class _Body:
    """Counts the bytes of a request, and the seconds that they take to come."""

    def __init__(self, receive: Receive, limits: Limits, big: bool) -> None:
        self._receive, self._seconds = receive, limits.seconds
        self._left = limits.clip_bytes if big else limits.message_bytes
        self._most, self._read_all = self._left, False

    async def receive(self) -> Message:
        if self._read_all:
            return await self._receive()  # that the client has gone
        try:
            message = await asyncio.wait_for(self._receive(), self._seconds)
        except TimeoutError:
            raise Problem("timeout", "the request does not come to its end") from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise Problem("too_large", f"the request has more than {self._most} bytes")
        self._read_all = not message.get("more_body", False)
        return message


def _host(text: str) -> str:
    """The name of a Host header, without its port."""
    try:
        return (urlsplit(f"//{text}").hostname or "").lower()
    except ValueError:
        return ""


def _is_from(origin: str, host: str) -> bool:
    """Whether an Origin header says that the page has come from the host that is asked."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:  # a bracket that is not closed
        return False


def _given_token(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    protocols = headers.get("sec-websocket-protocol", "").split(",")
    names = (name.strip() for name in protocols)
    return next((n.removeprefix(_BEARER) for n in names if n.startswith(_BEARER)), "")


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return sending


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and _DENIAL not in (scope.get("extensions") or {}):
        # Before it is accepted: the answer is status 403.
        await send({"type": "websocket.close", "code": problem.closing, "reason": problem.reason})
        return
    extra: dict[str, Any] = {}
    if problem.code == "too_many":
        extra = {"headers": {"retry-after": "1"}}
    elif problem.code == "unauthorized":
        extra = {"headers": {"www-authenticate": "Bearer"}}
    response = JSONResponse(problem.told(), problem.status, **extra)
    await response(scope, receive, _with_headers(send))
