"""Chooses thresholds for a clip and an allowed error, without labels."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from rsf_jax.arguments import check_number, several
from rsf_jax.errors import InputError
from rsf_jax.ops.pixels import as_float
from rsf_jax.reuse.bound import multiply_adds
from rsf_jax.reuse.expected import time_by_model
from rsf_jax.reuse.given import frames_of
from rsf_jax.reuse.judging import Judge, pieces
from rsf_jax.reuse.noise import noise_of
from rsf_jax.reuse.program import Program
from rsf_jax.reuse.search import FRAME_LEVELS, MAP_LEVELS, Search, Trial
from rsf_jax.reuse.thresholds import save_thresholds
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array

if TYPE_CHECKING:
    from rsf_jax.reuse.network import ReuseNetwork

_HELD_OUT = 1 / 3  # of every clip, its end
_LEAST = 6  # frames of a clip
# Frames by which thresholds are chosen: parts of neighbors, from all clips and places in them.
_PART, _PARTS = 6, 2
_CHECKED = 60  # frames of a clip that are held out, at most
# Of the range of the frames: noise below counts as this, a quarter of a gray level of 8 bits.
_LEAST_NOISE = 1 / 1024
# What fails on the held-out frames asks for less error on the others, at most this share of it.
_BACK = 0.9
# Where more of the blocks of so many pixels' side change, nothing can be saved.
_BLOCK, _ALL = 16, 0.9


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Thresholds for an allowed error, and what they come to.

    Attributes:
        network: the network with these thresholds; it shares what is compiled.
        thresholds: by layer.
        max_error: what was allowed. Errors are roots of mean squares over frames and values, in
            units of what outputs of different scenes deviate by.
        noise: of the frames, in their units.
        sizes: of every map, by layer: the root of its mean square.
        deviations: of the outputs between scenes, see `Judge`.
        held_out: what they come to on the frames that are held out.
        exact: what thresholds of 0 come to there.
        trials: what was tried on the other frames, in that order.
        given_up: how many of these failed on the frames that are held out.
    """

    __repr__ = in_a_line

    network: "ReuseNetwork"
    thresholds: dict[str, float]
    max_error: float
    noise: float
    sizes: dict[str, float]
    deviations: list[float]
    held_out: Trial
    exact: Trial
    trials: list[Trial]
    given_up: int

    @property
    def speed(self) -> float:
        """Times faster than dense on the held-out frames, by the model of costs."""
        return 1 / self.held_out.time

    def save(self, path: str | Path, **more: Any) -> None:
        """Writes the thresholds and what they come to; `load_thresholds` reads the file.

        Args:
            path: of the file, JSON.
            more: what else is written.
        """
        found = {
            "max_error": self.max_error,
            "noise": self.noise,
            "deviations": self.deviations,
            "held_out": _told(self.held_out),
            "exact": _told(self.exact),
            "tried": len(self.trials),
            "given_up": self.given_up,
        }
        save_thresholds(path, self.thresholds, found | more)

    def __str__(self) -> str:
        """Returns a table."""
        lines = [f"noise {self.noise:.3g}; {len(self.trials)} thresholds tried"]
        lines += [f"{'on held-out frames':24}{'error':>8}{'worst':>8}{'work':>8}{'faster':>8}"]
        for name, each in (("exact", self.exact), ("chosen", self.held_out)):
            lines += [
                f"{name:24}{each.error:8.3f}{each.worst:8.3f}{each.work:8.1%}{1 / each.time:7.2f}x"
            ]
        lines += [f"{'layer':40}{'threshold':>10}{'of its size':>12}"]
        lines += [
            f"{name:40}{value:10.3g}{value / self.sizes[name]:12.3g}"
            for name, value in self.thresholds.items()
            if value
        ]
        return "\n".join(lines)


def choose(
    reuse: "ReuseNetwork",
    clips: Any,
    *,
    max_error: float,
    scenes: Any = None,
    on_trial: Callable[[int, Trial], None] | None = None,
) -> Chosen:
    """Chooses thresholds for an allowed error; see `ReuseNetwork.calibrate`."""
    clips = _checked(clips, max_error)
    cuts = [len(clip) - max(2, round(_HELD_OUT * len(clip))) for clip in clips]
    seen = [clip[:cut] for clip, cut in zip(clips, cuts)]
    firsts = [np.asarray(as_float(clip[0])) for clip in clips]
    judge = Judge(reuse.whole, _scenes(scenes, firsts))
    noise, sizes = noise_of(seen), _sizes(reuse, firsts)
    films = [_Film(reuse, judge, part) for clip in seen for part in _parts(clip, len(seen))]
    tried: list[Trial] = []

    def measure(thresholds: np.ndarray) -> Trial:
        tried.append(_measured(films, thresholds))
        if on_trial is not None:
            on_trial(len(tried), tried[-1])
        return tried[-1]

    spread = max(float(np.ptp(first)) for first in firsts)
    units = np.array([max(noise, _LEAST_NOISE * spread), *sizes[1:]])
    levels = [unit * np.array(MAP_LEVELS if i else FRAME_LEVELS) for i, unit in enumerate(units)]
    levels[0] = _promising(films, levels[0])
    search = Search(measure, levels)
    # From the last frame that was seen on: the first is computed anew, and not judged.
    held = [_Film(reuse, judge, clip[cut - 1 :][:_CHECKED]) for clip, cut in zip(clips, cuts)]
    chosen, given_up = _that_holds(held, search, max_error)
    names = reuse.layers(firsts[0])
    thresholds = dict(zip(names, map(float, chosen.thresholds)))
    return Chosen(
        reuse.with_thresholds(thresholds),
        thresholds,
        max_error,
        noise,
        dict(zip(names, sizes.tolist())),
        judge.deviations,
        chosen,
        _measured(held, np.zeros(len(names), np.float32)),
        tried,
        given_up,
    )


