"""The sessions of a server, over one engine."""

import asyncio
import dataclasses
import itertools
import logging
import math
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax.arguments import check_number, check_text
from rsf_jax.errors import InputError
from rsf_jax.policies import StepPolicy, parse_policy, policy_name
from rsf_jax.serving.decoding import Decoder
from rsf_jax.serving.inbox import Inbox
from rsf_jax.serving.keeper import Keeper
from rsf_jax.serving.kept import Kept
from rsf_jax.serving.limits import Limits
from rsf_jax.serving.others import Others
from rsf_jax.serving.predictor import Predictor
from rsf_jax.serving.problems import Problem, closing
from rsf_jax.serving.protocol import outputs
from rsf_jax.serving.runner import Runner
from rsf_jax.serving.session import Options, Session
from rsf_jax.streaming import FrameResult, Snapshot, Stream
from rsf_jax.trained.model import Trained

_IN_NAMES = "A-Za-z0-9_-"
_NAME = re.compile(f"[{_IN_NAMES}]{{1,64}}")
_NO_NAME = re.compile(f"[^{_IN_NAMES}]")
_MADE_UP = 40  # characters of a name that is made of another one
_QUEUE = 2  # frames of a stream that wait: more would only be older
_LOOK = 0.02  # seconds between two looks at who is still connected


