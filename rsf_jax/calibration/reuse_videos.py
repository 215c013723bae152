"""A trained feedforward network with reuse on video files: what it saves, and what that costs."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.table import Table

from rsf_jax.calibration.clips import checked_inputs
from rsf_jax.console import table_console
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_json
from rsf_jax.media.kinds import CAPTION, LEGEND, check_kinds
from rsf_jax.media.outputs import Outputs
from rsf_jax.media.pictures import Picture
from rsf_jax.media.run import distinct_names
from rsf_jax.media.source import Source
from rsf_jax.media.sources import open_source
from rsf_jax.media.targets import check_free
from rsf_jax.reuse.bound import share_of_work
from rsf_jax.reuse.network import ReuseNetwork, frame_network
from rsf_jax.run_folder import writable_folder
from rsf_jax.streaming import FrameResult
from rsf_jax.trained.model import Trained

FILE = "reuse_videos.json"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is run on what.

    Attributes:
        inputs: as `open_source` takes them, one after the other.
        folder: for what is written.
        write: kinds of files, of `rsf_jax.media.kinds.KINDS`, of each input.
        overwrite: whether older files may be replaced.
        frame_size: (H, W) that frames are resized to; None for that of training.
        max_frames: of each input; 0 for all.
        compare_every: frames of which one is compared with the dense network; 0 for never.
    """

    inputs: Sequence[str]
    folder: str | Path
    write: tuple[str, ...] = ()
    overwrite: bool = False
    frame_size: tuple[int, int] | None = None
    max_frames: int = 0
    compare_every: int = 1


@dataclasses.dataclass
class Measured:
    """What became of the frames of one input.

    Attributes:
        name: of the input.
        frames: numbers of its frames.
        work: for each frame the share of the multiply-adds that was done.
        milliseconds: for each frame the time of a step, its classes on the host.
        dense_milliseconds: the same of the dense network, of the frames that were compared.
        error: of these frames the largest difference of logits, relative to the largest logit.
        other_classes: of these frames the share of pixels that got another class.
        problem: why the input ended before its end; empty otherwise.
    """

    name: str
    frames: list[int] = dataclasses.field(default_factory=list)
    work: list[float] = dataclasses.field(default_factory=list)
    milliseconds: list[float] = dataclasses.field(default_factory=list)
    dense_milliseconds: list[float] = dataclasses.field(default_factory=list)
    error: list[float] = dataclasses.field(default_factory=list)
    other_classes: list[float] = dataclasses.field(default_factory=list)
    problem: str = ""


def run_on_videos(
    trained: Trained,
    reuse: ReuseNetwork,
    settings: Settings,
    stop: Callable[[], str | None] = lambda: None,
) -> list[Measured]:
    """Runs a network with reuse over inputs, one after the other.

    Writes `reuse_videos.json`, and of each input what `settings.write` names.

    Args:
        trained: the network.
        reuse: the same, as `network_of` makes it.
        settings: what is run on what.
        stop: returns why to stop now, or None.

    Raises:
        InputError: if an input cannot be opened, a file not be written, or a setting is not
            allowed.
    """
    inputs = checked_inputs(settings.inputs)
    if not inputs:
        raise InputError("no inputs: give a video file, a folder of images or camera:0")
    check_kinds(settings.write)
    folder = writable_folder(settings.folder)
    settings = dataclasses.replace(settings, folder=folder)
    check_free(folder / FILE, settings.overwrite)
    size = trained.appearance.frame_shape(settings.frame_size, "frame_size")
    sources = [open_source(x, size, trained.config.input_channels) for x in inputs]
    found = []
    for name, source in zip(distinct_names(sources), sources):
        with source:
            found.append(_run(trained, reuse, settings, name, source, sources, stop))
    write_json(
        Path(settings.folder, FILE), {"inputs": [dataclasses.asdict(each) for each in found]}
    )
    return found


def network_of(trained: Trained, method: str, thresholds: dict[str, float]) -> ReuseNetwork:
    """Returns a trained network with reuse.

    Raises:
        InputError: if it looks at more than one frame.
    """
    network = frame_network(trained.model)
    return ReuseNetwork(network, trained.variables, method=method, thresholds=thresholds)


def print_measured(found: Sequence[Measured]) -> None:
    """Prints a line for every input: medians over its frames but the first."""
    table = Table(title="reuse on videos")
    columns = ("input", "frames", "work", "ms", "dense, ms", "largest error", "other classes")
    for heading in columns:
        table.add_column(heading, justify="left" if heading == "input" else "right")
    for each in found:
        compared = bool(each.error)
        table.add_row(
            each.name,
            str(len(each.frames)),
            f"{_usual(each.work):.0%}",
            f"{_usual(each.milliseconds):.2f}",
            f"{_usual(each.dense_milliseconds):.2f}" if compared else "",
            f"{max(each.error):.2g}" if compared else "",
            f"{np.mean(each.other_classes):.2%}" if compared else "",
        )
    table_console().print(table)
    for each in found:
        if each.problem:
            print(each.problem)


def _usual(values: Sequence[float]) -> float:
    """The median of all but the first, which is of the first frame."""
    return float(np.median(values[1:] or values)) if values else 0.0


def _run(
    trained: Trained,
    reuse: ReuseNetwork,
    settings: Settings,
    name: str,
    source: Source,
    sources: Sequence[Source],
    stop: Callable[[], str | None],
) -> Measured:
    out = Outputs(
        settings.folder,
        name,
        settings.write,
        trained.appearance,
        source.frames_per_second,
        settings.overwrite,
        inputs=[s.path for s in sources if s.path],
        annotations=(CAPTION, LEGEND),
    )
    measured, run = Measured(name), _Steps(reuse)
    try:
        for number, picture in enumerate(source):
            compares = settings.compare_every > 0 and number % settings.compare_every == 0
            classes = run.measure(picture, measured, compares)
            taken = measured.milliseconds[-1] / 1e3
            out.write(FrameResult(name, number, "done", classes, 1, taken), picture)
            if number + 1 == settings.max_frames or stop():
                break
    except BaseException:
        out.discard()
        raise
    out.close()
    measured.problem = source.problem
    return measured


class _Steps:
    """A sequence of frames, each of them measured."""

    def __init__(self, reuse: ReuseNetwork) -> None:
        self._reuse = reuse
        self._state: Any = None

    def measure(self, picture: Picture, measured: Measured, compares: bool) -> np.ndarray:
        """Processes a frame; returns its classes, uint8 [H, W]."""
        frame = picture.frame[None].astype(np.float32) / 255
        if self._state is None:  # compiled before anything is measured
            self._state = self._reuse.init(frame)
            self._state, logits = self._reuse.step(self._state, frame)
            if compares:
                jax.block_until_ready(self._reuse.whole(frame))
        began = time.perf_counter()
        self._state, logits = self._reuse.step(self._state, frame)
        logits = np.asarray(logits)[0]
        measured.milliseconds.append(1e3 * (time.perf_counter() - began))
        measured.frames.append(picture.index)
        program = self._reuse.program(frame)
        measured.work.append(share_of_work(program, jax.device_get(self._state.computed)))
        classes = logits.argmax(-1).astype(np.uint8)
        if compares:
            began = time.perf_counter()
            dense = np.asarray(self._reuse.whole(frame))[0]
            measured.dense_milliseconds.append(1e3 * (time.perf_counter() - began))
            largest = float(np.abs(dense).max()) or 1.0
            measured.error.append(float(np.abs(logits - dense).max()) / largest)
            measured.other_classes.append(float((dense.argmax(-1) != classes).mean()))
        return classes
