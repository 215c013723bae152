"""The engine: takes frames of many videos, keeps the slots filled, hands out results."""

import time
from collections.abc import Callable
from typing import Any

from rsf_jax.arguments import flag, whole
from rsf_jax.checks import as_prepared
from rsf_jax.errors import InputError
from rsf_jax.models.base import Prepared, VideoModel
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.streaming import checks
from rsf_jax.streaming.books import Books
from rsf_jax.streaming.front import Front
from rsf_jax.streaming.functions import function_model
from rsf_jax.streaming.moving import Mover
from rsf_jax.streaming.program import Program
from rsf_jax.streaming.shadow import Shadow, check_shadow
from rsf_jax.streaming.snapshot import Snapshot
from rsf_jax.streaming.streams import OnResult, Stream
from rsf_jax.streaming.tick import Transform
from rsf_jax.streaming.worker import Worker
from rsf_jax.typing import Variables

_NAMED = 60  # characters of a policy's name, where the engine is shown


class StreamEngine(Front):
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
        steps_per_tick: recurrent steps of a tick in which no frame waits for a slot: more spare
            the host work, and waste steps of slots that halt between. While frames wait, slots are
            refilled within the tick, unless a stream has a budget or a priority.
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
        slots, max_streams = whole("slots", slots), whole("max_streams", max_streams)
        queue, steps_per_tick = whole("queue", queue), whole("steps_per_tick", steps_per_tick)
        unread_bytes = whole("unread_bytes", unread_bytes)
        checks.check_when_full(when_full)
        checks.check_functions(transform=transform, clock=clock)
        check_shadow(shadow)
        stateful = flag("stateful", stateful)
        model = checks.checked_model(model)
        prepared, policy = as_prepared(model, variables, frame_shape), checks.checked_policy(policy)
        program = Program(
            prepared,
            policy,
            slots=slots,
            rows=max_streams,
            steps=steps_per_tick,
            stateful=stateful,
            transform=transform,
        )
        self._books = Books(
            slots=slots,
            frame=(*prepared.frame_shape, model.input_channels),
            max_streams=max_streams,
            queue=queue,
            when_full=when_full,
            unread_bytes=unread_bytes,
            clock=clock,
        )
        self._worker = Worker(self._books, program, slots=slots, stateful=stateful, shadow=shadow)
        self._apart = self._worker.apart
        self._mover = Mover(self._worker, self._books, stateful)
        self._slots = slots

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
            InputError: as `StreamEngine`; or if what a function gives is not what others take.
        """
        functions: dict[str, Callable] = {"begin": begin, "step": step, "hidden": hidden}
        functions |= {"readout": readout, "initial": initial}
        height, width, channels = checks.checked_frame_shape(frame_shape)
        model = function_model(functions, parameters, (height, width, channels))
        variables = {"params": parameters} if parameters else {}
        return cls(model, variables, policy, (height, width), **options)

    def __repr__(self) -> str:
        """Returns what it runs, and how busy it is."""
        program = self._worker.program
        height, width, _ = self._books.turns.frame
        return (
            f"<StreamEngine {type(program.prepared.model).__name__} under "
            f"{policy_name(program.policy)[:_NAMED]}, {self._slots} slots, frames of "
            f"{height}x{width} pixels, {self._books}>"
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
            InputError: if an argument is none of these, the name is in use, or as many streams are
                open as may be.
        """
        return self._books.open(name, budget, when_full, on_result, priority, keep_frames)

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
        remove = flag("remove", remove)
        return self._apart(lambda: self._mover.take(streams, remove))

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
        if not isinstance(snapshot, Snapshot):
            raise InputError(
                f"snapshot is {type(snapshot).__name__}: a Snapshot is needed, as Snapshot.load or "
                "Snapshot.from_bytes returns"
            )
        checks.check_on_result(on_result)
        weights = flag("other_weights", other_weights)
        policy = flag("other_policy", other_policy)
        return self._apart(lambda: self._mover.put(snapshot, on_result, weights, policy))

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
        kind. A frame that is left out is read out anew under other weights, of the state that there
        is. Not for two threads at once.

        Args:
            variables: of the same model; None for those it has.
            policy: None for the one it has.

        Raises:
            InputError: if these are none of this model, or no policy for streams.
        """
        program = self._worker.program
        prepared, rule = program.prepared, program.policy
        if variables is not None:
            prepared = as_prepared(prepared.model, variables, prepared.frame_shape)
        if policy is not None:
            rule = checks.checked_policy(policy)
        shadows = self._worker.compiled(prepared, rule)
        self._apart(lambda: self._mover.change(prepared, rule, shadows))

    def tick(self) -> bool:
        """Fills free slots, makes the steps of a tick, and hands out what has ended.

        Returns:
            Whether there was anything to do.
        """
        deliver, apart = self._books.delivery.deliver, self._apart
        busy = deliver()
        if self._books.repeats:
            # Before the rest, which takes its time.
            busy |= apart(self._worker.repeat)
            busy |= deliver()
        busy |= apart(self._worker.advance)
        return deliver() or busy

    def _work(self) -> bool:
        return self._worker.tick()
