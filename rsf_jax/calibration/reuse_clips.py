"""Thresholds of reuse for clips of one's own, without labels, and the time that they save."""

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.status import Status
from rich.table import Table

from rsf_jax.arguments import whole
from rsf_jax.calibration.clips import checked_inputs
from rsf_jax.console import table_console
from rsf_jax.errors import InputError
from rsf_jax.measures.timing import Case, time_in_turns
from rsf_jax.ops.pixels import as_float
from rsf_jax.reuse.choosing import Chosen
from rsf_jax.reuse.network import ReuseNetwork, frame_network
from rsf_jax.reuse.search import Trial
from rsf_jax.trained.model import Trained
from rsf_jax.typing import Array

FILE = "reuse_thresholds.json"
FRAMES = 120  # of each input
_TIMED = 12  # frames, the last ones of the first clip


def calibrate_on(
    trained: Trained,
    inputs: Sequence[str | Path],
    workdir: str | Path,
    *,
    max_error: float,
    method: str = "region",
    frames: int = FRAMES,
    frame_size: tuple[int, int] | None = None,
) -> tuple[Chosen, dict[str, float]]:
    """Chooses thresholds for what cameras have recorded; writes `reuse_thresholds.json`.

    Args:
        trained: a network without recurrence that looks at one frame.
        inputs: video files and folders of images, or cameras and addresses.
        workdir: folder for the file, which `rsf_jax.reuse.load_thresholds` reads.
        max_error: as `ReuseNetwork.calibrate` has it.
        method: of reuse.
        frames: of each input, at most: its first ones.
        frame_size: (H, W) that frames are resized to; None for that of training.

    Returns:
        The choice; and milliseconds of a frame at batch 1: "dense", "exact" and "chosen".

    Raises:
        InputError: if an input cannot be opened or is too short, or the network looks at several
            frames.
    """
    network, inputs = frame_network(trained.model), checked_inputs(inputs)
    clips = [_read(trained, each, whole("frames", frames), frame_size) for each in inputs]
    if not clips:
        raise InputError("there are no inputs: give video files or folders of images")
    reuse = ReuseNetwork(network, trained.variables, method=method)
    with table_console().status("measuring the clips") as status:  # of which a log shows nothing
        tell = partial(_tell, status)
        found = reuse.calibrate(clips, max_error=max_error, on_trial=tell)
    dense = partial(jax.jit(network), trained.variables)
    ways = {"exact": found.network.with_thresholds(0.0), "chosen": found.network}
    milliseconds = time_on(ways, dense, clips[0][-_TIMED:])
    found.save(Path(workdir, FILE), milliseconds=milliseconds, inputs=list(map(str, inputs)))
    return found, milliseconds


def time_on(
    ways: Mapping[str, ReuseNetwork],
    dense: Callable[[Array], Any],
    clip: Array,
    seconds: float = 1.0,
) -> dict[str, float]:
    """Measures, in turns, what a frame takes.

    Args:
        ways: networks of the same weights, by name.
        dense: the network, compiled.
        clip: [T, B, H, W, C], as for `ReuseNetwork.calibrate`, three frames or more.
        seconds: spent on each.

    Returns:
        Milliseconds, in the median, by name; "dense" is the faster of the compiled network and of
        reuse's own way to compute everything.
    """
    frames = [jax.device_put(as_float(frame)) for frame in clip]
    # There and back again: a clip without an end. Never to the first, which may still be stored.
    film = [frames[i] for i in (*range(1, len(frames)), *range(len(frames) - 2, 1, -1))]
    calls = {name: partial(_through, _Stepping(way, frames[0]), film) for name, way in ways.items()}
    calls[_DENSE] = partial(_through, dense, film)
    calls[_LAYERS] = partial(_through, next(iter(ways.values())).whole, film)
    timed = time_in_turns({name: Case(call, len(film)) for name, call in calls.items()}, seconds)
    times = {name: 1e3 * timing.median for name, timing in timed.items()}
    layers = times.pop(_LAYERS)
    return times | {_DENSE: min(times[_DENSE], layers)}


_DENSE, _LAYERS = "dense", "layers"


def _through(network: Callable[[Array], Any], frames: Sequence[Array]) -> None:
    for frame in frames:
        jax.block_until_ready(network(frame))


def _tell(status: Status, number: int, trial: Trial) -> None:
    status.update(f"{number} thresholds tried; error {trial.error:.3f}, work {trial.work:.0%}")


class _Stepping:
    """Goes on from the state that the last call left."""

    def __init__(self, reuse: ReuseNetwork, first: Array) -> None:
        self.reuse, self.state = reuse, reuse.init(first)

    def __call__(self, frame: Array) -> Any:
        self.state, output = self.reuse.step(self.state, frame)
        return output


def print_choice(found: Chosen, milliseconds: dict[str, float]) -> None:
    """Prints what was chosen and what it comes to."""
    shown = Table(title=f"on held-out frames, {len(found.trials)} thresholds tried on others")
    for heading in ("", "error", "worst", "work", "expected", "ms per frame", "faster"):
        shown.add_column(heading, justify="right" if heading else "left")
    dense = milliseconds["dense"]
    shown.add_row("dense", "0", "0", "100%", "1.00x", f"{dense:.2f}", "1.00x")
    for name, each in (("exact", found.exact), ("chosen", found.held_out)):
        spent = milliseconds[name]
        shown.add_row(
            name,
            *(f"{value:.4f}" for value in (each.error, each.worst)),
            f"{each.work:.0%}",
            f"{1 / each.time:.2f}x",
            f"{spent:.2f}",
            f"{dense / spent:.2f}x",
        )
    layers = Table(title=f"thresholds; the noise of a frame is {found.noise:.3g}")
    for heading in ("layer", "threshold", "of its size"):
        layers.add_column(heading, justify="left" if heading == "layer" else "right")
    for name, value in found.thresholds.items():
        if value:
            layers.add_row(name, f"{value:.3g}", f"{value / found.sizes[name]:.3g}")
    console = table_console()
    console.print(shown)
    console.print(layers if layers.row_count else "no threshold above 0 saves anything")
    console.print("error: in units of what outputs of different scenes deviate by")


def _read(
    trained: Trained, source: str | Path, frames: int, frame_size: tuple[int, int] | None
) -> np.ndarray:
    """The first frames of a video, uint8 [T, 1, H, W, I]."""
    # Here, as PyAV comes with it.
    from rsf_jax.media import open_source

    size = trained.appearance.frame_shape(frame_size, "frame_size")
    with contextlib.closing(open_source(source, size, trained.config.input_channels)) as opened:
        found = [picture.frame for picture in itertools.islice(opened, frames)]
        if opened.problem:
            raise InputError(f"{opened.label}: {opened.problem}")
        if not found:
            raise InputError(f"{opened.label} has no frame")
    return np.stack(found)[:, None]
