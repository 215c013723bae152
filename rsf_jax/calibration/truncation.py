"""Chooses the thresholds of truncation for a wanted accuracy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import check_inside, check_number
from rsf_jax.calibration.risk import upper_bound, values_until_failure
from rsf_jax.errors import InputError
from rsf_jax.reuse.bound import share_of_work
from rsf_jax.reuse.network import ReuseNetwork
from rsf_jax.typing import Array

# Thresholds that are tried, in units of each map's own size.
SCALES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

# Those of thresholds that a search has found, in units of these.
TIMES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)

# (outputs of a clip, one for each frame; its index) -> score, at most 1 and at least 0
ClipScore = Callable[[list[Any], int], float]


class Candidate(NamedTuple):
    """What truncation by one scale comes to on the calibration clips.

    Attributes:
        scale: thresholds in units of each map's size, or of those that were given.
        score: mean over clips.
        drop: mean drop of the score against no truncation.
        bound: the drop that it exceeds with a probability of at most 1 - confidence.
        p_value: of the claim that the drop is `max_drop` or more.
        work: mean share of the multiply-adds that is done.
    """

    scale: float
    score: float
    drop: float
    bound: float
    p_value: float
    work: float


class Calibrated(NamedTuple):
    """The choice.

    Attributes:
        scale: the largest scale that keeps the guarantee.
        thresholds: for each layer, as `ReuseNetwork` takes them.
        tested: what was tried, the last one possibly without success.
    """

    scale: float
    thresholds: dict[str, float]
    tested: list[Candidate]


def calibrate(
    reuse: ReuseNetwork,
    clips: Sequence[Array],
    score: ClipScore,
    *,
    max_drop: float,
    confidence: float = 0.95,
    scales: Sequence[float] | np.ndarray | None = None,
    units: Mapping[str, float] | None = None,
) -> Calibrated:
    """Finds the largest thresholds whose mean score stays within `max_drop` of the network's own.

    Every map has the threshold `scale` times its size, the root of its mean square on the first
    frames of the clips; or `scale` times its own of `units`, as `ReuseNetwork.calibrate` has found
    them for each map on other clips. Such a search is not made here: the guarantee needs candidates
    in an order that these clips have no part in. Scales are tested from the smallest on, which does
    not depend on the clips, until one fails; the last that passes is taken. With probability
    `confidence` over the draw of the clips its mean drop on clips like these is at most `max_drop`;
    nothing is assumed of network or clips but that clips are drawn independently.

    Args:
        reuse: the network.
        clips: float [T, B, H, W, C] each, of one frame shape; not those the network was trained on.
        score: how good the outputs of a clip are, given its number, in 0..1.
        max_drop: of the mean score, above 0.
        confidence: probability that the guarantee holds, between 0 and 1.
        scales: ascending, from 0 on; None for `SCALES`, or with `units` for `TIMES`.
        units: thresholds by layer, all of them, from clips that are none of these; None for each
            map's size.

    Raises:
        InputError: if a number, a score or the layers are none of these, or not even the first
            scale can be guaranteed to keep the score; the message says what can be guaranteed.

    Source: see `rsf_jax.calibration.risk`.
    """
    if scales is None:
        scales = SCALES if units is None else TIMES
    _check(clips, max_drop, confidence)
    scales = _ascending(scales)
    names = reuse.layers(clips[0][0])
    sizes = map_sizes(reuse, clips) if units is None else _in_order(units, names)
    own = np.array([_scored(score, run(reuse, clip, 0.0)[0], i) for i, clip in enumerate(clips)])
    found: list[tuple[float, np.ndarray, float]] = []

    def drops() -> Iterator[np.ndarray]:
        for scale in scales:
            runs = [run(reuse, clip, scale * sizes) for clip in clips]
            scores = np.array([_scored(score, outputs, i) for i, (outputs, _) in enumerate(runs)])
            found.append((scale, scores, float(np.mean([work for _, work in runs]))))
            yield own - scores

    level = 1 - confidence
    values = values_until_failure(drops(), max_drop, level)
    tested = [
        Candidate(
            scale,
            float(scores.mean()),
            float((own - scores).mean()),
            upper_bound(own - scores, level),
            value,
            work,
        )
        for (scale, scores, work), value in zip(found, values)
    ]
    passed = [candidate for candidate in tested if candidate.p_value <= level]
    if not passed:
        raise InputError(
            f"no threshold can be guaranteed to keep the score within {max_drop:g} with confidence "
            f"{confidence:g}: on {len(clips)} clips {tested[0].bound:.3g} is the least. Ask for "
            "that, or give more clips"
        )
    chosen = passed[-1].scale
    return Calibrated(chosen, dict(zip(names, (chosen * sizes).tolist())), tested)


def map_sizes(reuse: ReuseNetwork, clips: Sequence[Array]) -> np.ndarray:
    """Returns the root of the mean square of every map on the first frames of clips, [layers]."""
    squares = [
        [float(jnp.square(m).mean()) for m in reuse.maps(reuse.init(clip[0]), clip[0])]
        for clip in clips[:_SIZED]
    ]
    return np.sqrt(np.mean(squares, axis=0))


_SIZED = 8  # clips


def run(
    reuse: ReuseNetwork, clip: Array, thresholds: np.ndarray | float | None = None
) -> tuple[list[Any], float]:
    """Runs a network over a clip.

    Args:
        reuse: the network.
        clip: float [T, B, H, W, C].
        thresholds: as `ReuseNetwork.step` takes them.

    Returns:
        What the network gives for every frame, and the share of the multiply-adds that was done
        for all frames but the first.
    """
    program = reuse.program(clip[0])
    state, outputs, shares = reuse.init(clip[0]), [], []
    for frame in clip:
        state, output = reuse.step(state, frame, thresholds)
        outputs.append(jax.device_get(output))
        shares.append(share_of_work(program, jax.device_get(state.computed)))
    return outputs, float(np.mean(shares[1:] or shares))


def _in_order(units: Mapping[str, float], names: list[str]) -> np.ndarray:
    if units.keys() != set(names):
        raise InputError(
            f"units are of {', '.join(units) or 'no layer'}: the layers are {', '.join(names)}"
        )
    return np.array([units[name] for name in names])


def _check(clips: Sequence[Array], max_drop: float, confidence: float) -> None:
    if not len(clips):
        raise InputError("there are no clips: give at least one, better hundreds")
    check_inside("max_drop", max_drop)
    check_inside("confidence", confidence)


def _ascending(scales: Any) -> list[float]:
    values = np.asarray(scales)
    are_numbers = values.ndim == 1 and values.size > 0 and values.dtype.kind in "iuf"
    if not (are_numbers and np.isfinite(values).all() and values[0] >= 0 and _rise(values)):
        raise InputError(f"scales are {scales}: ascending numbers from 0 on are needed")
    return values.astype(float).tolist()


def _rise(values: np.ndarray) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _scored(score: ClipScore, outputs: list[Any], clip: int) -> float:
    """The score of a clip; its range is what the guarantee assumes."""
    value: Any = score(outputs, clip)
    number = value.item() if getattr(value, "shape", None) == () else value
    needed = "a number in 0..1 is needed"
    check_number(f"the score of clip {clip}", number, needed, lambda x: 0 <= x <= 1)
    return float(number)
