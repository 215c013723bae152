"""Paths as users write them."""

from pathlib import Path

from rsf_jax.errors import InputError


def expand(path: str | Path) -> Path:
    """Returns a path with `~` in front replaced by the home directory.

    Raises:
        InputError: if it is that of a user who is not known here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be found ({str(error).rstrip('.').lower()}): write the folder in place "
            "of ~"
        ) from error
