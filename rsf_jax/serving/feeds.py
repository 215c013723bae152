"""What the server feeds itself: built-in streams, files and cameras."""

import asyncio
import itertools
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.media.reader import Reader
from rsf_jax.media.source import Source
from rsf_jax.serving.service import Service
from rsf_jax.serving.session import Options, Session

_IDLE = 0.01  # seconds between two looks for a frame
_LATE = 0.25  # seconds that are caught up; frames of a longer pause would be lost in a rush
_AGAIN = 1.0  # seconds after the end of a source until it is opened again

Frames = AsyncIterator[np.ndarray | None]


class Feed:
    """A stream of the server's own.

    Args:
        name: what the stream is called after; see `Service.free_name`.
        frames: called once in the event loop; yields frames, uint8 [H, W, I], each when it is due,
            and None where another video begins.
    """

    def __init__(self, name: str, frames: Callable[[], Frames]) -> None:
        self.name, self._frames = name, frames
        self._task: asyncio.Task | None = None

    def begin(self, service: Service) -> Session:
        """Opens the stream, and feeds it until the end of the service."""
        self.name = service.free_name(self.name)
        session = service.open(self.name, Options(when_full="drop_oldest", masks="raw"), own=True)
        self._task = service.do(self._feed(service, session))
        return session

    def end(self) -> None:
        """Feeds no more."""
        if self._task is not None:
            self._task.cancel()

    async def _feed(self, service: Service, session: Session) -> None:
        try:
            async for frame in self._frames():
                while session.paused:
                    await session.change()
                if frame is None:
                    service.reset(session.name)
                elif session.has_room:
                    service.submit(session, frame)
        except InputError as error:
            logging.getLogger(__name__).error("stream %r ends: %s", self.name, error)


def at_pace(
    frames: Callable[[], Iterator[np.ndarray]], frames_per_second: int | float
) -> Callable[[], Frames]:
    """Returns frames that are made when they are due, again and again from the beginning.

    Args:
        frames: makes one round of them, in another thread.
        frames_per_second: at which they are shown.
    """

    async def paced() -> Frames:
        pace, numbers = _Pace(), itertools.count()
        while True:
            made = frames()
            while (frame := await asyncio.to_thread(next, made, None)) is not None:
                await pace.wait(next(numbers) / frames_per_second)
                yield frame

    return paced


def of_source(open_it: Callable[[], Source]) -> Callable[[], Frames]:
    """Returns the frames of a file, again and again, or of a camera, as they come.

    What is opened again begins a video: nothing is left of its end.

    Args:
        open_it: opens it, for frames of the model's size.
    """

    async def live() -> Frames:
        while True:
            with await asyncio.to_thread(open_it) as source:
                reader = Reader(source)
                try:
                    async for frame in _read(reader, source):
                        yield frame
                finally:
                    reader.stop()
            if source.problem and source.count == 0:
                raise InputError(source.problem)
            await asyncio.sleep(_AGAIN)
            yield None

    return live


async def _read(reader: Reader, source: Source) -> AsyncIterator[np.ndarray]:
    pace = _Pace()
    while not reader.over:
        picture = reader.take()
        if picture is None:
            await asyncio.sleep(_IDLE)
            continue
        if not source.live:
            await pace.wait(picture.seconds)
        yield picture.frame


class _Pace:
    """When frames are due. After a pause, or whatever held the loop up, they go on from there."""

    def __init__(self) -> None:
        self._began = -math.inf

    async def wait(self, seconds: float) -> None:
        """Waits until a frame is due that is shown so many seconds after the first."""
        now = asyncio.get_running_loop().time()
        if self._began + seconds < now - _LATE:
            self._began = now - seconds
        await asyncio.sleep(self._began + seconds - now)
