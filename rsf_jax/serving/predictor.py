"""Images and clips of clients, each from a fresh state."""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rsf_jax.serving.inbox import Inbox
from rsf_jax.serving.limits import Limits
from rsf_jax.serving.problems import Problem, closing
from rsf_jax.serving.runner import Runner
from rsf_jax.streaming import FrameResult, StreamEngine


class Predictor:
    """Computes one image or clip after the other, so that no client fills the slots.

    All methods are called in the event loop's thread.

    Args:
        engine: that computes; one stream of it is opened at a time.
        limits: what clients may ask for.
        runner: of the engine.
        inbox: brings its results.
    """

    def __init__(self, engine: StreamEngine, limits: Limits, runner: Runner, inbox: Inbox) -> None:
        self._engine, self._limits, self._runner, self._inbox = engine, limits, runner, inbox
        self._turn, self._changed = asyncio.Lock(), asyncio.Event()
        self._closed = self._over = False

    def close(self) -> None:
        """Takes no more frames; who has handed in all of them may still get results."""
        self._closed = True
        self._changed.set()

    def end(self) -> None:
        """Waits for no more results."""
        self._over = True
        self._changed.set()

    async def predict(self, frames: Iterable[np.ndarray]) -> list[FrameResult]:
        """Returns the results of a clip, or of an image, from a fresh state.

        Raises:
            InputError: if a frame is none for this model, it takes too long, or the server ends.
        """
        try:
            async with asyncio.timeout(self._limits.seconds), self._turn:
                return await self._predicted(iter(frames))
        except TimeoutError:
            seconds = self._limits.seconds
            raise Problem("timeout", f"it takes longer than {seconds:g} seconds") from None

    async def _predicted(self, frames: Iterator[np.ndarray]) -> list[FrameResult]:
        self._check_takes()
        found: list[FrameResult] = []

        def take(result: FrameResult) -> None:
            found.append(result)
            self._changed.set()

        name = f"_predict-{secrets.token_hex(4)}"
        stream = self._engine.open(name, on_result=lambda result: self._inbox.put(take, result))
        try:
            # In a thread: a clip is decoded meanwhile, of which nobody else has to wait.
            while (frame := await asyncio.to_thread(next, frames, None)) is not None:
                await self._until(lambda: self._closed or self._engine.has_room(stream))
                self._check_takes()
                self._engine.submit(stream, frame)
                self._runner.wake()
            await self._until(lambda: len(found) == stream.submitted)
        finally:
            self._engine.abandon(stream)
        return found

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self._over:
                raise closing()
            self._changed.clear()
            await self._changed.wait()

    def _check_takes(self) -> None:
        if self._closed:
            raise closing()
