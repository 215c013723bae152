"""Whether reuse is worth it for a frame, foreseen before anything is computed."""

from collections.abc import Sequence

import jax.numpy as jnp

from rsf_jax.reuse.parts import Plan
from rsf_jax.reuse.stages import Stage
from rsf_jax.reuse.tiling import sees_change
from rsf_jax.reuse.tuning import LOOK, time_of_tiles, time_of_whole
from rsf_jax.typing import Array

# Share of the dense network's time from which on the dense network is taken: reuse has to store
# besides, which the share leaves out.
WORTH = 0.95


def share_of_time(plans: Sequence[Plan], changed: Array, always: float = 0.0) -> Array:
    """Foresees the time of a frame with reuse, relative to that of computing everything.

    A change is grown from stage to stage by what each window sees. It is an upper bound: what a
    ReLU or a pooling swallows is not foreseen.

    Args:
        plans: of all stages but the frame, in order.
        changed: bool [B, H, W], which pixels of the frame have changed.
        always: milliseconds of what is computed for every frame, whatever has changed.

    Returns:
        float32, above 1 where nothing can be left out.
    """
    masks: dict[Stage, Array] = {}
    spent, whole = jnp.float32(always), always
    for plan in plans:
        stage = plan.stage
        for read in (*stage.beside, *([stage.source] if stage.source else [])):
            masks.setdefault(read, changed)  # only the frame has no plan
        due = sees_change(stage, plan.cut.tile, masks).sum()
        masks[stage] = sees_change(stage, (1, 1), masks)
        everything = time_of_whole(stage)
        tiles = jnp.ceil(due / plan.together) * time_of_tiles(stage, plan.cut, plan.together)
        spent += LOOK + jnp.where(due > plan.most, everything, tiles)
        whole += everything
    return spent / whole
