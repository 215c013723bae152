"""Weights made elsewhere as a run that can be tested and fine-tuned."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.evaluation import load_trained
from rsf_jax.experiment import save_config, writable_folder
from rsf_jax.interop import tensors_of, to_flax
from rsf_jax.json_files import write_json
from rsf_jax.models import count_parameters
from rsf_jax.pretrained import Card, card_values, checked_weights, read_card
from rsf_jax.records import CARD
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
    weights = checked_weights(card)
    steps = sealed_steps(workdir / FOLDER)
    if not steps:  # a kill may have come between weights and card
        import_weights(weights, card.config, workdir, card.record.update)
    elif not _are_weights(workdir, card, weights):
        raise InputError(f"{workdir} holds a run that is not {card.name}: give another --workdir")
    if not copy.exists():  # last: it says that the weights are there
        write_json(copy, card_values(card))
    return workdir


def _are_weights(workdir: Path, card: Card, weights: Path) -> bool:
    """Whether the best checkpoint of a run is a card's weights and nothing else."""
    here = load_trained(workdir)
    if here.saved != card.config or here.step != card.record.update:
        return False
    there = to_flax(tensors_of(weights), card.config)
    equal = jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), dict(here.variables), dict(there))
    return all(jax.tree.leaves(equal))
