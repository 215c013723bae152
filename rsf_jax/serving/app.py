"""The routes of a server."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from rsf_jax.errors import InputError
from rsf_jax.serving import metrics, openapi, protocol
from rsf_jax.serving.feeds import Feed
from rsf_jax.serving.guard import PROTOCOL, Guard
from rsf_jax.serving.problems import Problem, as_problem
from rsf_jax.serving.service import Service, named
from rsf_jax.serving.session import Session
from rsf_jax.serving.socket import FrameSocket
from rsf_jax.serving.watching import Hub, Watcher

_PAGE = Path(__file__).parent / "page"
# By the path that asks for it: a client names no file.
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/example": ("example.html", "text/html; charset=utf-8"),
    "/example.js": ("example.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_CLIPS = ("video/mp4", "video/webm", "video/quicktime", "video/x-matroska")
_PREDICT = "/v1/predict"

Answer = Callable[[Request], Awaitable[Response]]


def make_app(
    service: Service,
    *,
    token: str = "",
    hosts: Collection[str] | None = None,
    control: bool = True,
    feeds: Sequence[Feed] = (),
) -> ASGIApp:
    """Returns the ASGI application of a service, which it starts and stops.

    Args:
        service: that was not started.
        token: that clients have to bring; empty for none.
        hosts: names that the server is asked by; None for any with a token, and for those of this
            machine alone without.
        control: whether clients may change the policy, and what the server feeds.
        feeds: sources of the server's own, each a stream.

    Raises:
        InputError: if there are more of them than may be open beside the streams of a snapshot.
    """
    service.check_places(len(feeds))
    api = _Api(service, control, feeds)
    app = Starlette(
        routes=api.routes(),
        exception_handlers={
            InputError: _told,
            HTTPException: _told_http,
            ClientDisconnect: _gone,
            WebSocketDisconnect: _parted,
        },
        lifespan=api.lifespan,
    )
    return Guard(app, service.limits, token, hosts, pages=_FILES, big=(_PREDICT,))


class _Api:
    """What is answered on each path."""

    def __init__(self, service: Service, control: bool, feeds: Sequence[Feed]) -> None:
        self._service, self._control, self._feeds = service, control, feeds
        self._hub = Hub()

    def routes(self) -> list[Route | WebSocketRoute]:
        """Returns all routes; `openapi` describes them."""
        return [
            *(Route(path, self.file) for path in _FILES),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            Route("/v1/models", self.models),
            Route("/v1/statistics", self.statistics),
            Route("/v1/policy", self.policy, methods=["PUT"]),
            Route("/v1/streams", self.streams, methods=["GET"]),
            Route("/v1/streams", self.open, methods=["POST"]),
            Route("/v1/streams/{name}", self.stream, methods=["GET"]),
            Route("/v1/streams/{name}", self.open_named, methods=["PUT"]),
            Route("/v1/streams/{name}", self.close, methods=["DELETE"]),
            Route("/v1/streams/{name}/reset", self.reset, methods=["POST"]),
            Route("/v1/streams/{name}/pause", self.pause, methods=["POST"]),
            Route("/v1/streams/{name}/resume", self.pause, methods=["POST"]),
            Route(_PREDICT, self.predict, methods=["POST"]),
            WebSocketRoute("/v1/streams/{name}/frames", self.frames),
            WebSocketRoute("/v1/watch", self.watch),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Starts and stops service and feeds."""
        await self._service.start()
        for feed in self._feeds:
            self._hub.follow(feed.begin(self._service))
        try:
            yield
        finally:
            for feed in self._feeds:
                feed.end()
            await self._service.stop()

    async def file(self, request: Request) -> Response:
        """A file of the page."""
        name, kind = _FILES[request.url.path]
        return Response((_PAGE / name).read_bytes(), media_type=kind)

    async def health(self, request: Request) -> Response:
        """Whether it computes."""
        alive = self._service.runner.alive and not self._service.closing
        told = {"status": "ok" if alive else "ending", "streams": len(self._service.sessions)}
        return JSONResponse(told, 200 if alive else 503)

    async def metrics(self, request: Request) -> Response:
        """The work so far, for Prometheus."""
        return Response(metrics.exposition(self._service), media_type=metrics.CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        """What there is."""
        return JSONResponse(openapi.document(self._service.limits))

    async def models(self, request: Request) -> Response:
        """The model."""
        return JSONResponse({"models": [self._service.model()], "control": self._control})

    async def statistics(self, request: Request) -> Response:
        """The work so far."""
        return JSONResponse(self._service.statistics())

    async def policy(self, request: Request) -> Response:
        """Another policy."""
        self._check_control()
        told = await _json(request)
        if told.keys() != {"policy"} or not isinstance(told["policy"], str):
            raise Problem("bad_request", 'an object {"policy": "..."} is needed')
        return JSONResponse({"policy": await self._service.change_policy(told["policy"])})

    async def streams(self, request: Request) -> Response:
        """All streams."""
        told = [session.about() for session in self._service.sessions.values()]
        return JSONResponse({"streams": told})

    async def open(self, request: Request) -> Response:
        """A stream of a client's."""
        name, options = named(await _json(request))
        return JSONResponse(self._service.open(name, options).about(), 201)

    async def open_named(self, request: Request) -> Response:
        """A stream of a name that the path has, by which a proxy can find its process."""
        name, options = named(await _json(request) | {"name": request.path_params["name"]})
        return JSONResponse(self._service.open(name, options).about(), 201)

    async def stream(self, request: Request) -> Response:
        """One stream."""
        return JSONResponse((await self._session(request)).about())

    async def close(self, request: Request) -> Response:
        """Ends a stream."""
        session = await self._session(request)
        self._check_owner(session)
        self._service.close(session.name)
        return Response(status_code=204)

    async def reset(self, request: Request) -> Response:
        """A fresh state."""
        session = await self._session(request)
        if session.own:
            self._check_control()
        self._service.reset(session.name)
        return JSONResponse(session.about())

    async def pause(self, request: Request) -> Response:
        """Stops and goes on with what the server feeds."""
        self._check_control()
        session = await self._session(request)
        if not session.own:
            raise Problem("bad_request", "the stream is fed by a client: that may pause")
        session.paused = request.url.path.endswith("/pause")
        session.changed()
        return JSONResponse(session.about())

    async def predict(self, request: Request) -> Response:
        """An image or a clip, from a fresh state."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        options = _prediction_options(request)
        content = await request.body()
        decoder = self._service.decoder
        if kind in _CLIPS:
            results = await self._service.predict(decoder.clip(content))
        else:
            if len(content) > self._service.limits.message_bytes:
                raise Problem("too_large", f"the image has {len(content)} bytes")
            frame = await asyncio.to_thread(decoder.frame, content, "image")
            results = await self._service.predict([frame])
        messages = [protocol.message(result, *options) for result in results]
        if kind not in _CLIPS:
            return Response(messages[0], media_type="application/octet-stream")
        framed = [len(m).to_bytes(4, "little") + m for m in messages]
        return Response(b"".join(framed), media_type="application/octet-stream")

    async def frames(self, socket: WebSocket) -> None:
        """Frames in, results out."""
        service = self._service
        try:
            session = await service.find(socket.path_params["name"])
            self._check_owner(session)
            if session.connected:
                raise Problem("conflict", "somebody is connected to this stream")
        except InputError as error:
            problem = as_problem(error)
            await _accept(socket)
            await socket.close(problem.closing, problem.reason)
            return
        session.connected = True  # before anything is awaited
        try:
            await _accept(socket)
            await FrameSocket(service, session, socket).serve()
        finally:
            session.connected, session.seen = False, time.monotonic()

    async def watch(self, socket: WebSocket) -> None:
        """Results of what the server feeds."""
        await _accept(socket)
        if len(self._hub) >= self._service.limits.streams:
            await socket.close(1013, "too many look already")
            return
        await self._hub.serve(Watcher(self._service, socket))

    async def _session(self, request: Request) -> Session:
        return await self._service.find(request.path_params["name"])

    def _check_owner(self, session: Session) -> None:
        if session.own:
            raise Problem("forbidden", "the stream is fed by the server")

    def _check_control(self) -> None:
        if not self._control:
            raise Problem("forbidden", "this server lets nobody change that")


async def _accept(socket: WebSocket) -> None:
    offered = socket.scope.get("subprotocols") or []
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)


async def _json(request: Request) -> dict[str, Any]:
    """The object of JSON that a request brings; an empty one without a body."""
    content = await request.body()
    try:
        told = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Problem("bad_request", "an object of JSON is needed")
    return told


def _prediction_options(request: Request) -> tuple[str, bool]:
    masks = request.query_params.get("masks", "png")
    if masks not in protocol.MASKS:
        raise Problem("bad_request", f"masks: one of {', '.join(protocol.MASKS)}")
    return masks, request.query_params.get("probabilities", "") in ("1", "true")


async def _told(request: Request, error: Exception) -> Response:
    problem = as_problem(error) if isinstance(error, InputError) else Problem("failed", "")
    return JSONResponse(problem.told(), problem.status)


async def _gone(request: Request, error: Exception) -> Response:
    """A client that has gone in the midst of its request; nobody reads this."""
    return Response(status_code=400)


async def _parted(socket: WebSocket, error: Exception) -> None:
    """A client that has gone before its connection was refused; nobody reads this, either."""


async def _told_http(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    code = "not_found" if status == 404 else "bad_request"
    return JSONResponse(Problem(code, str(getattr(error, "detail", ""))).told(), status)
