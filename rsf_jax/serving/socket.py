"""Frames in and results out over a WebSocket, each stream as fast as its client takes results."""

import asyncio
import contextlib
import dataclasses
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from rsf_jax.errors import InputError
from rsf_jax.serving import protocol
from rsf_jax.serving.problems import Problem, as_problem
from rsf_jax.serving.service import Service
from rsf_jax.serving.session import Options, Session

_TOLD_LATER = ("frames", "masks", "probabilities")  # options that a client may change


class FrameSocket:
    """One client at its stream.

    A task reads frames, another one sends results. Nothing is read while as many frames as the
    limits' `window` have no result that was sent: then the client's own connection fills up.

    Args:
        service: of the stream.
        session: that nobody else is connected to.
        socket: accepted.
    """

    def __init__(self, service: Service, session: Session, socket: WebSocket) -> None:
        self._service, self._session, self._socket = service, session, socket
        self._errors = 0  # one after the other
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Serves it until it goes, or has to; its stream stays for a while."""
        tasks = [asyncio.create_task(work) for work in (self._read(), self._write())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for error in (task.exception() for task in tasks if not task.cancelled()):
            if isinstance(error, Problem):
                await self._close(error)
            elif isinstance(error, Exception) and not isinstance(error, WebSocketDisconnect):
                await self._close(Problem("failed", type(error).__name__))

    async def _read(self) -> None:
        while True:
            await self._room()
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._take(message)
                self._errors = 0
            except InputError as error:
                await self._refuse(as_problem(error))

    async def _room(self) -> None:
        """Waits until another frame may be read."""
        if seconds := self._session.rate.wait():
            await asyncio.sleep(seconds)
        while self._service.closing or self._ended() or not self._session.has_room:
            await self._session.change()

    async def _take(self, message: Any) -> None:
        content = message.get("bytes")
        if content is None:
            await self._obey(message.get("text") or "")
            return
        if len(content) > self._service.limits.message_bytes:
            raise Problem("too_large", f"the message has {len(content)} bytes")
        kind = self._session.options.frames
        decode = self._service.decoder.frame
        # A picture takes longer than handing it to another thread; an array is only looked at.
        is_picture = kind == "image"
        frame = (
            await asyncio.to_thread(decode, content, kind) if is_picture else decode(content, kind)
        )
        self._service.submit(self._session, frame)

    async def _obey(self, text: str) -> None:
        """Does what a message of text says."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise Problem("bad_request", "a text is an object of JSON with a type")
        kind = told.pop("type", None)
        if kind == "reset":
            self._service.reset(self._session.name)
        elif kind == "close":
            self._service.close(self._session.name)
        elif kind == "options":
            if fixed := sorted(told.keys() - set(_TOLD_LATER)):
                raise Problem("bad_request", f"{fixed[0]!r} cannot be changed: open another stream")
            before = dataclasses.asdict(self._session.options)
            self._session.options = Options.of(before | told)
        else:
            raise Problem("bad_request", f"type {str(kind)[:40]!r}: reset, close or options")

    async def _refuse(self, problem: Problem) -> None:
        """Tells of a message that cannot be used; its stream goes on without it."""
        if self._service.closing or self._ended() is not None:
            return  # the writer tells why, behind the results that are left
        self._service.refused += 1
        self._errors += 1
        if self._errors >= self._service.limits.errors:
            raise Problem(problem.code, f"{self._errors} messages in a row could not be used")
        await self._send(json.dumps(problem.told()))

    async def _write(self) -> None:
        session = self._session
        while True:
            while session.results:
                result = session.results[0]
                options = session.options
                content = protocol.message(result, options.masks, options.probabilities)
                await self._send(content)
                session.results.popleft()
                session.sent()
            problem = self._ended()
            # A stream that has failed has results on their way: of that frame, and those behind it.
            if problem is not None and (problem.code != "failed" or session.all_sent):
                raise problem
            await session.change()

    def _ended(self) -> Problem | None:
        """Why there is nothing more to come; None if there may be."""
        session, stream = self._session, self._session.stream
        if session.closed:
            return Problem("not_found", "the stream is closed")
        if stream is not None and stream.failure:
            return Problem("failed", stream.failure)
        if self._service.over:
            return Problem("closing", "the server is ending")
        return None

    async def _send(self, content: bytes | str) -> None:
        try:
            async with self._sending, asyncio.timeout(self._service.limits.seconds):
                if isinstance(content, bytes):
                    await self._socket.send_bytes(content)
                else:
                    await self._socket.send_text(content)
        except TimeoutError:
            raise Problem("timeout", "results are not taken") from None

    async def _close(self, problem: Problem) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(self._service.limits.seconds):
                await self._socket.close(problem.closing, problem.reason)
