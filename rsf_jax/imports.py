"""Weights made elsewhere as a run that can be tested and fine-tuned."""

from pathlib import Path

import jax.numpy as jnp

from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.experiment import save_config, writable_folder
from rsf_jax.interop import tensors_of, to_flax
from rsf_jax.models import count_parameters
from rsf_jax.pretrained import card_values, checked_weights, read_card
from rsf_jax.records import CARD, write_json
from rsf_jax.training.checkpoints import FOLDER, Checkpoints
from rsf_jax.training.integrity import sealed_steps
from rsf_jax.training.state import TrainState, build_optimizer


def import_weights(weights: str | Path, config: Config, workdir: Path, update: int = 0) -> int:
    """Makes a checkpoint of published weights.

    Args:
        weights: a file as `tensors_of` reads it.
        config: the run they shall belong to.
        workdir: the run's folder.
        update: number of updates they were trained for, the checkpoint's name.

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
            TrainState(jnp.int32(update), params, variables, optimizer.init(params)), config
        )
    save_config(config, workdir)
    return count_parameters({"params": params})


def import_pretrained(name: str | Path, workdir: Path) -> Path:
    """Makes a run of a trained model that comes with the library.

    Args:
        name: as for `load_pretrained`.
        workdir: the run's folder; left as it is if it holds these weights already.

    Returns:
        The folder.

    Raises:
        InputError: if there is no such model, a file is damaged, or the folder holds another run.
    """
    card, workdir = read_card(name), writable_folder(workdir)
    copy = workdir / CARD
    if copy.exists() and read_card(copy).sha256 != card.sha256:
        raise InputError(f"{workdir} holds other weights called {card.name}: delete it")
    # A kill may have come between card and weights.
    if not copy.exists() or not sealed_steps(workdir / FOLDER):
        weights = checked_weights(card)
        write_json(copy, card_values(card))
        import_weights(weights, card.config, workdir, card.record.update)
    return workdir
