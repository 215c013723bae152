"""What a server refuses: sizes, rates, numbers and times."""

import dataclasses
import math
import time
from collections.abc import Callable

from rsf_jax.arguments import check_number, whole
from rsf_jax.shown import in_a_line


@dataclasses.dataclass(frozen=True)
class Limits:
    """What clients may ask of a server.

    Attributes:
        message_bytes: of a message, and of a request's body.
        clip_bytes: of a request's body that is a clip.
        pixels: of a picture, before it is resized; it is looked at before anything is decoded.
        clip_frames: frames of a clip.
        streams: open at once.
        frames_per_second: of a stream. A client that sends more is read more slowly.
        requests_per_second: of an address, those of streams' frames apart.
        window: frames of a stream without a result that was sent; no more are read meanwhile.
        errors: messages that cannot be used, one after the other, after which a client has to
            connect again.
        seconds: in which a request is read and answered, and a message taken by a client.
        idle_seconds: after which a stream is closed that nobody is connected to.
        steps: the most recurrent steps of a frame that a policy may ask for.
    """

    __repr__ = in_a_line

    message_bytes: int = 8 * 2**20
    clip_bytes: int = 64 * 2**20
    pixels: int = 2**24
    clip_frames: int = 300
    streams: int = 64
    frames_per_second: int | float = 120.0
    requests_per_second: int | float = 50.0
    window: int = 8
    errors: int = 20
    seconds: int | float = 30.0
    idle_seconds: int | float = 60.0
    steps: int = 64

    def __post_init__(self) -> None:
        """Checks that all are positive numbers, and counts whole.

        Raises:
            InputError: if one of them is not.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int:
                checked: int | float = whole(field.name, value)
            else:
                checked = check_number(
                    field.name, value, "a number above 0 is needed", lambda x: 0 < x < math.inf
                )
            object.__setattr__(self, field.name, checked)


class Rate:
    """Allows so many per second on average, and a burst of a second's.

    Args:
        per_second: on average.
        clock: seconds.
    """

    def __init__(
        self, per_second: int | float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._clock = per_second, clock
        self._most = max(1.0, per_second)
        self._left, self._then = self._most, clock()

    def wait(self) -> float:
        """Takes one, and returns the seconds to wait before it is due: 0 within the rate."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._then) * self._per_second)
        self._then = now
        self._left -= 1
        return max(0.0, -self._left / self._per_second)

    def allows(self) -> bool:
        """Takes one if it is due."""
        if self.wait():
            self._left += 1
            return False
        return True
