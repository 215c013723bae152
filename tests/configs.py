"""Configurations for tests."""

import jax
import numpy as np

import rsf_jax as rsf
from rsf_jax.trained.model import Trained

# Of runs on the small dataset of `conftest.data_dir`.
_ON_TINY = {"dataset": "t_pathfinder/tiny", "batch_size": 8, "eval_batch_size": 4}


def tiny_config(data_dir=None, **changes):
    """The quickstart's, with a network of 3 channels and 3x3 kernels: compiled in moments.

    Args:
        data_dir: where the small dataset lies, for a run on it; None for a network alone.
        changes: other settings.
    """
    data = {} if data_dir is None else {**_ON_TINY, "data_dir": str(data_dir)}
    small = {"channels": 3, "kernel_size": 3, **data, **changes}
    return rsf.get_config("quickstart").replace(**small)


def untrained(frame_shape, **changes):
    """A model as it is before training, with what is known of a trained one.

    Args:
        frame_shape: (height, width) in pixels.
        changes: settings, as for `tiny_config`.
    """
    config = tiny_config(**changes)
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(
        jax.random.key(0), np.zeros((1, 1, *frame_shape, 1), np.float32)
    )
    return Trained(config, config, model, variables, 0)
