"""One video on its way through an engine: source, stream, files, and what was counted."""

import collections
import dataclasses
import time

from rsf_jax.errors import InputError
from rsf_jax.media.gathering import Gathering
from rsf_jax.media.outputs import Outputs
from rsf_jax.media.pictures import Picture
from rsf_jax.media.reader import Reader
from rsf_jax.media.recorder import Recorder
from rsf_jax.media.source import Source
from rsf_jax.streaming import FrameResult, Stream, StreamEngine

_WINDOW = 2.0  # seconds over which rates are taken


@dataclasses.dataclass(frozen=True)
class Account:
    """What became of the frames of a video: `read` is the sum of what follows it, but for `steps`.

    Attributes:
        name: of the stream.
        read: frames that were decoded.
        done, cut, repeated, dropped, failed: as in `FrameResult.status`.
        lost: given up before the engine saw them, because its ticks took too long.
        waiting: without a result when it was stopped.
        skipped: frames or files that could not be decoded.
        damaged: frames that the decoder had to patch up.
        undrawn: frames of a live source that its video leaves out, to keep up.
        steps: recurrent steps of all frames, of all their tiles if they have some.
        reconnects: how often a camera or an address was opened again.
        problem: why it ended before its end; empty if it did not.
        notes: what a user should know of it, such as that its frames are squeezed.
    """

    name: str
    read: int
    done: int
    cut: int
    repeated: int
    dropped: int
    failed: int
    lost: int
    waiting: int
    skipped: int
    damaged: int
    undrawn: int
    steps: int
    reconnects: int
    problem: str
    notes: list[str]


class Feed:
    """Feeds a source to an engine.

    A file waits for the engine; of a live source old frames are dropped for new ones.

    Args:
        source: frames, of the engine's size.
        engine: whose `transform` gives class indices [H, W].
        name: of the stream.
        budget: seconds for a frame; None for any.
        outputs: files that are written.
        max_frames: frames after which it ends; 0 for all.
    """

    def __init__(
        self,
        source: Source,
        engine: StreamEngine,
        name: str,
        budget: float | None,
        outputs: Outputs,
        max_frames: int = 0,
    ) -> None:
        self.name, self._engine, self._recorder = name, engine, Recorder(outputs)
        self._max_frames = max_frames
        self._budget = budget
        self._streams: list[Stream] = [self._opened(name)]  # one for each tile of a frame
        self._waiting = Gathering([name])
        self._closed = False
        self._told = 0  # notes
        self._counts: collections.Counter[str] = collections.Counter()
        self._recent: collections.deque[tuple[float, int]] = collections.deque()
        self._failure = ""
        self._reader = Reader(source)

    @property
    def over(self) -> bool:
        """Whether all results have come."""
        return self._is_closed and not self._waiting

    @property
    def _is_closed(self) -> bool:
        """Whether it takes no more frames; a stream that fails closes itself."""
        return any(stream.closed for stream in self._streams)

    def _opened(self, name: str) -> Stream:
        return self._engine.open(name, budget=self._budget, when_full="error")

    def submit(self) -> None:
        """Submits what has been decoded and may be taken; trouble with it is this feed's alone."""
        while not self._is_closed and self._has_room():
            try:
                picture = self._reader.take()
            except InputError as error:
                self._fail(str(error))
                return
            except Exception as error:  # of any decoder
                self._fail(f"it cannot be read on: {type(error).__name__}: {error}")
                return
            if picture is None:
                if self._reader.over:
                    self._end()
                return
            self._counts["taken"] += 1
            if not self._submit(picture):
                return
            if self._max_frames and self._counts["taken"] >= self._max_frames:
                self._end()

    def _submit(self, picture: Picture) -> bool:
        """Submits the frames of a picture; returns whether the engine has taken them all."""
        taken, index = 0, 0
        try:
            self._open_all(len(picture.frames))
            for stream, frame in zip(self._streams, picture.frames):
                index = self._engine.submit(stream, frame, tag=self)
                taken += 1
        except InputError as error:
            if taken:
                self._waiting.begin(index, picture, taken)
            else:
                self._counts["failed"] += 1
            self._fail(str(error))
            return False
        self._waiting.begin(index, picture, taken)
        return True

    def _open_all(self, count: int) -> None:
        """Opens a stream for each frame of a picture; the first is open."""
        if count == len(self._streams):
            return
        names = [self.name, *(f"{self.name} (tile {n})" for n in range(2, count + 1))]
        for name in names[1:]:
            # One by one: if there is no room for all, those that were opened are closed again.
            self._streams.append(self._opened(name))
        self._waiting = Gathering(names)

    def _has_room(self) -> bool:
        """Whether another frame may come: a file waits for its video to be written, too."""
        if self._recorder.problem:
            self._fail(self._recorder.problem)
            return False
        behind = not (self._recorder.has_room or self._reader.source.live)
        return not behind and all(map(self._engine.has_room, self._streams))

    def take(self, result: FrameResult) -> None:
        """Takes a result of one of its streams; that of a whole picture is written."""
        self._counts["steps"] += result.steps
        gathered = self._waiting.add(result)
        if result.status == "failed":
            self._fail(result.reason)
        if gathered is None:
            return
        whole, picture = gathered
        self._counts[whole.status] += 1
        self._recent.append((time.monotonic(), whole.steps))
        self._recorder.put(whole, picture, may_skip=self._reader.source.live)

    def finish(self) -> None:
        """Completes its files with all they have; of what could not be written nothing is left."""
        self.stop()
        self._recorder.finish()

    def stop(self) -> None:
        """Takes no more frames, and reads no more."""
        if not self._closed:
            self._end()

    def news(self) -> list[str]:
        """Returns notes that it has not returned before."""
        notes = self._reader.source.notes
        new, self._told = notes[self._told :], len(notes)
        return new

    def rates(self) -> tuple[float, float]:
        """Returns frames per second and steps per frame, of the last two seconds."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        count = len(self._recent)
        steps = sum(steps for _, steps in self._recent)
        return count / _WINDOW, steps / count if count else 0.0

    def account(self) -> Account:
        """Returns what became of its frames so far."""
        source, counts = self._reader.source, self._counts
        return Account(
            name=self.name,
            read=counts["taken"] + self._reader.lost,
            done=counts["done"],
            cut=counts["cut"],
            repeated=counts["repeated"],
            dropped=counts["dropped"],
            failed=counts["failed"],
            lost=self._reader.lost,
            waiting=len(self._waiting),
            skipped=source.skipped,
            damaged=source.damaged,
            undrawn=self._recorder.undrawn,
            steps=counts["steps"],
            reconnects=source.reconnects,
            problem=self._failure or self._recorder.problem or source.problem,
            notes=list(source.notes),
        )

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self.stop()

    def _end(self) -> None:
        self._closed = True
        for stream in self._streams:
            if not stream.closed:
                self._engine.close(stream)
        self._reader.stop()
