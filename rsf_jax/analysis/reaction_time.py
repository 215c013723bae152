"""How long a model is unsure of a frame: the area under its uncertainty over recurrent steps."""

import dataclasses
import math
from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from rsf_jax.analysis.access import check_recurrent
from rsf_jax.arguments import check_choice, flag, whole
from rsf_jax.checks import as_prepared, check_frames, own_copy
from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.measures.evidence import vacuity
from rsf_jax.measures.losses import EVIDENTIAL_LOSS
from rsf_jax.models.base import Prepared, VideoModel, check_variables
from rsf_jax.ops.held import as_held
from rsf_jax.ops.pixels import as_float
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Array, Float, Frame, Leaf, Variables, Video

EVIDENCE, ENTROPY = "evidence", "entropy"
UNCERTAINTIES = (EVIDENCE, ENTROPY)
_QUARTILES = (0.25, 0.5, 0.75)


@flax.struct.dataclass
class ReactionTimes:
    """Uncertainty over the recurrent steps of every frame.

    Attributes:
        curve: float32 [B, T, N], uncertainty after every step, 0..1, mean over the pixels that
            count; NaN for a frame in which none does.
        xi: float32 [B, T], area under the curve of a frame by the trapezoidal rule, in steps: 0 if
            a model is certain at once, N - 1 if it stays without any idea.
        maps: float32 [B, T, H, W], the same for every pixel; None unless asked for.
    """

    __repr__ = in_a_line

    curve: Leaf
    xi: Leaf
    maps: Leaf = None


@dataclasses.dataclass(frozen=True)
class Reactions:
    """Reaction times of the frames of some videos.

    Attributes:
        kind: of uncertainty.
        curves: of it, step by step.
        xi: float [V, T], of every frame, in steps.
        foreground: float [V, T], the same within the foreground; NaN where there is none.
        maps: float [T, H, W], of every pixel of one video.
        frames: [T, H, W, I], that video.
    """

    __repr__ = in_a_line

    kind: str
    curves: "UncertaintyCurves"
    xi: np.ndarray
    foreground: np.ndarray
    maps: np.ndarray
    frames: np.ndarray


@dataclasses.dataclass(frozen=True)
class UncertaintyCurves:
    """Quartiles of uncertainty over frames.

    Attributes:
        step: int [N], 1..N.
        first: float [3, N], lower quartile, median and upper quartile over first frames.
        later: float [3, N], the same over all later frames; NaN where there are none.
    """

    __repr__ = in_a_line

    step: np.ndarray
    first: np.ndarray
    later: np.ndarray


def uncertainty_of(config: Config) -> str:
    """Returns what the logits of a model tell its uncertainty by: "evidence" or "entropy"."""
    return EVIDENCE if config.loss == EVIDENTIAL_LOSS else ENTROPY


def uncertainty(logits: Float[Array, "*axes K"], kind: str = EVIDENCE) -> Float[Array, "*axes"]:
    """Returns the uncertainty of every pixel, 0..1.

    Args:
        logits: float32 [..., K].
        kind: "evidence", u = K / sum alpha, for a model that is trained with the loss
            "evidential"; "entropy", that of the softmax over log K, for any other: it tells two
            classes that are alike, but not whether anything was seen.

    Raises:
        InputError: if the kind is neither.
    """
    check_choice("uncertainty", kind, UNCERTAINTIES)
    if kind == EVIDENCE:
        return vacuity(logits)
    log_p = jax.nn.log_softmax(logits)
    # A number of Python's: one of NumPy's would make float64 of it where that is enabled.
    return -(jnp.exp(log_p) * log_p).sum(-1) / math.log(logits.shape[-1])


