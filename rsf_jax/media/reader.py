"""Reads a source ahead, in a thread of its own."""

import queue
import threading

from rsf_jax.media.pictures import Picture
from rsf_jax.media.source import Source

_AHEAD = 4  # pictures of a file that are decoded before they are asked for
# A live source is emptied at every tick: so many come in between only if a tick takes seconds.
_AHEAD_LIVE = 64
_WAIT = 0.1  # seconds


class Reader:
    """Decodes the pictures of a source while others are computed.

    A file waits until its pictures are taken; of a live source the oldest are given up.

    Attributes:
        source: what is read.
        lost: pictures that were given up.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.lost = source, 0
        self._pictures: queue.Queue[Picture] = queue.Queue(_AHEAD_LIVE if source.live else _AHEAD)
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to take."""
        return not self._thread.is_alive() and self._pictures.empty()

    def take(self) -> Picture | None:
        """Returns the next picture, None if there is none yet; never waits."""
        try:
            return self._pictures.get_nowait()
        except queue.Empty:
            if self._error is not None:
                raise self._error from None
            return None

    def stop(self) -> None:
        """Ends the thread and closes the source, and waits for neither.

        A camera or a pipe that sends nothing may hold the thread, which ends with the process.
        """
        self._stopped.set()
        self.source.close()

    def _run(self) -> None:
        try:
            for picture in self.source:
                if self._stopped.is_set():
                    return
                self._put(picture)
        except Exception as error:  # of the thread that takes
            self._error = error
        finally:
            self.source.close()

    def _put(self, picture: Picture) -> None:
        while not self._stopped.is_set():
            try:
                return self._pictures.put(picture, timeout=0 if self.source.live else _WAIT)
            except queue.Full:
                if self.source.live and self._drop():
                    self.lost += 1

    def _drop(self) -> bool:
        """Gives up the oldest picture; False if it has been taken meanwhile."""
        try:
            self._pictures.get_nowait()
        except queue.Empty:
            return False
        return True
