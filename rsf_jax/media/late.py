"""A source that may be away: it is opened where it is read, and again when it has gone."""

import sys
import threading
from collections.abc import Callable, Iterator

from rsf_jax.errors import InputError
from rsf_jax.media.pictures import Picture, Shaper
from rsf_jax.media.source import Source, UnreachableError
from rsf_jax.media.times import Times

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # seconds


class LateSource(Source):
    """A camera, an address or a pipe, which is opened when its first picture is asked for.

    Nothing else waits for one that does not answer: it ends by itself. A live one that has sent
    pictures and goes away is opened again, after 1, 2, 4 ... seconds, 30 at most; its pictures go
    on in time.

    Args:
        label: for messages.
        name: for files.
        open_it: opens it.
        tries: how often it is opened again in a row without a picture before it is given up.
        wait: seconds before it is opened again.
    """

    def __init__(
        self,
        label: str,
        name: str,
        open_it: Callable[[], Source],
        tries: int,
        wait: int | float = _FIRST_WAIT,
    ) -> None:
        self._open, self._tries, self._first_wait = open_it, tries, wait
        self._source: Source | None = None
        self._closed = threading.Event()
        super().__init__(label, name, True, None, Shaper(None, 3))

    def _read(self) -> Iterator[Picture]:
        left, wait, times = self._tries, self._first_wait, Times(True)
        while not self._closed.is_set():
            before, self.problem = self.count, ""
            for picture in self._opened():
                index, self.count = self.count + self.skipped, self.count + 1
                # Of a source that has been away the times begin anew.
                seconds = times.of(picture.seconds, 0.0) if self.live else picture.seconds
                yield picture.moved(seconds, index)
            if self._is_over():
                return
            if self.count > before:
                left, wait = self._tries, self._first_wait
            if left < 1 or not self.count:
                return
            left -= 1
            print(f"{self.problem}; it is opened again", file=sys.stderr, flush=True)
            if self._closed.wait(wait):
                return
            wait = min(2 * wait, _LONGEST_WAIT)
            self.reconnects += 1

    def _opened(self) -> Iterator[Picture]:
        """Pictures until it goes away; says why in `problem`."""
        self._final = False
        try:
            source = self._source = self._open()
        except UnreachableError as error:
            self.problem = str(error)
            return
        except InputError as error:
            self.problem, self._final = str(error), True
            return
        if self.count:  # it may have come back with frames of another size
            source.go_on_from(self)
        self._shaper = source._shaper
        self.live, self.frames_per_second = source.live, source.frames_per_second
        for text in source.notes:
            self.note(text)
        source.notes = self.notes
        skipped, damaged = self.skipped, self.damaged
        try:
            for picture in source:
                self.skipped = skipped + source.skipped
                self.damaged = damaged + source.damaged
                yield picture
        finally:
            source.close()
        # What came after the last picture.
        self.skipped, self.damaged = skipped + source.skipped, damaged + source.damaged
        self.problem = source.problem

    def _is_over(self) -> bool:
        if self._closed.is_set():
            self.problem = ""
        return self._closed.is_set() or self._final or not self.live or not self.problem

    def close(self) -> None:
        """Ends it, and does not wait for one that does not answer."""
        self._closed.set()
        if self._source is not None:
            self._source.close()