class Service:
    """Opens, feeds and closes streams of one model; the thread that computes is its own.

    It is used from one event loop, in which `start` was awaited.

    Args:
        trained: the model.
        policy: when frames end; None for the schedule of training.
        frame_shape: (height, width) in pixels; None for the frames of training.
        slots: frames computed together.
        limits: what clients may ask for.
        snapshot: file of the streams, which is read now if it is there, and written at the end and
            every `snapshot_seconds`; None for none. Streams go on as clients wanted them, under
            these weights and this policy; under the one that clients had changed to, if the server
            was started with the same one before.
        snapshot_seconds: between two snapshots.
        adopt: snapshots that other servers write. A stream that is asked for here, and is in one of
            them, goes on here, and is taken out of it: where a proxy leads clients of a server
            that is away to another one.

    Raises:
        InputError: if the frame size is not known, or the snapshot is damaged or of another model,
            or cannot be written.

    Attributes:
        trained, limits: as given.
        decoder: makes frames for the model.
        engine: that computes.
        sessions: by name.
        began: when it was made, seconds since 1970.
        refused: requests and messages that could not be used.
        closing: whether it takes no more frames.
        over: whether there are no more results to come.
    """

    def __init__(
        self,
        trained: Trained,
        policy: StepPolicy | None = None,
        *,
        frame_shape: tuple[int, int] | None = None,
        slots: int = 8,
        limits: Limits | None = None,
        snapshot: str | Path | None = None,
        snapshot_seconds: float = 10.0,
        adopt: Sequence[str | Path] = (),
    ) -> None:
        self.trained, self.limits = trained, limits or Limits()
        frame_shape = trained.appearance.frame_shape(frame_shape)
        needed = "seconds above 0 are needed"
        check_number("snapshot_seconds", snapshot_seconds, needed, lambda x: 0 < x < math.inf)
        policy = policy or trained.schedule
        self._keeper = Keeper(snapshot)
        before, kept = self._keeper.before, self._keeper.kept
        self._given, self._changed = policy_name(policy), kept.policy(policy_name(policy))
        self._policy = self._checked(self._changed) if self._changed else policy
        self.engine = trained.engine(
            self._policy,
            frame_shape,
            slots=slots,
            # One for predictions; and a stream that is closed keeps its own while a frame of it is
            # in a slot, or on its way into one.
            max_streams=self.limits.streams + 1 + 2 * slots,
            queue=_QUEUE,
            when_full="error",
            transform=outputs,
        )
        self.decoder = Decoder((*frame_shape, trained.config.input_channels), self.limits)
        self.sessions: dict[str, Session] = {}
        self.began = time.time()
        self.refused = 0
        self._every = snapshot_seconds
        # Also once they are closed: another stream may have the name by then.
        self._continuing: dict[str, Session] = {}
        # Before anybody is served: what cannot be read is told to who starts it.
        self._restored = [] if before is None else self._restore(before)
        self.check_places(0)
        self._options = kept.options
        self._changes, self._moves = asyncio.Lock(), asyncio.Lock()
        self._others = Others(adopt)
        self._arriving = 0  # streams of other servers
        self.closing = self.over = False
        self._tasks: set[asyncio.Task] = set()

    async def start(self) -> None:
        """Begins to compute, and goes on with the streams of a snapshot."""
        self._inbox = Inbox(asyncio.get_running_loop())
        self._continuing |= {stream.name: self._continued(stream) for stream in self._restored}
        self.sessions |= self._continuing
        self.runner = Runner(self.engine)
        self._predictor = Predictor(self.engine, self.limits, self.runner, self._inbox)
        self.do(self._look_after())

    def do(self, work: Any) -> asyncio.Task:
        """Lets a coroutine run until the end of the service."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logging.getLogger(__name__).error("%s has failed", task.get_coro(), exc_info=error)

    async def drain(self) -> None:
        """Takes no more frames; without a snapshot, computes those that wait.

        Connections are told what has been computed, and end.
        """
        if self.closing:
            return
        self.closing = True
        self._predictor.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._keeper.keeps:
            await asyncio.to_thread(self.runner.drained, self.limits.seconds)
        await asyncio.to_thread(self.runner.stop)
        self.over = True
        self._predictor.end()
        for session in self.sessions.values():
            session.changed()

    async def parted(self) -> None:
        """Waits until every client has what was computed for it, or takes too long."""
        until = time.monotonic() + self.limits.seconds
        while any(s.connected for s in self.sessions.values()) and time.monotonic() < until:
            await asyncio.sleep(_LOOK)

    async def stop(self) -> None:
        """Ends, and keeps the streams in the snapshot, if there is to be one."""
        await self.drain()
        await self._save()

    @property
    def policy(self) -> StepPolicy:
        """When frames end, as it was given."""
        return self._policy

    def session(self, name: str) -> Session:
        """Returns the session of a name.

        Raises:
            Problem: if there is none.
        """
        if name not in self.sessions:
            raise Problem("not_found", f"no stream is called {name[:64]!r}")
        return self.sessions[name]

    async def find(self, name: str) -> Session:
        """Returns the session of a name, be it one of another server that is away.

        Raises:
            Problem: if there is none, or one of another server is one too many here.
            InputError: if a stream of another server cannot go on here.
        """
        async with self._moves:
            found = None
            if name not in self.sessions:
                found = await asyncio.to_thread(self._others.find, name)
            if found is not None and not self.closing:
                await self._adopt(*found)
        return self.session(name)

    async def _adopt(self, path: Path, snapshot: Snapshot) -> None:
        """Goes on with the one stream of another server's snapshot."""
        self._check_place()
        (told,) = snapshot.streams
        options = Kept.of(snapshot.notes).options.get(told.name, Options())
        session = Session(told.name, options, self.engine, self.limits, self._inbox)
        self._arriving += 1  # or another one could take its place meanwhile
        try:
            (stream,) = await asyncio.to_thread(
                self.engine.restore,
                snapshot,
                on_result=session.deliver,
                other_weights=True,
                other_policy=True,
            )
        finally:
            self._arriving -= 1
        session.begin(stream)
        self.sessions[told.name] = session
        self.runner.wake()
        await asyncio.to_thread(self._others.remove, path, told.name)

    def free_name(self, wanted: str) -> str:
        """Returns a name that no stream has, close to one that may be any text."""
        base = _NO_NAME.sub("-", wanted)[:_MADE_UP] or "stream"
        names = itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
        return next(name for name in names if name not in self.sessions)

    def check_places(self, own: int) -> None:
        """Checks that the server's own streams have places beside those of the snapshot.

        Args:
            own: how many of them are to be opened.

        Raises:
            InputError: if there are too many.
        """
        count, most = len(self._restored) + own, self.limits.streams
        if count > most:
            raise InputError(
                f"the snapshot and the server itself have {count} streams, {most} are taken: start "
                "it with a larger max_streams"
            )

    def open(self, name: str = "", options: Options | None = None, own: bool = False) -> Session:
        """Opens a stream.

        Args:
            name: letters, digits, - and _; a random one unless given.
            options: how it is handled.
            own: whether the server feeds it.

        Raises:
            Problem: if the name is in use, or no name, or too many streams are open.
        """
        name = name or secrets.token_urlsafe(9)
        if not _NAME.fullmatch(name):
            raise Problem("bad_request", "name: up to 64 letters, digits, - and _")
        if name in self.sessions:
            raise Problem("conflict", f"a stream called {name!r} is open")
        self._check_place()
        self._check_takes()
        options = options or Options()
        session = Session(name, options, self.engine, self.limits, self._inbox, own)
        when_full = "drop_oldest" if options.when_full == "drop_oldest" else "error"
        session.begin(
            self.engine.open(
                name,
                budget=options.budget,
                when_full=when_full,
                priority=options.priority,
                on_result=session.deliver,
                keep_frames=own,
            )
        )
        self.sessions[name] = session
        return session

    def _check_place(self) -> None:
        """Raises Problem if as many streams are open as may be."""
        count = len(self.sessions) + self._arriving
        if count >= self.limits.streams:
            raise Problem("too_many", f"{count} streams are open: no more are taken")

    def _check_takes(self) -> None:
        """Raises Problem if it takes no more frames."""
        if self.closing:
            raise closing()

    def close(self, name: str) -> None:
        """Closes a stream; frames that wait are dropped.

        Raises:
            Problem: if there is none of that name.
        """
        session = self.session(name)
        del self.sessions[name]
        if session.stream is not None:
            self.engine.abandon(session.stream)
        session.closed = True
        session.changed()

    def reset(self, name: str) -> None:
        """Makes the next frame of a stream the first of a video.

        Raises:
            InputError: if there is none of that name, or it has failed.
        """
        session = self.session(name)
        if session.stream is not None:
            self.engine.reset(session.stream)

    def submit(self, session: Session, frame: np.ndarray) -> int:
        """Hands a frame to the engine, and returns its number.

        Raises:
            InputError: if it is none for this model, or the stream has failed.
        """
        self._check_takes()
        index = session.submit(frame)
        self.runner.wake()
        return index

    async def predict(self, frames: Iterable[np.ndarray]) -> list[FrameResult]:
        """Returns the results of a clip, or of an image, from a fresh state; see `Predictor`."""
        return await self._predictor.predict(frames)

    async def change_policy(self, text: Any) -> str:
        """Goes on with another policy, and returns its name; no stream is lost.

        Raises:
            InputError: if it is none, or could take too many steps.
        """
        policy = self._checked(text)
        async with self._changes:
            await asyncio.to_thread(self.engine.change, policy=policy)
            self._policy, self._changed = policy, text
        self.runner.wake()
        return policy_name(policy)

    def _checked(self, text: str) -> StepPolicy:
        """The policy of a client's text."""
        policy = parse_policy(text)
        if policy.max_steps > self.limits.steps:
            raise Problem(
                "bad_request",
                f"policy {text[:100]!r} could take {policy.max_steps} steps: "
                f"{self.limits.steps} at most",
            )
        return policy

    async def _save(self) -> None:
        try:
            await self._keeper.save(self.engine, self.sessions, self._given, self._changed)
        except (InputError, OSError) as error:
            # What is in the file stays; who looks after the streams goes on, and tries again.
            logging.getLogger(__name__).error("streams are not kept: %s", error)

    def _restore(self, snapshot: Snapshot) -> list[Stream]:
        """Lets the engine go on with the streams of a snapshot, under its weights and policy."""
        return self.engine.restore(
            snapshot,
            on_result=lambda result: self._continuing[result.stream].deliver(result),
            other_weights=True,
            other_policy=True,
        )

    def _continued(self, stream: Stream) -> Session:
        """The session of a restored stream, as its client wanted it.

        Of a snapshot that says nothing of that, what is sent and wanted is as for a new one.
        """
        when_full = "drop_oldest" if stream.when_full == "drop_oldest" else "wait"
        budget = None if stream.budget is None else 1000 * stream.budget
        engines = Options(when_full=when_full, budget_ms=budget, priority=stream.priority)
        options = self._options.get(stream.name, engines)
        session = Session(stream.name, options, self.engine, self.limits, self._inbox)
        session.begin(stream)
        return session

    async def _look_after(self) -> None:
        """Closes streams that nobody is connected to, and saves the others now and then."""
        saved = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self.limits.idle_seconds / 4, self._every))
            now = time.monotonic()
            for session in list(self.sessions.values()):
                is_left = not (session.connected or session.own)
                if is_left and now - session.seen > self.limits.idle_seconds:
                    self.close(session.name)
            if now - saved >= self._every:
                saved = now
                await self._save()

    def model(self) -> dict[str, Any]:
        """Returns what JSON says of the model."""
        height, width, channels = self.decoder.shape
        appearance, config = self.trained.appearance, self.trained.config
        return {
            "name": self.trained.card.name if self.trained.card else config.name,
            "network": config.model,
            "frame": {"height": height, "width": width, "channels": channels},
            "classes": appearance.class_names,
            "colors": np.asarray(appearance.colors).tolist(),
            "background": appearance.background,
            "policy": policy_name(self._policy),
            "most_steps": self._policy.max_steps,
        }

    def statistics(self) -> dict[str, Any]:
        """Returns what JSON says of the work so far."""
        counted = self.engine.statistics()
        told = dataclasses.asdict(counted)
        return told | {
            "useful_share": counted.useful_share,
            "latency": {str(p): s for p, s in counted.latency.items()},
            "repeated_latency": {str(p): s for p, s in counted.repeated_latency.items()},
            "streams": len(self.sessions),
            "failed_ticks": self.runner.failures,
            "refused_requests": self.refused,
        }


def named(told: Mapping[str, Any]) -> tuple[str, Options]:
    """Returns name and options of a stream that a client has described in JSON.

    Raises:
        InputError: if something in it is unknown or not allowed.
    """
    told = dict(told)
    name = told.pop("name", "")
    check_text("name", name)
    return name, Options.of(told)
