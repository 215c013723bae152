"""A trained model on videos, from sources to files."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from rsf_jax.arguments import whole
from rsf_jax.errors import InputError
from rsf_jax.media.checks import UNSEEN
from rsf_jax.media.feed import Feed
from rsf_jax.media.fitting import CROP, LETTERBOX, SQUEEZE, check_fit
from rsf_jax.media.kinds import ANNOTATIONS, OVERLAY, check_kinds
from rsf_jax.media.late import LateSource
from rsf_jax.media.outputs import Outputs, check_outputs
from rsf_jax.media.play import Summary, play_in_terminal
from rsf_jax.media.source import Source
from rsf_jax.media.sources import is_late, names_of, open_source
from rsf_jax.paths import expand
from rsf_jax.policies import StepPolicy
from rsf_jax.streaming import Shadow
from rsf_jax.streaming.checks import checked_budget
from rsf_jax.trained.appearance import Appearance
from rsf_jax.trained.model import Trained

_MOST_SLOTS = 8
# Of a camera or an address, whose frames are not known before it is opened.
_LATE_TILES = 32
_QUEUE = 2  # frames of a video that wait: more of a live one would only be older


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is run on what.

    Attributes:
        inputs: as `open_source` takes them.
        folder: for what is written.
        write: kinds of files, of `kinds.KINDS`.
        overwrite: whether older files may be replaced.
        frame_size: (H, W) that frames are resized to; None for that of training.
        slots: frames computed together; 0 for as many as inputs, up to 8.
        budget: seconds from a frame to its result; None for any.
        max_frames: of each input; 0 for all.
        shadow: frames that are compared with a reference; None for none.
        images_per_second: of folders.
        timeout: seconds without data after which a camera or an address counts as gone.
        tries: how often one of these that has gone is opened again before it is given up.
        annotations: what is below the frames of a video, of `kinds.ANNOTATIONS`.
        fit: how frames of another shape become those of the model, of `fitting.FITS`.
        sound: whether videos get the sound of the files that they are made of.
    """

    inputs: Sequence[str | Path]
    folder: str | Path
    write: tuple[str, ...] = (OVERLAY,)
    overwrite: bool = False
    frame_size: tuple[int, int] | None = None
    slots: int = 0
    budget: float | None = None
    max_frames: int = 0
    shadow: Shadow | None = None
    images_per_second: int | float = 25.0
    timeout: int | float = 10.0
    tries: int = 5
    annotations: tuple[str, ...] = ANNOTATIONS
    fit: str = SQUEEZE
    sound: bool = False

    def checked(self) -> "Settings":
        """Returns them with numbers and paths of Python.

        Raises:
            InputError: if one is not allowed, whatever the model.
        """
        if isinstance(self.inputs, str | Path):
            raise InputError(f"inputs are {str(self.inputs)!r}: give a list of them")
        if not self.inputs:
            raise InputError("no inputs: give a video file, a folder of images or camera:0")
        check_kinds(self.write, self.annotations)
        check_fit(self.fit)
        checked_budget(self.budget)
        changes: dict[str, Any] = {n: whole(n, getattr(self, n), 0) for n in _COUNTS}
        return dataclasses.replace(self, folder=expand(self.folder), **changes)


_COUNTS = ("slots", "max_frames", "tries")


def run(
    trained: Trained,
    policy: StepPolicy,
    settings: Settings,
    stop: Callable[[], str | None],
    *,
    appearance: Appearance | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> Summary:
    """Runs a model on all inputs at once, and writes files.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        settings: what is run on what.
        stop: returns why to stop now, or None.
        appearance: names and colors of the classes; None for those of training.
        tell: is handed what a user should know of an input, once.

    Raises:
        InputError: if an input cannot be opened, a file not be written, or a setting is not
            allowed.
    """
    appearance, settings = appearance or trained.appearance, settings.checked()
    size = _size(settings, appearance)
    with contextlib.ExitStack() as stack:
        channels = trained.config.input_channels
        sources = [
            stack.enter_context(_source(text, size, channels, settings)) for text in settings.inputs
        ]
        names, rooms = distinct_names(sources), [_streams_of(s, settings) for s in sources]
        inputs = [s.path for s in sources if s.path]
        for name in names:  # now: the engine may take a minute
            check_outputs(settings.folder, name, settings.write, settings.overwrite, inputs)
        engine = trained.engine(
            policy,
            size,
            slots=settings.slots or min(sum(rooms), _MOST_SLOTS),
            max_streams=sum(rooms),
            queue=_QUEUE,
            transform=lambda logits: logits.argmax(-1).astype(jnp.uint8),
            shadow=settings.shadow,
        )
        files = []  # after the engine: if there is to be none, an earlier run's are left alone
        for name, source in zip(names, sources):
            out = _outputs(name, source, policy, settings, appearance, inputs)
            stack.callback(out.discard)  # of what its feed has not completed
            files.append(out)
        feeds = [
            Feed(source, engine, name, settings.budget, out, settings.max_frames)
            for source, name, out in zip(sources, names, files)
        ]
        return play_in_terminal(engine, feeds, stop, tell)


def _size(settings: Settings, appearance: Appearance) -> tuple[int, int]:
    """The size of the model's frames; checks the fit for its classes."""
    if settings.fit == CROP and len(appearance.class_names) > UNSEEN:
        raise InputError(
            f"of {len(appearance.class_names)} classes none is left for what fit=crop leaves out: "
            "choose another fit"
        )
    return appearance.frame_shape(settings.frame_size, "frame_size")


def _streams_of(source: Source, settings: Settings) -> int:
    """How many streams of the engine a source needs: one, or as many as there are tiles."""
    if settings.fit in (SQUEEZE, LETTERBOX, CROP):
        return 1
    if source.path is None:
        return _LATE_TILES
    first = source.first()
    return len(first.frames) if first else 1


def _outputs(
    name: str,
    source: Source,
    policy: StepPolicy,
    settings: Settings,
    appearance: Appearance,
    inputs: Sequence[Path],
) -> Outputs:
    return Outputs(
        settings.folder,
        name,
        settings.write,
        appearance,
        source.frames_per_second,
        settings.overwrite,
        inputs=inputs,
        most_steps=policy.max_steps,
        annotations=settings.annotations,
        sound_of=source if settings.sound else None,
    )


def _source(text: str | Path, size: tuple[int, int], channels: int, settings: Settings) -> Source:
    """A source that is open, unless opening it could take its time."""

    def open_it() -> Source:
        return open_source(
            text,
            size,
            channels,
            images_per_second=settings.images_per_second,
            timeout=settings.timeout,
            fit=settings.fit,
        )

    if not is_late(text):
        return open_it()
    return LateSource(*names_of(text), open_it, settings.tries)


def distinct_names(sources: Sequence[Source]) -> list[str]:
    """Returns the names of sources, with numbers where two have the same."""
    names: list[str] = []
    for source in sources:
        name, number = source.name, 2
        while name in names:
            name, number = f"{source.name}_{number}", number + 1
        names.append(name)
    return names
