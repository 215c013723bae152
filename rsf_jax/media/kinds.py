"""What can be written of a stream."""

from rsf_jax.errors import InputError

OVERLAY, MASKS, JSON = "overlay", "masks", "json"
KINDS = (OVERLAY, MASKS, JSON)


def check_kinds(kinds: tuple[str, ...]) -> None:
    """Raises InputError unless all are kinds of files."""
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"{kind!r} cannot be written: choose from {', '.join(KINDS)}")
