"""The engine: takes frames of many videos, keeps the slots filled, hands out results."""

import asyncio
import contextlib
import itertools
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np

from rsf_jax.checks import as_prepared
from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, VideoModel
from rsf_jax.models.functions import FunctionModel
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.policies.base import StepwisePolicy, may_leave_out_frames
from rsf_jax.streaming import checks
from rsf_jax.streaming.delivery import Delivery
from rsf_jax.streaming.moving import Mover, dropped_of, frames_of
from rsf_jax.streaming.program import Ended, Load, Look, Program, Transform, to_host
from rsf_jax.streaming.shadow import Shadow, Shadows
from rsf_jax.streaming.snapshot import Snapshot, StreamState
from rsf_jax.streaming.statistics import Counter, Statistics
from rsf_jax.streaming.streams import (
    CUT,
    DONE,
    FAILED,
    REPEATED,
    Due,
    FrameResult,
    OnResult,
    Stream,
    Waiting,
)
from rsf_jax.streaming.turns import Turns
from rsf_jax.typing import Variables

T = TypeVar("T")

# Ticks whose median duration deadlines are met by: one that was held up says nothing of the next.
_RECENT = 15

_NAMED = 60  # characters of a policy's name, where the engine is shown


class StreamEngine:
    """Runs one model on many live videos at once.

    Frames of S streams are computed together. As soon as one has ended, its slot is given to the
    next stream that waits: what each frame gets, steps and logits, is what `run_frame` gives it
    alone, up to rounding. Streams take turns; a stream has one frame in a slot at most, because
    the next one starts from its state. Frames that the policy leaves out, as a gate does, are
    answered without a slot: their results repeat the one before.

    Work is done by whoever waits for it: `tick`, `results`, `answer`, or a `submit` to a full
    queue. All methods may be called from several threads; none but these waits for the device, so
    that a camera's thread hands in its frame at once. The tick is compiled once.

    If the device fails, or a policy does, the call raises. Frames that had not begun are put back,
    and the next call tries again. If that fails, too, or states are lost, the streams concerned
    fail, with the reason in their results, and the others go on. Ctrl-C ends a call, and not the
    work: a tick is finished by a thread of the engine's own, and nothing is lost.

    Args:
        model: a recurrent model whose statistics are of each sample.
        variables: Flax variables, or the result of `prepare` for `frame_shape`.
        policy: when frames end; with a single value for each threshold.
        frame_shape: (height, width) in pixels of all frames.
        slots: frames computed together, S.
        max_streams: streams that may be open at once: so many states are kept on the device.
        queue: frames of a stream that may wait.
        when_full: what `submit` does then: "block" computes until there is room, "drop_oldest"
            drops the frame that has waited longest, "error" raises `InputError`.
        steps_per_tick: recurrent steps between two looks at what has halted: more spare the host
            work, and waste steps of slots that halt between.
        stateful: start each frame from the state the previous one left.
        transform: what is made on the device of logits [S, H, W, K], to bring less to the host, as
            `lambda logits: logits.argmax(-1)`; traceable, S first in whatever it returns.
        shadow: frames that are also run as a reference would run them, and compared; None for none.
        unread_bytes: of results that wait to be read, after which `submit` refuses frames.
        clock: seconds; of deadlines and latencies.

    Raises:
        InputError: if an argument is none of these.
    """

    def __init__(
        self,
        model: VideoModel,
        variables: Variables | Prepared,
        policy: StepPolicy,
        frame_shape: tuple[int, int],
        *,
        slots: int = 8,
        max_streams: int = 64,
        queue: int = 2,
        when_full: str = "block",
        steps_per_tick: int = 1,
        stateful: bool = True,
        transform: Transform = lambda logits: logits,
        shadow: Shadow | None = None,
        unread_bytes: int = 2**30,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        checks.check_counts(
            slots=slots,
            max_streams=max_streams,
            queue=queue,
            steps_per_tick=steps_per_tick,
            unread_bytes=unread_bytes,
        )
        checks.check_when_full(when_full)
        checks.check_model(model)
        prepared, policy = as_prepared(model, variables, frame_shape), checks.checked_policy(policy)
        self._leaves_out = may_leave_out_frames(policy)
        self._program = Program(
            prepared,
            policy,
            slots=slots,
            rows=max_streams,
            steps=steps_per_tick,
            stateful=stateful,
            transform=transform,
        )
        self._shadow, self._stateful = shadow, stateful
        self._shadows = self._shadows_under(prepared, policy)
        self._frame = (*prepared.frame_shape, model.input_channels)
        self._queue, self._when_full = queue, when_full
        self._slots, self._steps, self._clock = slots, steps_per_tick, clock
        self._key = object()  # of its streams
        # Where it was made it works, whichever thread asks for it.
        self._device = jax.config.jax_default_device  # type: ignore[attr-defined]
        # Held for moments alone, never while the device works.
        self._books = threading.Condition(threading.RLock())
        self._computing = False
        # Or one that ticks and ticks again would keep the others out.
        self._asking: deque[object] = deque()
        self._failed_before = False  # the last tick
        # See _apart.
        self._worker = ThreadPoolExecutor(1, "stream_engine")
        self._turns = Turns(slots, self._frame, max_streams)
        self._streams: dict[str, Stream] = {}  # open, or with frames left
        self._names = itertools.count(1)
        self._rows = list(reversed(range(max_streams)))
        self._delivery = Delivery(self._books, unread_bytes, self._fail_for_callback)
        self._counter = Counter()
        self._tick_seconds: deque[float] = deque(maxlen=_RECENT)
        self._mover = Mover(self._program, self._turns, stateful)
        # Or the first frames would wait for it.
        self._compile(prepared, policy, self._shadows)

    @classmethod
    def from_functions(
        cls,
        begin: Callable[[Any, Any], Any],
        step: Callable[[Any, Any, Any], Any],
        hidden: Callable[[Any], Any],
        readout: Callable[[Any, Any], Any],
        *,
        initial: Callable[[Any], Any],
        parameters: Any,
        policy: StepPolicy,
        frame_shape: tuple[int, int, int],
        **options: Any,
    ) -> "StreamEngine":
        """Returns an engine for any recurrent or iterative model in JAX.

        All functions are traceable, and take and return arrays whose first axis is B, that of the
        frames computed together; frames may not change each other.

        Args:
            begin: (parameters, frames float32 [B, H, W, I]) -> what enters every step, arrays.
            step: (parameters, carry, what `begin` gave) -> carry, of the same shapes and types.
            hidden: carry -> float32 [B, C, H, W], by which a halting rule judges; any array of
                four axes.
            readout: (parameters, carry) -> float32 [B, H, W, K], or any array of four axes.
            initial: B -> carry before the first frame of a stream.
            parameters: a mapping of arrays; {} without.
            policy: when frames end.
            frame_shape: (height, width, channels) of frames.
            options: others of `StreamEngine`; with `stateful=False` every frame starts anew.

        Raises:
            InputError: as `StreamEngine`.
        """
        height, width, channels = frame_shape
        model = FunctionModel(begin, step, hidden, readout, initial, channels)
        variables = {"params": parameters} if parameters else {}
        return cls(model, variables, policy, (height, width), **options)

    def _shadows_under(self, prepared: Prepared, policy: StepwisePolicy) -> Shadows | None:
        if self._shadow is None:
            return None
        return Shadows(self._shadow, prepared, policy, stateful=self._stateful)

    def _compile(self, prepared: Prepared, policy: StepwisePolicy, shadows: Shadows | None) -> None:
        """Compiles what `_program` computes of a model and a policy."""
        look = self._turns.nothing() if may_leave_out_frames(policy) else None
        self._program.compile(prepared, policy, self._turns.no_load(), look)
        if shadows:
            states = self._program.states(policy)
            shadows.cast(states, self._turns.nothing().frames, 0, 0, False)
            shadows.forget()

    def __repr__(self) -> str:
        """Returns what it runs, and how busy it is."""
        streams = list(self._streams.values())
        height, width, _ = self._frame
        return (
            f"<StreamEngine {type(self._program.prepared.model).__name__} under "
            f"{policy_name(self._program.policy)[:_NAMED]}, {self._slots} slots, frames of "
            f"{height}x{width} pixels, {len(streams)} streams, {sum(s.left for s in streams)} "
            "frames wait>"
        )

    def open(
        self,
        name: str = "",
        *,
        budget: Any = None,
        when_full: str = "",
        on_result: OnResult | None = None,
        priority: int = 0,
        keep_frames: bool = False,
    ) -> Stream:
        """Opens a stream.

        Args:
            name: of its results; a number unless given. It must not be in use.
            budget: seconds from `submit` to the result: a frame that has not halted by then is
                read out as it is, after one step at least; None for as long as it takes.
            when_full: what `submit` does then, if not what it does for the engine's others: a
                camera may drop frames where a file waits.
            on_result: called with each result, in order, by a thread that computes, instead of
                leaving it to `results`. It may call the engine; it must not wait for another thread
                that does. If it raises, its stream fails and is logged; results that were still to
                come go to `results`.
            priority: streams of a higher one get slots first, those of the same take turns.
            keep_frames: whether results hold their frames.

        Raises:
            InputError: if the name is in use or as many streams are open as may be.
        """
        budget = checks.checked_budget(budget)
        checks.check_when_full(when_full or self._when_full)
        with self._books:
            name = name or next(n for n in map(str, self._names) if n not in self._streams)
            if name in self._streams:
                raise InputError(f"a stream named {name!r} is open: choose another name")
            if not self._rows:
                raise InputError(
                    f"{len(self._streams)} streams are open, as many as this engine keeps states "
                    "of: close one, or make it with a larger max_streams"
                )
            when_full = when_full or self._when_full
            row = self._rows.pop()
            stream = Stream(
                name, row, self._key, budget, when_full, on_result, priority, keep_frames
            )
            self._streams[name] = stream
            return stream

    def submit(self, stream: Stream, frame: Any, tag: Any = None) -> int:
        """Queues the next frame of a stream.

        Args:
            stream: an open stream.
            frame: uint8, or float32 in 0..1, [H, W, I].
            tag: whatever its result is to carry.

        Returns:
            The frame's number in its stream.

        Raises:
            InputError: if the stream is closed, has failed or is another engine's, the frame is of
                another size or type, or holds NaN, too many results are unread, or the queue is
                full and `when_full` is "error". The frame is then counted as refused, and the
                stream is as it was.
        """
        waiting = self._checked(stream, frame, tag)
        while not self._queued(stream, waiting):
            self.tick()
        return waiting.index

    async def answer(self, stream: Stream, frame: Any, tag: Any = None) -> FrameResult:
        """Queues the next frame of a stream and returns its result; for programs with asyncio.

        The event loop goes on meanwhile; frames of several streams that are awaited together are
        computed together. The result goes to no callback and not to `results`.

        Args:
            stream: an open stream.
            frame: uint8, or float32 in 0..1, [H, W, I].
            tag: whatever its result is to carry.

        Raises:
            InputError: as `submit`.
        """
        waiting = self._checked(stream, frame, tag)
        waiting.future, run = Future(), asyncio.get_running_loop().run_in_executor
        while not self._queued(stream, waiting) or not waiting.future.done():
            await run(self._worker, self._tick)
            self._delivery.deliver()
        return waiting.future.result()

    def reset(self, stream: Stream) -> None:
        """Makes the next frame that is submitted the first of a video.

        It starts from a fresh state and with a fresh memory of the policy; frames that wait belong
        to the video before.

        Raises:
            InputError: if the stream is closed, has failed or is another engine's.
        """
        with self._books:
            self._check_own(stream)
            try:
                stream.check_takes()
            except InputError as error:
                raise InputError(f"stream {stream.name!r}: {error}") from None
            stream.begins = True

    def has_room(self, stream: Stream) -> bool:
        """Whether another frame of a stream would be queued at once.

        Raises:
            InputError: if it is a stream of another engine.
        """
        self._check_own(stream)
        return len(stream.queue) < self._queue

    def discard(self, stream: Stream) -> int:
        """Drops the frames of a stream that wait; returns how many.

        Raises:
            InputError: if it is a stream of another engine.
        """
        with self._books:
            self._check_own(stream)
            count = len(stream.queue)
            for _ in range(count):
                self._drop(stream, "it was discarded")
            self._forget_if_over(stream)
            return count

    def close(self, stream: Stream) -> None:
        """Takes no more frames of a stream; those that wait are still computed, or see `discard`.

        Raises:
            InputError: if it is closed already, or another engine's.
        """
        with self._books:
            self._check_own(stream)
            if stream.closed:
                raise InputError(f"stream {stream.name!r} is closed already")
            stream.closed = True
            self._forget_if_over(stream)

    def snapshot(self, *streams: Stream, remove: bool = False) -> Snapshot:
        """Returns streams as they are between two ticks, to be kept or to go on elsewhere.

        Frames that have had no result are part of it, those at work too: a stream that is restored
        computes them from the state of the last frame that has ended.

        Args:
            streams: which ones; without any, all that have not failed.
            remove: whether they end here at once, without results for those frames. Who awaits
                `answer` gets an `InputError`.

        Raises:
            InputError: if one of the streams has failed, is over, or is another engine's.
        """
        return self._apart(lambda: self._snapshot(streams, remove))

    def restore(
        self,
        snapshot: Snapshot,
        *,
        on_result: OnResult | None = None,
        other_weights: bool = False,
        other_policy: bool = False,
    ) -> list[Stream]:
        """Opens the streams of a snapshot, which go on where they were.

        Their frames that wait are computed, whatever this engine's `queue`; budgets count from now.

        Args:
            snapshot: of an engine of the same model and frame size.
            on_result: as for `open`, for all of them.
            other_weights: whether states that other weights have left may be gone on with.
            other_policy: whether the streams may go on under another policy. It keeps what the
                policy before has carried if it is of the same kind, and begins anew otherwise.

        Raises:
            InputError: if it is of another model, frame size, policy or weights, has damaged
                arrays, a name is in use, or too many streams would be open. Nothing has changed
                then.
        """
        return self._apart(lambda: self._restore(snapshot, on_result, other_weights, other_policy))

    def change(
        self,
        *,
        variables: Variables | Prepared | None = None,
        policy: StepPolicy | None = None,
    ) -> None:
        """Goes on with other weights or another policy; no stream is lost, and no frame.

        What is needed is compiled before anything changes. Frames at work begin again, from the
        state of the frame before: each is computed by one set of weights under one policy. States
        of streams stay as they are; so does what a policy carries if the new one is of the same
        kind. Not for two threads at once.

        Args:
            variables: of the same model; None for those it has.
            policy: None for the one it has.

        Raises:
            InputError: if these are none of this model, or no policy for streams.
        """
        prepared, rule = self._program.prepared, self._program.policy
        if variables is not None:
            prepared = as_prepared(prepared.model, variables, prepared.frame_shape)
        if policy is not None:
            rule = checks.checked_policy(policy)
        shadows = self._shadows_under(prepared, rule)
        with jax.default_device(self._device):
            self._compile(prepared, rule, shadows)
        self._apart(lambda: self._change(prepared, rule, shadows))

    def tick(self) -> bool:
        """Fills free slots, makes the steps of a tick, and hands out what has ended.

        Returns:
            Whether there was anything to do.
        """
        busy = self._delivery.deliver()
        if self._leaves_out:
            # Before the rest, which takes its time.
            busy |= self._apart(self._repeat_alone)
            busy |= self._delivery.deliver()
        busy |= self._apart(self._advance_alone)
        return self._delivery.deliver() or busy

    def results(self) -> Iterator[FrameResult]:
        """Yields results, in order within a stream, and computes until none is left to come."""
        while True:
            result = self._delivery.pop()
            if result is None and not self.tick():
                result = self._delivery.pop()  # of another thread's tick
                if result is None:
                    return
            if result is not None:
                yield result

    def poll(self) -> list[FrameResult]:
        """Returns the results that are there, without computing."""
        self._delivery.deliver()
        return self._delivery.take()

    def statistics(self) -> Statistics:
        """Returns what has been done so far."""
        with self._books:
            return self._counter.statistics(sum(s.left for s in self._streams.values()))

    def reset_statistics(self) -> None:
        """Counts from here on."""
        with self._books:
            self._counter = Counter()

    def _snapshot(self, streams: tuple[Stream, ...], remove: bool) -> Snapshot:
        with self._no_tick(), self._books:
            for stream in streams:
                self._check_moves(stream)
            chosen = streams or tuple(s for s in self._streams.values() if not s.failure)
            if remove:
                self._mover.rewind(chosen)
            found = self._mover.snapshot(chosen)
            if remove:
                for stream in chosen:
                    self._let_go(stream)
        self._delivery.deliver()
        return found

    def _check_moves(self, stream: Stream) -> None:
        self._check_own(stream)
        if stream.failure:
            raise InputError(f"stream {stream.name!r}: {stream.failure}")
        if self._streams.get(stream.name) is not stream:
            raise InputError(f"stream {stream.name!r} is over")

    def _let_go(self, stream: Stream) -> None:
        """Ends a stream that goes on elsewhere."""
        self._turns.remove(stream)
        stream.let_go(InputError(f"stream {stream.name!r} was moved to another engine"))
        stream.closed = True
        self._forget_if_over(stream)

    def _restore(
        self,
        snapshot: Snapshot,
        on_result: OnResult | None,
        other_weights: bool,
        other_policy: bool,
    ) -> list[Stream]:
        with self._no_tick(), self._books:
            self._mover.check(snapshot, other_weights, other_policy)
            names = [told.name for told in snapshot.streams]
            if taken := sorted(self._streams.keys() & set(names)):
                raise InputError(f"a stream named {taken[0]!r} is open: close it first")
            if len(names) > len(self._rows):
                raise InputError(
                    f"{len(self._streams)} streams are open, and {len(names)} more than this "
                    "engine keeps states of: make it with a larger max_streams"
                )
            rows = self._rows[len(self._rows) - len(names) :]
            streams = [
                self._continued(told, row, on_result) for told, row in zip(snapshot.streams, rows)
            ]
            self._mover.put(streams, snapshot)
            del self._rows[len(self._rows) - len(names) :]
            for stream in streams:
                self._streams[stream.name] = stream
                self._wait_or_forget(stream)
            return streams

    def _continued(self, told: StreamState, row: int, on_result: OnResult | None) -> Stream:
        stream = Stream(
            told.name,
            row,
            self._key,
            told.budget,
            told.when_full,
            on_result,
            told.priority,
            told.keep_frames,
        )
        stream.closed, stream.submitted = told.closed, told.submitted
        stream.begins, stream.begun = told.begins, told.begun
        if self._leaves_out:
            stream.outputs = self._mover.outputs(told)
        stream.go_on(frames_of(told, self._clock()), dropped_of(told))
        return stream

    def _change(self, prepared: Prepared, policy: StepwisePolicy, shadows: Shadows | None) -> None:
        with self._no_tick(), self._books:
            self._mover.rewind(tuple(self._turns.held().values()))
            self._program.change(prepared, policy, self._mover.keeps_memory(policy))
            self._shadows, self._leaves_out = shadows, may_leave_out_frames(policy)
            if not self._leaves_out:
                for stream in self._streams.values():
                    stream.outputs = None
                    self._turns.dropped(stream)

    def _apart(self, work: Callable[[], T]) -> T:
        """Does work that must not be ended halfway.

        Ctrl-C raises in the main thread, wherever that is: between a frame that has left its slot
        and its result, it would be lost. Other threads are never interrupted.
        """
        if threading.current_thread() is threading.main_thread():
            return self._worker.submit(work).result()
        return work()

    def _tick(self) -> bool:
        """A tick, without delivering what came of it."""
        repeated = self._leaves_out and self._repeat_alone()
        return self._advance_alone() or repeated

    def _repeat_alone(self) -> bool:
        return self._alone(self._repeat)

    def _advance_alone(self) -> bool:
        busy = self._alone(self._advance)
        self._failed_before = False
        return busy

    def _alone(self, work: Callable[[], bool]) -> bool:
        """Lets the device work; puts the books in order if it fails."""
        with self._no_tick():
            slots = self._program.slots
            try:
                return work()
            except BaseException as error:
                with self._books:
                    self._recover(error, any_advanced=self._program.slots is not slots)
                raise

    @contextlib.contextmanager
    def _no_tick(self) -> Iterator[None]:
        """Gives the device to one thread at a time, in the order in which they ask."""
        mine = object()
        with self._books:
            self._asking.append(mine)
            try:
                self._books.wait_for(lambda: not self._computing and self._asking[0] is mine)
                self._computing = True
            finally:
                self._asking.remove(mine)
        try:
            with jax.default_device(self._device):
                yield
        finally:
            with self._books:
                self._computing = False
                self._books.notify_all()

    def _repeat(self) -> bool:
        """Answers frames that the policy leaves out, until all that wait need a step."""
        any_repeated = False
        while (look := self._looked()) is not None:
            self._cast_looked_at(look)
            left_out = self._program.leaves_out(look)
            now = self._clock()
            with self._books:
                for stream in self._turns.seen(left_out):
                    any_repeated = True
                    self._put_out(stream, stream.repeat(now))
                    self._wait_or_forget(stream)
        return any_repeated

    def _looked(self) -> Look | None:
        with self._books:
            return self._turns.look()

    def _advance(self) -> bool:
        """Fills slots and makes steps; returns whether any slot holds a frame."""
        began = self._clock()
        with self._books:
            # One that is not cut now could be cut by the next tick at the earliest.
            usual = statistics.median(self._tick_seconds) if self._tick_seconds else 0.0
            load = self._turns.load(then=began + 2 * usual)
            loaded = self._turns.loaded
        if loaded:
            self._cast_begun(load)
            ended = to_host(self._program.tick(load))
            now = self._clock()
            with self._books:
                self._turns.begun()
                self._tick_seconds.append(now - began)
                useful = int(ended.useful)
                self._counter.count_tick(self._slots, loaded, self._steps, useful, now - began)
                for slot in np.flatnonzero(ended.ended):
                    self._end(int(slot), ended, now)
        self._compare()
        return loaded > 0

    def _recover(self, error: BaseException, any_advanced: bool) -> None:
        """Puts the books in order after a tick that failed."""
        again, self._failed_before = self._failed_before, True
        lost = not self._program.is_whole()
        if lost:
            self._program.renew()
            concerned = [s for s in self._streams.values() if s.begun or s.at_work]
        elif any_advanced or again:
            # What has ended is not known; or the same frames have failed twice.
            self._program.empty_slots()
            concerned = [s for s in self._streams.values() if s.at_work]
        else:
            concerned = []
        self._turns.put_back()
        what = "its state was lost" if lost else "the engine could not compute it"
        for stream in concerned:
            self._fail(stream, f"{what}: {type(error).__name__}: {error}")

    def _fail(self, stream: Stream, reason: str) -> None:
        """Ends a stream with what it has left."""
        now = self._clock()
        self._turns.remove(stream)
        if stream.at_work or stream.queue:
            if not stream.at_work:
                stream.take()
            self._put_out(stream, stream.end(FAILED, now, None, 0, reason))
        else:
            stream.fail(f"it failed after frame {stream.submitted - 1}: {reason}", now)
        self._forget_if_over(stream)

    def _fail_for_callback(self, stream: Stream, error: Exception) -> None:
        """Ends a stream whose callback has raised; a frame at work is still read out."""
        if not stream.at_work:
            self._turns.remove(stream)
        reason = f"its on_result raised {type(error).__name__}: {error}"
        self._put_out(stream, stream.fail(reason, self._clock()))
        self._forget_if_over(stream)

    def _cast_looked_at(self, look: Look) -> None:
        """Begins the shadows of frames that may be left out, from the states before them."""
        if self._shadows:
            for place, stream in enumerate(self._turns.looked_at()):
                if stream.take_shadow():
                    store = self._program.store
                    self._shadows.cast(store, look.frames, place, stream.row, False)

    def _cast_begun(self, load: Load) -> None:
        """Begins the shadows of frames that get slots."""
        if self._shadows:
            for slot in map(int, np.flatnonzero(load.mask)):
                stream = self._turns.holder(slot)
                if stream.take_shadow():
                    first, store = bool(load.first[slot]), self._program.store
                    self._shadows.cast(store, load.frames, slot, stream.row, first)

    def _compare(self) -> None:
        """Takes what has come of shadows."""
        if self._shadows:
            losses = self._shadows.losses()
            with self._books:
                for loss in losses:
                    self._counter.count_shadow(loss)
                    self._delivery.call(self._shadows.on_loss, loss)

    def _end(self, slot: int, ended: Ended, now: float) -> None:
        """Takes a frame out of its slot."""
        steps = int(ended.steps[slot])
        # A copy, or each result would keep those of all slots.
        outputs = jax.tree.map(lambda x: np.array(x[slot]), ended.outputs)
        stream = self._turns.free(slot)
        if ended.finite[slot]:
            status = CUT if ended.cut[slot] else DONE if steps else REPEATED
            if self._leaves_out:
                stream.outputs = jax.tree.map(np.copy, outputs)
            due = stream.end(status, now, outputs, steps, first=bool(ended.first[slot]))
        else:
            due = stream.end(FAILED, now, None, steps, "the state became NaN or infinite")
        self._put_out(stream, due)
        self._wait_or_forget(stream)

    def _wait_or_forget(self, stream: Stream) -> None:
        if stream.queue:
            self._turns.wait(stream)
        self._forget_if_over(stream)

    def _put_out(self, stream: Stream, due: list[Due]) -> None:
        for result, future in due:
            self._counter.count_result(result.status, result.seconds)
            self._delivery.put(stream, (result, future))

    def _checked(self, stream: Stream, frame: Any, tag: Any) -> Waiting:
        """A frame that may be queued."""
        self._check_own(stream)
        try:
            stream.check_takes()
            copy = checks.checked_frame(frame, self._frame)
        except InputError as error:
            raise self._refused(stream, error) from None
        return Waiting(-1, copy, self._clock(), None, False, tag=tag, time=time.time())

    def _check_own(self, stream: Stream) -> None:
        if stream.owner is not self._key:
            raise InputError(f"stream {stream.name!r} is of another engine")

    def _refused(self, stream: Stream, error: InputError) -> InputError:
        with self._books:
            self._counter.refused += 1
        return InputError(f"stream {stream.name!r}: {error}")

    def _queued(self, stream: Stream, waiting: Waiting) -> bool:
        """Queues a frame if there is room, or can be made; once."""
        with self._books:
            if waiting.index >= 0:
                return True
            try:
                stream.check_takes()
                if stream.on_result is None and waiting.future is None:
                    self._delivery.check_room()
                if not self._make_room(stream):
                    return False
            except InputError as error:
                raise self._refused(stream, error) from None
            if self._shadows:
                waiting.in_shadow = self._shadows.drawn()
            stream.put(waiting)
            if not stream.at_work and len(stream.queue) == 1:
                self._turns.wait(stream)
            return True

    def _make_room(self, stream: Stream) -> bool:
        """Does what the stream's `when_full` says, if the queue is full; not "block"."""
        while len(stream.queue) >= self._queue:
            if stream.when_full == "block":
                return False
            if stream.when_full == "error":
                raise InputError(
                    f"its queue is full ({self._queue}): submit fewer frames, make the engine "
                    'with a longer queue, or with when_full="block" or "drop_oldest"'
                )
            self._drop(stream, "newer frames came")
        return True

    def _drop(self, stream: Stream, reason: str) -> None:
        """Drops the oldest frame of a stream that waits."""
        self._put_out(stream, stream.drop(reason, self._clock()))
        if not stream.at_work:
            self._turns.dropped(stream)

    def _forget_if_over(self, stream: Stream) -> None:
        """Gives back name and row of a stream that will have no more results."""
        if stream.closed and not stream.left and self._streams.get(stream.name) is stream:
            del self._streams[stream.name]
            self._rows.append(stream.row)
