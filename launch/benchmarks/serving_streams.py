"""Clients of a server that know what each of their results has to be."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

import rsf_jax as rsf
from benchmarks.serving import AHEAD
from rsf_jax.policies import StepPolicy
from rsf_jax.serving.client import Client
from rsf_jax.serving.protocol import unpack
from rsf_jax.trained.model import Trained

PERIOD = 8  # frames of a video; then its stream begins anew
_SHARES, _SIDE = (0.02, 0.05, 0.1, 0.2), 2  # of the area that squares cover; pixels of one
_AGAIN = 0.2  # seconds until the next try of what was refused
_ANSWERS = ("not_found", "bad_request", "conflict")  # how what a server refuses begins
_PATIENCE = 300.0  # seconds after which a server counts as lost


class Reference:
    """Frames of random squares, and what a model makes of them: each stream has videos of its own.

    Of several densities that is taken in which the model tells frames apart best.

    Args:
        trained: the model.
        policy: of the server.
        frame_shape: (height, width) in pixels.
        streams: so many different ones there are; others show what one of these does.

    Raises:
        InputError: if the model makes the same of different frames.

    Attributes:
        frames: uint8 [S, T, H, W, I], the video of each stream.
        tolerance: share of pixels that may differ from the reference, half of what the masks of
            two frames differ by at least.
    """

    def __init__(
        self,
        trained: Trained,
        policy: StepPolicy,
        frame_shape: tuple[int, int],
        streams: int = 16,
    ) -> None:
        shape = (streams, PERIOD, *frame_shape, trained.config.input_channels)
        self.tolerance = -1.0
        for share in _SHARES:
            frames = _squares(shape, share)
            masks = np.asarray(trained.run(frames, policy).logits.argmax(-1), np.uint8)
            if (tolerance := _least_difference(masks) / 2) > self.tolerance:
                self.frames, self._masks, self.tolerance = frames, masks, tolerance
        if not self.tolerance:
            raise rsf.InputError("the model makes the same of different frames: take another one")

    def frame(self, stream: int, index: int) -> bytes:
        """Returns what a stream sends as its frame of this number."""
        return self.frames[stream % len(self.frames), index % PERIOD].tobytes()

    def fits(self, stream: int, index: int, mask: np.ndarray) -> bool:
        """Whether a mask is that of a stream's frame."""
        wanted = self._masks[stream % len(self.frames), index % PERIOD]
        return mask.shape == wanted.shape and float((mask != wanted).mean()) <= self.tolerance


