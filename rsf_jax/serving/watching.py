"""Shows streams that the server feeds to whoever looks: the newest results that one takes."""

import asyncio
import contextlib
import io
import json
from typing import Any

import numpy as np
from PIL import Image
from starlette.websockets import WebSocket, WebSocketDisconnect

from rsf_jax.ops.pixels import as_picture
from rsf_jax.serving import protocol
from rsf_jax.serving.service import Service
from rsf_jax.serving.session import Session
from rsf_jax.streaming import FrameResult

_EVERY = 0.5  # seconds between two accounts of the engine
_SMALL = 96 * 96  # pixels up to which pictures are sent without loss


class Watcher:
    """One who looks at all streams that the server feeds.

    Of each stream the newest result alone waits to be sent: a slow connection sees fewer frames,
    and holds nobody up. Results tell how many were left out.

    Args:
        service: of the streams.
        socket: accepted.
    """

    def __init__(self, service: Service, socket: WebSocket) -> None:
        self._service, self._socket = service, socket
        self._newest: dict[str, FrameResult] = {}
        self._steps: dict[str, list[int]] = {}  # of the frames since the last that was sent
        self._due = asyncio.Event()

    def put(self, result: FrameResult) -> None:
        """Takes a result of a stream."""
        self._steps.setdefault(result.stream, []).append(
            -1 if result.status == "dropped" else result.steps
        )
        if result.outputs is not None:
            self._newest[result.stream] = result
            self._due.set()

    async def serve(self) -> None:
        """Sends until it goes, or takes nothing."""
        tasks = [
            asyncio.create_task(work) for work in (self._results(), self._accounts(), self._read())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # that it takes nothing, or has gone
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(1001)

    async def _read(self) -> None:
        # Nothing is expected: what comes is not looked at.
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            await asyncio.sleep(1 / self._service.limits.requests_per_second)

    async def _results(self) -> None:
        while not self._service.closing:
            await self._due.wait()
            self._due.clear()
            newest, self._newest = self._newest, {}
            for name, result in newest.items():
                steps = self._steps.pop(name, [])
                await self._send(_shown(result, steps))

    async def _accounts(self) -> None:
        while not self._service.closing:
            streams = [s.about() for s in self._service.sessions.values()]
            told = {
                "type": "account",
                "statistics": self._service.statistics(),
                "streams": streams,
                "policy": self._service.model()["policy"],
            }
            await self._send(json.dumps(told))
            await asyncio.sleep(_EVERY)

    async def _send(self, content: bytes | str) -> None:
        async with asyncio.timeout(self._service.limits.seconds):
            if isinstance(content, bytes):
                await self._socket.send_bytes(content)
            else:
                await self._socket.send_text(content)


class Hub:
    """All who look at the streams that the server feeds."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    def __len__(self) -> int:
        """Returns how many look."""
        return len(self._watchers)

    def follow(self, session: Session) -> None:
        """Hands on the results of a stream."""
        session.watch(self._put)

    def _put(self, result: FrameResult) -> None:
        for watcher in self._watchers:
            watcher.put(result)

    async def serve(self, watcher: Watcher) -> None:
        """Serves one until it goes."""
        self._watchers.add(watcher)
        try:
            await watcher.serve()
        finally:
            self._watchers.discard(watcher)


def _shown(result: FrameResult, steps: list[int]) -> bytes:
    """The message of a result with its frame."""
    mask = result.outputs["mask"]
    parts = [("mask", "raw", mask.shape, mask.tobytes())]
    if result.frame is not None:
        kind, content = _picture(result.frame)
        parts.append(("frame", kind, result.frame.shape, content))
    about: dict[str, Any] = protocol.header(result) | {"type": "result", "strip": steps[-100:]}
    return protocol.pack(about, parts)


def _picture(frame: np.ndarray) -> tuple[str, bytes]:
    image = as_picture(frame)
    if image.shape[0] * image.shape[1] <= _SMALL:
        return "image/png", protocol.png(image)
    found = io.BytesIO()
    flat = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(flat).save(found, "JPEG", quality=85)
    return "image/jpeg", found.getvalue()
