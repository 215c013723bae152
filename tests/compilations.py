"""Counts the programs that JAX compiles while a test runs."""

import contextlib
from collections.abc import Iterator

from jax import monitoring

# One for every program and shapes of its arguments, also where it is found on disk.
_COMPILED = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """Yields a list that gets the name of every program that is compiled, as it is compiled."""
    names: list[str] = []

    def note(event: str, _: float, **details: str | int) -> None:
        if event == _COMPILED:
            names.append(str(details.get("fun_name", "")))

    monitoring.register_event_duration_secs_listener(note)
    try:
        yield names
    finally:
        monitoring.unregister_event_duration_listener(note)
