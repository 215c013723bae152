"""What can be written of a stream, and drawn below its frames."""

from rsf_jax.errors import InputError

OVERLAY, MASKS, JSON = "overlay", "masks", "json"
KINDS = (OVERLAY, MASKS, JSON)
STEPS, CAPTION, LEGEND = "steps", "caption", "legend"
ANNOTATIONS = (STEPS, CAPTION, LEGEND)


def check_kinds(kinds: tuple[str, ...], annotations: tuple[str, ...] = ()) -> None:
    """Raises InputError unless all are kinds of files and of annotations."""
    for given in (kinds, annotations):
        if isinstance(given, str):
            raise InputError(f"{given!r} is a text: give ({given!r},)")
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"{kind!r} cannot be written: choose from {', '.join(KINDS)}")
    for name in annotations:
        if name not in ANNOTATIONS:
            raise InputError(
                f"{name!r} cannot be drawn below frames: choose from {', '.join(ANNOTATIONS)}"
            )
