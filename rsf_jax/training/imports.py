"""Weights made elsewhere in a folder in which they can be tested and fine-tuned."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.interop import tensors_of, to_flax
from rsf_jax.json_files import write_bytes, write_json
from rsf_jax.models.base import count_parameters
from rsf_jax.run_folder import RunFolder, writable_folder
from rsf_jax.trained.cards import Card, card_values, checked_weights, read_card, sha256_of
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.integrity import sealed_steps
from rsf_jax.training.loading import load_trained
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
            raise InputError(f"{workdir} holds a run already: choose another folder")
        optimizer = build_optimizer(config, 1)
        checkpoints.save(
            TrainState(jnp.int32(update), params, variables, optimizer.init(params)), config
        )
    write_json(RunFolder(workdir).config, config)
    return count_parameters({"params": params})


def import_pretrained(name: str | Path, workdir: Path) -> Path:
    """Puts a trained model into a folder of its own, for what is made with it.

    Args:
        name: as for `load_pretrained`.
        workdir: the folder, for `load_trained`; left as it is if it holds these weights already.

    Returns:
        The folder.

    Raises:
        InputError: if there is no such model, a file is damaged, or the folder holds a run or
            other weights.
    """
    card, workdir = read_card(name), writable_folder(workdir)
    copy = RunFolder(workdir).card
    if copy.exists() and read_card(copy).sha256 != card.sha256:
        raise InputError(
            f"{workdir} holds other weights called {card.name}: delete it, or choose another folder"
        )
    weights = checked_weights(card)
    if sealed_steps(RunFolder(workdir).checkpoints):
        # Of weights an earlier version made a checkpoint.
        if not _are_weights(workdir, card, weights):
            raise InputError(
                f"{workdir} holds a run that is not {card.name}: choose another folder"
            )
        return workdir
    own = dataclasses.replace(card, weights=workdir / f"{card.name}.safetensors")
    if not _is_there(own):
        write_bytes(own.weights, weights.read_bytes())
    if not copy.exists():  # last: it says that the weights are there
        write_json(copy, card_values(own))
    return workdir


def _is_there(card: Card) -> bool:
    return card.weights.exists() and sha256_of(card.weights) == card.sha256


def _are_weights(workdir: Path, card: Card, weights: Path) -> bool:
    """Whether the best checkpoint of a run is a card's weights and nothing else."""
    here = load_trained(workdir)
    if here.saved != card.config or here.update != card.record.update:
        return False
    there = to_flax(tensors_of(weights), card.config)
    equal = jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), dict(here.variables), dict(there))
    return all(jax.tree.leaves(equal))
