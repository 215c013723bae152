"""Who lets the device work, and what becomes of the books if that fails."""

import contextlib
import statistics
import threading
from collections import deque
from collections.abc import Callable, Iterator

import jax

from rsf_jax.models.base import Prepared
from rsf_jax.policies.base import StepwisePolicy, may_leave_out_frames
from rsf_jax.streaming.apart import Apart
from rsf_jax.streaming.books import Books
from rsf_jax.streaming.program import Program, to_host
from rsf_jax.streaming.shadow import Shadow, Shadows
from rsf_jax.streaming.slots import Load, Look

# Ticks whose median duration deadlines are met by: one that was held up says nothing of the next.
_RECENT = 15


class Worker:
    """Ticks of an engine, one at a time, for whichever thread asks.

    Args:
        books: what the engine knows of its streams.
        program: the compiled tick.
        slots: frames computed together.
        stateful: start each frame from the state the previous one left.
        shadow: which frames are compared with a reference, and how; None for none.

    Attributes:
        program: as given.
        apart: does work that must not be ended halfway.
    """

    def __init__(
        self, books: Books, program: Program, *, slots: int, stateful: bool, shadow: Shadow | None
    ) -> None:
        self.program, self._books, self._slots = program, books, slots
        self._stateful, self._shadow = stateful, shadow
        # Where it was made it works, whichever thread asks for it.
        self._device = jax.config.jax_default_device  # type: ignore[attr-defined]
        self.apart = Apart()
        self._computing = False
        self._left = threading.Condition(books.lock)  # by who was computing
        # Or one that ticks and ticks again would keep the others out.
        self._asking: deque[object] = deque()
        self._failed_before = False  # the last tick
        self._tick_seconds: deque[float] = deque(maxlen=_RECENT)
        self._shadows: Shadows | None = None
        # Or the first frames would wait for it.
        self._take(program.policy, self.compiled(program.prepared, program.policy))

    def compiled(self, prepared: Prepared, policy: StepwisePolicy) -> Shadows | None:
        """Compiles what is computed of a model and a policy; returns the shadows under it."""
        turns = self._books.turns
        look = turns.nothing() if may_leave_out_frames(policy) else None
        with jax.default_device(self._device):
            self.program.compile(prepared, policy, turns.no_load(), look)
            if self._shadow is None:
                return None
            shadows = Shadows(self._shadow, prepared, policy, stateful=self._stateful)
            shadows.cast(self.program.states(policy), turns.nothing().frames, 0, 0, False)
            shadows.forget()
        return shadows

    def change(
        self,
        prepared: Prepared,
        policy: StepwisePolicy,
        shadows: Shadows | None,
        *,
        keeps_memory: bool,
    ) -> None:
        """Goes on with other variables and another policy, with no frame at work."""
        other_weights = prepared is not self.program.prepared
        self.program.change(prepared, policy, keeps_memory)
        self._take(policy, shadows)
        # What other weights have made of a frame is not repeated: it is read out anew.
        if other_weights or not self._books.repeats:
            self._books.forget_outputs()

    def _take(self, policy: StepwisePolicy, shadows: Shadows | None) -> None:
        self._shadows = shadows
        self._books.repeats = may_leave_out_frames(policy)
        self._books.in_shadow = shadows.drawn if shadows else lambda: False

    def tick(self) -> bool:
        """Makes a tick, without delivering what came of it; returns whether there was any work."""
        repeated = self.repeat()
        return self.advance() or repeated

    def repeat(self) -> bool:
        """Answers frames that the policy leaves out; returns whether there were any."""
        return self._books.repeats and self._recovering(self._repeat)

    def advance(self) -> bool:
        """Fills slots and makes steps; returns whether any slot held a frame."""
        busy = self._recovering(self._advance)
        self._failed_before = False
        return busy

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Gives the device to one thread at a time, in the order in which they ask."""
        lock, mine = self._books.lock, object()
        with lock:
            self._asking.append(mine)
            try:
                self._left.wait_for(lambda: not self._computing and self._asking[0] is mine)
                self._computing = True
            finally:
                self._asking.remove(mine)
        try:
            with jax.default_device(self._device):
                yield
        finally:
            with lock:
                self._computing = False
                self._left.notify_all()

    def _recovering(self, work: Callable[[], bool]) -> bool:
        """Lets the device work; puts the books in order if it fails."""
        with self.alone():
            slots = self.program.slots
            try:
                return work()
            except BaseException as error:
                with self._books.lock:
                    self._recover(error, any_advanced=self.program.slots is not slots)
                raise

    def _repeat(self) -> bool:
        """Answers frames that the policy leaves out, until slots have enough that need a step."""
        books, any_repeated = self._books, False
        while (look := self._looked()) is not None:
            self._cast_looked_at(look)
            left_out = self.program.leaves_out(look)
            with books.lock:
                for stream in books.turns.seen(left_out):
                    any_repeated = True
                    books.repeat(stream)
        return any_repeated

    def _looked(self) -> Look | None:
        with self._books.lock:
            return self._books.turns.look(hurry=self._books.hurries)

    def _advance(self) -> bool:
        books = self._books
        began = books.clock()
        with books.lock:
            # One that is not cut now could be cut by the next tick at the earliest.
            usual = statistics.median(self._tick_seconds) if self._tick_seconds else 0.0
            # Deadlines and priorities need short ticks; of what fails twice, little is concerned.
            fill = books.hurries or self._failed_before
            load = books.turns.load(then=began + 2 * usual, fill=fill)
            loaded = books.turns.loaded + int(load.count)
        if loaded:
            self._cast_begun(load)
            ended = to_host(self.program.tick(load))
            seconds = books.clock() - began
            with books.lock:
                self._tick_seconds.append(seconds)
                held, executed = min(loaded, self._slots), int(ended.executed)
                books.counter.count_tick(self._slots, held, executed, int(ended.useful), seconds)
                for entry, stream in books.turns.ticked(ended.ended, ended.holding).items():
                    books.end(entry, stream, ended)
        self._compare()
        return loaded > 0

    def _recover(self, error: BaseException, any_advanced: bool) -> None:
        """Puts the books in order after a tick that failed."""
        again, self._failed_before = self._failed_before, True
        lost = not self.program.is_whole()
        streams = self._books.streams
        if lost:
            self.program.renew()
            concerned = [s for s in streams if s.begun or s.at_work]
        elif any_advanced or again:
            # What has ended is not known; or the same frames have failed twice.
            self.program.empty_slots()
            concerned = [s for s in streams if s.at_work]
        else:
            concerned = []
        self._books.turns.put_back()
        what = "its state was lost" if lost else "the engine could not compute it"
        for stream in concerned:
            self._books.fail(stream, f"{what}: {type(error).__name__}: {error}")

    def _cast_looked_at(self, look: Look) -> None:
        """Begins the shadows of frames that may be left out, from the states before them."""
        if self._shadows:
            for place, stream in enumerate(self._books.turns.looked_at()):
                if stream.take_shadow():
                    store = self.program.store
                    self._shadows.cast(store, look.frames, place, stream.row, False)

    def _cast_begun(self, load: Load) -> None:
        """Begins the shadows of frames that are about to begin."""
        if self._shadows:
            for place, stream in enumerate(self._books.turns.new()):
                if stream.take_shadow():
                    first, store = bool(load.first[place]), self.program.store
                    self._shadows.cast(store, load.frames, place, stream.row, first)

    def _compare(self) -> None:
        """Takes what has come of shadows."""
        if self._shadows:
            losses = self._shadows.losses()
            with self._books.lock:
                for loss in losses:
                    self._books.counter.count_shadow(loss)
                    self._books.delivery.call(self._shadows.on_loss, loss)
