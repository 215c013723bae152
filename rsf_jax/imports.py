"""Published weights as a run that can be tested, resumed and fine-tuned."""

from pathlib import Path

import jax.numpy as jnp

from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.experiment import save_config
from rsf_jax.interop import tensors_of, to_flax
from rsf_jax.models import count_parameters
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.state import TrainState, build_optimizer


def import_weights(weights: str | Path, config: Config, workdir: Path) -> int:
    """Makes a checkpoint of update 0 of published weights.

    Args:
        weights: a file as `read_state_dict` reads it.
        config: the run they shall belong to.
        workdir: the run's folder.

    Returns:
        The number of parameters.

    Raises:
        InputError: if the file cannot be read, is of another model, or the folder holds a run.
    """
    variables = to_flax(tensors_of(weights), config)
    params = variables.pop("params")
    with Checkpoints(workdir, create=True) as checkpoints:
        if checkpoints.steps():
            raise InputError(f"{workdir} holds a run already: give another --workdir")
        optimizer = build_optimizer(config, 1)
        checkpoints.save(
            TrainState(jnp.int32(0), params, variables, optimizer.init(params)), config
        )
    save_config(config, workdir)
    return count_parameters({"params": params})
