"""Training with reuse: the derivatives of the dense network, of what has changed alone."""

from typing import Any, SupportsIndex

import jax
import jax.numpy as jnp

from rsf_jax.arguments import whole
from rsf_jax.reuse.functions import Network, as_function
from rsf_jax.reuse.given import frames_of
from rsf_jax.reuse.program import Program
from rsf_jax.reuse.state import ReuseState
from rsf_jax.reuse.trace import trace
from rsf_jax.typing import Array, Variables


def run_clip(
    network: Network,
    variables: Variables | None,
    clip: Array,
    *,
    tile_side: SupportsIndex | None = None,
) -> Any:
    """Runs a network over a clip, computing of each frame only what has changed: for training.

    The result, and its derivative by the variables, are those of the network applied to every
    frame. A pixel that is not computed again passes its cotangent on to the frame in which it was,
    whose inputs there were the same. Nothing is kept from call to call, so that after an update of
    the variables nothing of the old ones is left. It has a derivative in reverse mode alone. What
    is computed counts as changed even where its value is the same, since its derivative need not
    be.

    Args:
        network: as for `ReuseNetwork`.
        variables: its variables.
        clip: float [B, T, H, W, C], T at least 1.
        tile_side: height and width of a tile in pixels: tiles are computed unless all are due.
            None leaves both to a model of costs.

    Returns:
        What the network returns for every frame, with the frames as second axis, [B, T, ...].

    Raises:
        InputError: if the clip is of another shape or type, `tile_side` is no number of pixels, or
            variables are missing.

    Source: Khachatourian 2019, for training with reuse.
    """
    side = None if tile_side is None else whole("tile_side", tile_side)
    apply, variables = as_function(network, variables)
    frames = jnp.moveaxis(jnp.asarray(frames_of("clip", clip, tuple("BTHWC"))), 1, 0)
    spec = jax.ShapeDtypeStruct(frames.shape[1:], frames.dtype)
    program = Program(trace(lambda frame: apply(variables, frame), spec), "region", side)
    weights = program.weights()
    counts = jnp.full(len(program.stages), -1.0).at[0].set(0.0)

    def next_frame(state: ReuseState, frame: Array) -> tuple[ReuseState, Any]:
        return program.advance(weights, state, frame, counts)

    state, first = program.start(weights, frames[0])
    _, rest = jax.lax.scan(next_frame, state, frames[1:])
    return jax.tree.map(
        lambda one, others: jnp.moveaxis(jnp.concatenate([one[None], others]), 0, 1), first, rest
    )