class _Film:
    """Frames, which may stay bytes, and what the dense network makes of them."""

    def __init__(self, reuse: "ReuseNetwork", judge: Judge, frames: Array) -> None:
        self.reuse, self.judge, self.frames = reuse, judge, np.asarray(frames)
        self.expected = [jax.device_get(reuse.whole(frame)) for frame in self.floats()][1:]

    def floats(self) -> Iterator[np.ndarray]:
        return map(as_float, self.frames)

    def follow(self, thresholds: np.ndarray) -> tuple[list[float], list[np.ndarray]]:
        """Returns the errors and the computed shares of all frames but the first."""
        frames, errors, shares = self.floats(), [], []
        state = self.reuse.init(next(frames))
        for frame, expected in zip(frames, self.expected, strict=True):
            state, output = self.reuse.step(state, frame, thresholds)
            errors.append(self.judge.error(output, expected))
            shares.append(np.asarray(state.computed))
        return errors, shares


def _measured(films: Sequence[_Film], thresholds: np.ndarray) -> Trial:
    found = [film.follow(thresholds) for film in films]
    errors = np.concatenate([errors for errors, _ in found])
    shares = np.concatenate([shares for _, shares in found]).astype(np.float64)
    program = _program(films)
    adds = multiply_adds(program)
    return Trial(
        thresholds,
        float(np.square(errors).mean() ** 0.5),
        float(errors.max()),
        float((shares @ adds).mean() / max(adds.sum(), 1)),
        float(time_by_model(program, shares).mean()),
    )


def _that_holds(held: Sequence[_Film], search: Search, max_error: float) -> tuple[Trial, int]:
    """The choice whose error is allowed on the held-out frames too; how many failed there."""
    limit, given_up, trial = max_error, 0, search.run(max_error)
    while True:
        found = _measured(held, trial.thresholds)
        if found.error <= max_error or not trial.thresholds.any():
            return found, given_up
        limit = min(_BACK * trial.error, limit * max_error / found.error)
        if not trial.error:  # less have thresholds of 0 alone, and it would be chosen again
            limit = -math.inf
        trial, given_up = search.less(limit), given_up + 1


def _promising(films: Sequence[_Film], levels: np.ndarray) -> np.ndarray:
    """Those thresholds of the frame by which anything can be saved; and 0."""
    steps = [pair for film in films for pair in itertools.pairwise(film.floats())]
    differences = [_of_blocks(np.abs(new - old).max(-1)) for old, new in steps]
    still = [min(float((each > level).mean()) for each in differences) < _ALL for level in levels]
    return levels[np.array(still) | (levels == 0)]


def _of_blocks(differences: np.ndarray) -> np.ndarray:
    """The largest value of every block, of [B, H, W]; what is left at the far edges is not used."""
    side = min(_BLOCK, *differences.shape[1:])
    rows, columns = (n // side for n in differences.shape[1:])
    cut = differences[:, : rows * side, : columns * side]
    return cut.reshape(-1, rows, side, columns, side).max((2, 4))


def _parts(clip: Array, clips: int) -> list[Array]:
    """Parts of neighboring frames from all over a clip; of one clip two, of several one each."""
    parts = _PARTS if clips == 1 and len(clip) >= _PARTS * _PART else 1
    starts = np.linspace(0, max(len(clip) - _PART, 0), parts + 1).astype(int)[:parts]
    return [clip[start : start + _PART] for start in starts]


def _sizes(reuse: "ReuseNetwork", frames: Sequence[Array]) -> np.ndarray:
    """The root of the mean square of every map."""
    squares = [
        [float(np.square(np.asarray(m, np.float64)).mean()) for m in maps]
        for maps in (reuse.maps(reuse.init(frame), frame) for frame in frames)
    ]
    return np.sqrt(np.mean(squares, axis=0))


def _program(films: Sequence[_Film]) -> Program:
    return films[0].reuse.program(next(films[0].floats()))


def _told(trial: Trial) -> dict[str, float]:
    return {"error": trial.error, "worst": trial.worst, "work": trial.work, "time": trial.time}


def _scenes(given: Any, firsts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Frames of different scenes: those that are given, or pieces of the clips' first frames."""
    if given is None:
        return [piece for first in firsts for piece in pieces(first)]
    found = [
        np.asarray(frames_of("scene", as_float(np.asarray(scene))))
        for scene in several("scenes", given, "give several frames [B, H, W, C]")
    ]
    if len(shapes := {scene.shape for scene in found}) > 1:
        raise InputError(f"scenes have shapes {sorted(shapes)}: those of one are needed")
    return found


def _checked(clips: Any, max_error: float) -> list[Array]:
    check_number("max_error", max_error, "a number above 0 is needed", lambda x: x > 0)
    needed = "give an array [T, B, H, W, C], or a list of such"
    found = [clips] if isinstance(clips, Array) else list(several("clips", clips, needed))
    if not found:
        raise InputError("there are no clips: give one at least")
    for clip in found:
        if not isinstance(clip, Array):
            raise InputError(f"a clip is {type(clip).__name__}: an array [T, B, H, W, C] is needed")
        if len(clip.shape) != 5:
            raise InputError(f"a clip has shape {list(clip.shape)}: [T, B, H, W, C] is needed")
        if len(clip) < _LEAST:
            raise InputError(
                f"a clip has {len(clip)} frames: {_LEAST} are needed, of which the last third "
                "checks what the others find"
            )
        if clip.shape[1:] != found[0].shape[1:]:
            raise InputError(
                f"clips have frames of {list(clip.shape[1:])} and {list(found[0].shape[1:])}: "
                "those of one shape are needed"
            )
    return found
