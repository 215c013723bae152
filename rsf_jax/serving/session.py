"""One stream of a server: how it is answered, what waits to be sent, who is connected."""

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rsf_jax.arguments import check_choice, check_number
from rsf_jax.errors import InputError
from rsf_jax.serving.decoding import KINDS
from rsf_jax.serving.inbox import Inbox
from rsf_jax.serving.limits import Limits, Rate
from rsf_jax.serving.protocol import MASKS
from rsf_jax.streaming import FrameResult, Stream, StreamEngine

WHEN_FULL = ("wait", "drop_oldest")
_MOST_PRIORITY = 100
_MOST_BUDGET = 1e6  # ms


@dataclasses.dataclass(frozen=True)
class Options:
    """How a client wants a stream to be handled.

    Attributes:
        frames: what it sends, one of `decoding.KINDS`.
        masks: how it wants them, one of `protocol.MASKS`.
        probabilities: whether it wants those of all classes.
        when_full: "wait": frames are read as fast as they are computed; "drop_oldest": new ones
            take the places of old ones, as a camera wants it.
        budget_ms: from a frame to its result, after which it is read out as it is; None for any.
        priority: streams of a higher one get slots first.
    """

    frames: str = "image"
    masks: str = "png"
    probabilities: bool = False
    when_full: str = "wait"
    budget_ms: int | float | None = None
    priority: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Options":
        """Returns the options of an object of JSON.

        Raises:
            InputError: if one of them is unknown, or none that is allowed.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(told.keys() - known):
            raise InputError(f"{unknown[0]!r} is no option: there are {', '.join(sorted(known))}")
        _check(told)
        return cls(**told)

    @property
    def budget(self) -> float | None:
        """Seconds, as the engine has it."""
        return None if self.budget_ms is None else self.budget_ms / 1000


def _check(told: Mapping[str, Any]) -> None:
    """Raises InputError unless all that a client has written is allowed."""
    for name, choices in (("frames", KINDS), ("masks", MASKS), ("when_full", WHEN_FULL)):
        check_choice(name, told.get(name, choices[0]), choices)
    if not isinstance(wants := told.get("probabilities", False), bool):
        raise InputError(f"probabilities is {wants!r}: true or false is needed")
    priority = told.get("priority", 0)
    if type(priority) is not int or abs(priority) > _MOST_PRIORITY:
        raise InputError(f"priority is {priority!r}: a whole number, -100 to 100, is needed")
    if (budget := told.get("budget_ms")) is not None:
        needed = "milliseconds up to 1e6, or null, are needed"
        check_number("budget_ms", budget, needed, lambda x: 0 < x <= _MOST_BUDGET)


class Session:
    """A stream of a client, or of the server itself.

    All methods are called in the event loop's thread, but for `deliver`.

    Attributes:
        name: of the stream.
        options: how it is handled.
        stream: of the engine.
        connected: whether somebody reads its results.
        own: whether the server feeds it.
        paused: whether the server feeds no frames to it for the time being.
        seen: when somebody was last connected, on the clock of `time.monotonic`.
        results: that wait to be sent.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        engine: StreamEngine,
        limits: Limits,
        inbox: Inbox,
        own: bool = False,
    ) -> None:
        self.name, self.options, self.own = name, options, own
        self.stream: Stream | None = None
        self.connected = self.paused = self.closed = False
        self.seen = time.monotonic()
        self.results: deque[FrameResult] = deque()
        self.rate = Rate(limits.frames_per_second)
        self._engine, self._limits, self._inbox = engine, limits, inbox
        self._unsent = 0  # frames without a result that was sent
        self._changed = asyncio.Event()
        self._steps: deque[int] = deque(maxlen=100)
        self._times: deque[float] = deque(maxlen=100)
        self._on_each: list[Callable[[FrameResult], None]] = []

    def begin(self, stream: Stream) -> None:
        """Takes the stream of the engine; one that goes on may have frames without a result."""
        self.stream = stream
        self._unsent = stream.left + len(stream.held)

    def watch(self, function: Callable[[FrameResult], None]) -> None:
        """Calls a function with each result, in the event loop's thread."""
        self._on_each.append(function)

    def deliver(self, result: FrameResult) -> None:
        """Takes a result, in the engine's thread."""
        self._inbox.put(self._take, result)

    def _take(self, result: FrameResult) -> None:
        self._steps.append(result.steps)
        self._times.append(time.monotonic())
        for function in self._on_each:
            function(result)
        if self.own:
            self._unsent -= 1
        else:
            self.results.append(result)
        self.changed()

    def changed(self) -> None:
        """Lets everybody look again who waits for something of this stream."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Waits until something has changed."""
        await self._changed.wait()

    @property
    def has_room(self) -> bool:
        """Whether another frame may be read.

        Also of a stream whose old frames are dropped: who does not take results gets no more.
        """
        if self.stream is None or self._unsent >= self._limits.window:
            return False
        return self.options.when_full != "wait" or self._engine.has_room(self.stream)

    @property
    def all_sent(self) -> bool:
        """Whether each frame has a result that was sent."""
        return self._unsent <= 0

    def submit(self, frame: np.ndarray) -> int:
        """Hands a frame to the engine, and returns its number.

        Raises:
            InputError: if it is none for this model, or the stream has failed.
        """
        if self.stream is None:
            raise InputError("the stream is closed")
        index = self._engine.submit(self.stream, frame)
        self._unsent += 1
        return index

    def sent(self) -> None:
        """Notes that a result was sent."""
        self._unsent -= 1
        self.changed()

    def about(self) -> dict[str, Any]:
        """Returns what JSON says of it."""
        stream = self.stream
        return {
            "stream": self.name,
            "connected": self.connected,
            "own": self.own,
            "paused": self.paused,
            "frames": stream.submitted if stream else 0,
            "waiting": stream.left if stream else 0,
            "unsent": len(self.results),
            "failure": stream.failure if stream else "",
            "steps": round(sum(self._steps) / len(self._steps), 3) if self._steps else 0.0,
            "frames_per_second": round(self._frames_per_second(), 2),
            "options": dataclasses.asdict(self.options),
        }

    def _frames_per_second(self) -> float:
        recent = [t for t in self._times if t > time.monotonic() - 2]
        return len(recent) / 2
