"""What a client is told of its mistakes: a code for programs, and a sentence."""

from typing import Any

from rsf_jax.errors import InputError

# Codes, and the status of HTTP and the code that a WebSocket is closed with.
CODES = {
    "bad_request": (400, 1008),
    "unauthorized": (401, 1008),
    "forbidden": (403, 1008),
    "not_found": (404, 1008),
    "conflict": (409, 1008),
    "too_large": (413, 1009),
    "unsupported": (415, 1003),
    "too_many": (429, 1013),
    "failed": (500, 1011),
    "closing": (503, 1001),
    "timeout": (504, 1008),
}

_REASON = 123  # bytes


class Problem(InputError):
    """Something that a client is told.

    Attributes:
        code: one of `CODES`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The status of an answer over HTTP."""
        return CODES[self.code][0]

    @property
    def closing(self) -> int:
        """The code that a WebSocket is closed with."""
        return CODES[self.code][1]

    @property
    def reason(self) -> str:
        """What a WebSocket is closed with: a frame that closes has room for few bytes."""
        return str(self).encode()[:_REASON].decode(errors="ignore")

    def told(self) -> dict[str, Any]:
        """What JSON says of it."""
        return {"error": {"code": self.code, "message": str(self)}}


def as_problem(error: InputError) -> Problem:
    """Returns a user's mistake as one that a client has made."""
    return error if isinstance(error, Problem) else Problem("bad_request", str(error))


def closing() -> Problem:
    """Returns what is told to who asks a server that ends."""
    return Problem("closing", "the server is ending")
