"""Whether steps contract: the spectral radius of a step's Jacobian."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from rsf_jax.analysis.access import check_recurrent
from rsf_jax.arguments import whole
from rsf_jax.checks import as_prepared, check_frames
from rsf_jax.gradients.floats import floats, with_floats
from rsf_jax.models.base import Prepared, State, VideoModel
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import FixedSchedule
from rsf_jax.typing import Array, Carry, Drive, Float, Frame, Variables
from rsf_jax.unroll import advance

_TOLERANCE = 1e-3  # of the eigenvalue, relative
_DENSE = 8  # numbers of a state that ARPACK need not be asked for


def spectral_radius(
    model: VideoModel, variables: Variables | Prepared, frames: Frame, steps: int
) -> Float[np.ndarray, " B"]:
    """Returns the largest |eigenvalue| of dF(h)/dh for each frame, where its steps have come to.

    Below 1 a small change of the state dies out: around there steps converge, and solvers of fixed
    points have something to find. What is far from the state is not seen.

        radius = spectral_radius(model, variables, video[:, 0], steps=24)

    Args:
        model: a recurrent model.
        variables: Flax variables, or `Prepared`.
        frames: float32 or uint8 [B, H, W, I], each a video's first.
        steps: after which the Jacobian is taken.

    Returns:
        float64 [B]; NaN where ARPACK finds no eigenvalue.

    Raises:
        InputError: if the model has no recurrent steps, or frames or steps are unfit.

    Source: ARPACK by `scipy.sparse.linalg.eigs`, with products by forward-mode derivatives.
    """
    check_recurrent(model)
    steps = whole("steps", steps)
    check_frames(frames, 4, "B, H, W", model.input_channels)
    prepared = as_prepared(model, variables, frames.shape[1:3])
    policy = FixedSchedule(steps, steps)
    start = model.initial_state(1, prepared.frame_shape)
    found = []
    for frame in frames:
        x = as_float(jnp.asarray(frame)[None])
        carry, drive = _reached(prepared, start, x, policy)
        product = partial(_product, prepared, carry, drive)
        found.append(_largest(product, sum(x.size for x in floats(carry))))
    return np.array(found)


@jax.jit
def _reached(
    prepared: Prepared, state: State, frame: Array, policy: FixedSchedule
) -> tuple[Carry, Drive]:
    reached, _ = advance(prepared, state, frame, policy, first=True)
    return reached.carry, prepared.drive(frame)


@jax.jit
def _product(prepared: Prepared, carry: Carry, drive: Drive, tangent: Array) -> Array:
    """The Jacobian at a carry times a vector [N]."""
    values = floats(carry)  # a state may count, too
    flat, unravel = ravel_pytree(values)

    def step(values: list[Array]) -> list[Array]:
        return floats(prepared.step(with_floats(carry, values), drive))

    _, out = jax.jvp(step, (values,), (unravel(jnp.asarray(tangent, flat.dtype)),))
    return ravel_pytree(out)[0]


def _largest(product: Callable[[Array], Array], size: int) -> float:
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigs  # takes its time to load

    def matvec(v: np.ndarray) -> np.ndarray:
        return np.asarray(product(jnp.asarray(np.ravel(v))), np.float64)

    if size <= _DENSE:
        return float(
            np.abs(np.linalg.eigvals(np.stack([matvec(e) for e in np.eye(size)], 1))).max()
        )
    operator = LinearOperator((size, size), matvec=matvec, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)
    if not matvec(start).any():
        return 0.0  # of all directions at once: ARPACK cannot begin
    try:
        values = eigs(operator, k=1, v0=start, tol=_TOLERANCE, return_eigenvectors=False)
    except ArpackError:
        return float("nan")
    return float(np.abs(values).max())