def _squares(shape: tuple[int, ...], share: float) -> np.ndarray:
    """White squares on black, uint8 of a shape [S, T, H, W, I]."""
    coarse = (*shape[:2], *(-(-side // _SIDE) for side in shape[2:4]), shape[4])
    here = np.random.default_rng(0).random(coarse) < share
    fine = here.repeat(_SIDE, 2).repeat(_SIDE, 3)[:, :, : shape[2], : shape[3]]
    return np.where(fine, np.uint8(255), np.uint8(0))


def _least_difference(masks: np.ndarray) -> float:
    """The least share of pixels by which two of all masks [S, T, H, W] differ."""
    flat = masks.reshape(masks.shape[0] * masks.shape[1], -1)
    return min(float((flat[n] != flat[n + 1 :]).mean(-1).min()) for n in range(len(flat) - 1))


@dataclasses.dataclass
class Followed:
    """What a client has seen of its stream.

    Attributes:
        times: seconds from sending a frame to its result.
        took: seconds from the first frame to the last result.
        wrong: what was wrong with results, in words.
        resumed: how often the stream went on after its connection had broken.
        told: how often the client was told that its stream is no more.
    """

    times: list[float] = dataclasses.field(default_factory=list)
    took: float = 0.0
    wrong: list[str] = dataclasses.field(default_factory=list)
    resumed: int = 0
    told: int = 0


class Follower:
    """One stream: sends frames as fast as results come, and looks at each result.

    Args:
        address: of the server.
        number: of the stream, which says what it shows.
        reference: what results have to be.
        survives: whether it connects again where a connection breaks.
        prefix: of the stream's name.

    Attributes:
        name: of the stream.
        found: what it has seen so far.
    """

    def __init__(
        self,
        address: str,
        number: int,
        reference: Reference,
        *,
        survives: bool = False,
        prefix: str = "load",
    ) -> None:
        self.name, self.found = f"{prefix}-{number}", Followed()
        self._number, self._reference, self._survives = number, reference, survives
        self._address, self._client = address, Client(address)
        self._next = self._due = 0  # frame to send, result to come
        self._behind = False  # whether results that come first may be of frames before
        self._when: dict[int, float] = {}

    async def open(self) -> None:
        """Opens the stream."""
        await self._asked(lambda: self._client.open(self.name, frames="raw", masks="raw"))
        self._next = self._due = 0

    async def follow(self, goes_on: Callable[[], bool], *, again: bool = False) -> Followed:
        """Sends frames as long as it should, waits for the results that are due, and closes.

        Args:
            goes_on: whether another frame is to be sent.
            again: whether the stream has been fed by somebody else before.
        """
        began = time.perf_counter()
        while True:
            try:
                async with self._connected() as socket:
                    if not again or await self._resumed():
                        await self._exchange(socket, goes_on)
                        self.found.took = time.perf_counter() - began
                        await socket.send('{"type": "close"}')
                        return self.found
            except (OSError, ConnectionClosed) as error:
                if not self._survives:
                    self.found.wrong.append(f"{self.name}: the connection broke: {error}")
                    return self.found
                await asyncio.sleep(_AGAIN)
            again = True

    async def _resumed(self) -> bool:
        """Goes on where the server is; opens the stream if the server knows nothing of it."""
        try:
            about = await self._asked(lambda: self._client.about(self.name))
        except rsf.InputError:
            self.found.told += 1
            await self.open()
            return False
        # Of frames that it has taken some have no result yet; others were sent, and lost.
        self._next = about["frames"]
        self._due = self._next - about["waiting"] - about["unsent"]
        self._behind = True
        self._when = {}
        return True

    async def _exchange(self, socket: ClientConnection, goes_on: Callable[[], bool]) -> None:
        while self._due < self._next or goes_on():
            while self._next - self._due < AHEAD and goes_on():
                if self._next % PERIOD == 0:
                    await socket.send('{"type": "reset"}')
                self._when[self._next] = time.perf_counter()
                await socket.send(self._reference.frame(self._number, self._next))
                self._next += 1
            content = await socket.recv()
            if isinstance(content, str):  # why a frame was refused: it will have no result
                self.found.wrong.append(f"{self.name}: {content}")
                return
            self._look(content)

    def _look(self, content: bytes) -> None:
        """Compares a result with what it has to be."""
        about, parts = unpack(content)
        if self._behind:
            self._due, self._behind = min(self._due, about["index"]), False
            self.found.resumed += 1  # once it has a result: a connection may break again before
        expected = {"stream": self.name, "index": self._due, "status": "done"}
        told = {key: about.get(key) for key in expected}
        mask = parts.get("mask")
        if told != expected:
            self.found.wrong.append(f"{self.name}: {told} instead of frame {self._due}")
        elif not isinstance(mask, np.ndarray) or not self._fits(mask):
            self.found.wrong.append(f"{self.name}: the mask of frame {self._due} is another one")
        if (sent := self._when.pop(self._due, None)) is not None:
            self.found.times.append(time.perf_counter() - sent)
        self._due += 1

    def _fits(self, mask: np.ndarray) -> bool:
        return self._reference.fits(self._number, self._due, mask)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[ClientConnection]:
        """A connection, as soon as the server takes it."""
        url = f"{self._address.replace('http', 'ws', 1)}/v1/streams/{self.name}/frames"
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                socket = await connect(url, max_size=2**26, compression=None, ping_interval=None)
            except (OSError, InvalidHandshake):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN)
                continue
            async with socket:
                yield socket
            return

    async def _asked(self, ask: Callable[[], Any]) -> Any:
        """What the server answers, as soon as it is there."""
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                return await asyncio.to_thread(ask)
            except rsf.InputError as error:
                # Others may be of a proxy whose server is away.
                if str(error).startswith(_ANSWERS) or time.monotonic() > until:
                    raise
                await asyncio.sleep(_AGAIN)
