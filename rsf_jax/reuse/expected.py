"""The time that frames should have taken, by what was computed of them and the model of costs."""

import numpy as np

from rsf_jax.reuse.program import Program
from rsf_jax.reuse.tuning import LOOK, time_of_tiles, time_of_whole


def time_by_model(program: Program, computed: np.ndarray) -> np.ndarray:
    """Returns the time of frames, relative to that of the dense network.

    Args:
        program: of the network.
        computed: float [..., stages], the share of every map that a frame had computed, as its
            state has it.

    Returns:
        float64 [...].
    """
    spent, whole = np.zeros(computed.shape[:-1]), 0.0
    for i, each in enumerate(program.plans, 1):
        share, everything = computed[..., i], time_of_whole(each.stage)
        calls = np.ceil(share * each.cut.tiles / each.together)
        tiles = calls * time_of_tiles(each.stage, each.cut, each.together)
        spent += LOOK + np.where(share >= 1, everything, tiles)
        whole += everything
    return spent / whole
