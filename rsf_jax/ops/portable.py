"""A switch for programs that leave XLA: operations in forms that other runtimes have as well.

Compiled programs are told apart by it: a function that was traced with it off is traced anew.
"""

from contextlib import AbstractContextManager

import jax

_is_on = jax.make_user_context(False)


def is_on() -> bool:
    """Whether what is traced now leaves XLA."""
    return bool(_is_on.value)


def portable() -> AbstractContextManager[None]:
    """Within it functions are traced for another runtime."""
    return _is_on(True)
