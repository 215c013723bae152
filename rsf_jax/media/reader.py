"""Reads a source ahead, in a thread of its own."""

import threading
from collections import deque

from rsf_jax.media.pictures import Picture
from rsf_jax.media.source import Source

# Pictures that are decoded before they are asked for. Of a live source newer ones take the place of
# those that wait: what is too much is given up here, before anything is made of it.
_AHEAD, _AHEAD_LIVE = 4, 1
_AHEAD_BYTES = 2**24


class Reader:
    """Decodes the pictures of a source while others are computed.

    A file waits until its pictures are taken; of a live source the oldest are given up.

    Attributes:
        source: what is read.
        lost: pictures that were given up.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.lost = source, 0
        self._pictures: deque[Picture] = deque()
        # Taken by itself: a Condition that Ctrl-C ends while it is taken stays locked.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stopped = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to take."""
        return not self._thread.is_alive() and not self._pictures

    def take(self) -> Picture | None:
        """Returns the next picture, None if there is none yet; never waits."""
        with self._lock:
            if self._pictures:
                self._changed.notify()
                return self._pictures.popleft()
        if self._error is not None:
            raise self._error from None
        return None

    def stop(self) -> None:
        """Ends the thread and closes the source, and waits for neither.

        A camera or a pipe that sends nothing may hold the thread, which ends with the process.
        """
        with self._lock:
            self._stopped = True
            self._changed.notify()
        self.source.close()

    def _run(self) -> None:
        try:
            for picture in self.source:
                if self._stopped:
                    return
                self._put(picture)
        except Exception as error:  # of the thread that takes
            self._error = error
        finally:
            self.source.close()

    def _put(self, picture: Picture) -> None:
        with self._lock:
            while self.source.live and len(self._pictures) >= _AHEAD_LIVE:
                self._pictures.popleft()
                self.lost += 1
            self._changed.wait_for(lambda: self._stopped or self._has_room())
            self._pictures.append(picture)

    def _has_room(self) -> bool:
        held = sum(picture.nbytes for picture in self._pictures)
        return not held or (len(self._pictures) < _AHEAD and held < _AHEAD_BYTES)