def reaction_times(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    steps: int,
    *,
    kind: str = ENTROPY,
    stateful: bool = True,
    where: Array | None = None,
    with_maps: bool = False,
) -> ReactionTimes:
    """Measures how uncertain the readout is after each of many steps on every frame.

    The area under that curve, xi, predicts how long people take: it was proposed for networks with
    an evidential readout whose recurrence settles. For a model that is trained otherwise, and has
    the entropy of its softmax alone, it is an analogue and no more.

    Args:
        model: a recurrent model.
        variables: Flax variables, or the result of `prepare` for them.
        frames: float32 [B, T, H, W, I] in 0..1, or uint8 in 0..255.
        steps: N, recurrent steps on each frame, at least 2.
        kind: of uncertainty, see `uncertainty`.
        stateful: start a frame from the N-th state of the one before.
        where: bool [B, T, H, W], pixels that count, such as the foreground; None for all.
        with_maps: return the area of every pixel, too, whether it counts or not.

    Raises:
        InputError: if the model has no recurrence, or frames, steps, kind or pixels are unfit.

    Source: Goetschalckx et al. 2023, section 3.
    """
    check_recurrent(model)
    check_frames(frames, 5, "B, T, H, W", model.input_channels)
    check_choice("uncertainty", kind, UNCERTAINTIES)
    if whole("steps", steps) < 2:
        raise InputError(f"steps is {steps}: an area under a curve needs at least 2")
    shape = frames.shape[:4]
    if where is None:
        where = np.ones(shape, bool)
    where = np.asarray(where)
    if where.shape != shape or where.dtype != bool:
        raise InputError(
            f"where is {where.dtype}{list(where.shape)}: bool{list(shape)}, a value for every "
            "pixel, is needed"
        )
    stateful, with_maps = flag("stateful", stateful), flag("with_maps", with_maps)
    frames, where = own_copy(frames), own_copy(where)
    with check_variables(variables):
        return _reaction_times(model, variables, frames, where, steps, kind, stateful, with_maps)


@partial(jax.jit, static_argnames=("model", "steps", "kind", "stateful", "with_maps"))
def _reaction_times(
    model: VideoModel,
    variables: Variables | Prepared,
    frames: Video,
    where: Array,
    steps: int,
    kind: str,
    stateful: bool,
    with_maps: bool,
) -> ReactionTimes:
    prepared = as_prepared(model, variables, frames.shape[2:4])
    fresh = as_held(prepared.initial_carry(frames.shape[0]), prepared)

    def body(carry: Any, x: tuple[Frame, Array]) -> tuple[Any, tuple[Array, Array | None]]:
        frame, counts = x
        start = prepared.model.resume(carry) if stateful else fresh
        drive = prepared.drive(as_float(frame))
        number = counts.sum((1, 2))

        def step(loop: Any, n: Array) -> tuple[Any, Array]:
            carry, area = loop
            carry = prepared.step(carry, drive)
            here = uncertainty(prepared.readout(carry), kind)
            mean = jnp.where(counts, here, 0).sum((1, 2)) / jnp.where(number > 0, number, jnp.nan)
            # Trapezoids of width 1: the first and the last value count half.
            is_end = (n == 0) | (n == steps - 1)
            return (carry, area + jnp.where(is_end, 0.5, 1.0) * here), mean

        nothing = as_held(jnp.zeros(frame.shape[:3], jnp.float32), prepared)
        (carry, area), curve = lax.scan(step, (start, nothing), jnp.arange(steps))
        return carry, (curve, area if with_maps else None)

    xs = (jnp.moveaxis(frames, 1, 0), jnp.moveaxis(where, 1, 0))
    _, (curve, maps) = lax.scan(body, fresh, xs)
    curve = jnp.einsum("tnb->btn", curve)
    xi = curve.sum(-1) - (curve[..., 0] + curve[..., -1]) / 2
    return ReactionTimes(curve, xi, None if maps is None else jnp.moveaxis(maps, 1, 0))


def uncertainty_curves(curve: Float[Array, "V T N"]) -> UncertaintyCurves:
    """Returns quartiles of uncertainty over videos and frames, step by step.

    Args:
        curve: of `reaction_times`; frames that are NaN are left out.
    """
    values = np.asarray(curve, np.float64)
    steps = values.shape[-1]
    return UncertaintyCurves(
        step=np.arange(1, steps + 1),
        first=_quartiles(values[:, 0]),
        later=_quartiles(values[:, 1:].reshape(-1, steps)),
    )


def within(maps: Float[Array, "*axes H W"], where: Array) -> np.ndarray:
    """Returns the mean of maps over the pixels that count, [...]; NaN where none does.

    Args:
        maps: of `reaction_times`.
        where: bool [..., H, W].
    """
    counts = np.asarray(where)
    number = counts.sum((-2, -1))
    total = np.where(counts, np.asarray(maps), 0).sum((-2, -1))
    return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)


def _quartiles(curves: np.ndarray) -> np.ndarray:
    """Quartiles over the first axis, [3, N]; NaN where there is nothing."""
    known = curves[~np.isnan(curves).any(-1)]
    if not len(known):
        return np.full((len(_QUARTILES), curves.shape[-1]), np.nan)
    return np.quantile(known, _QUARTILES, axis=0)
