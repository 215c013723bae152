"""Loads what a run's folder holds, checkpoints or weights with a card, as a trained model."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rsf_jax.config.build import build_model
from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.pretrained import load_pretrained
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained.model import Trained, settings_in_use
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.integrity import sealed_steps
from rsf_jax.training.state import build_optimizer, create_state


def load_trained(
    workdir: str | Path, changes: Mapping[str, Any] | None = None, update: int | None = None
) -> Trained:
    """Loads the best checkpoint of a run, or that of a given update.

    Args:
        workdir: the run's folder, or one that `import_pretrained` has made of weights.
        changes: settings to use instead of those the model was trained with.
        update: number of updates; None for the best checkpoint on validation videos.

    Raises:
        InputError: if there is no such checkpoint, it is damaged, or the changes ask for another
            model.
    """
    folder = expand(workdir)
    files = RunFolder(folder)
    if files.card.exists() and not sealed_steps(files.checkpoints):
        return _of_weights(folder, changes, update)
    with Checkpoints(workdir) as checkpoints:
        return _of_checkpoint(checkpoints, folder, changes, update)


def _of_weights(folder: Path, changes: Mapping[str, Any] | None, update: int | None) -> Trained:
    trained = load_pretrained(RunFolder(folder).card, changes)
    if update not in (None, trained.update):
        raise InputError(f"{folder} has weights of update {trained.update} alone, not of {update}")
    return trained


def _of_checkpoint(
    checkpoints: Checkpoints, folder: Path, changes: Mapping[str, Any] | None, update: int | None
) -> Trained:
    best = checkpoints.best_step()
    chosen = best if update is None else update
    if chosen is None or chosen not in checkpoints.steps():
        raise InputError(
            f"{checkpoints.folder} has no checkpoint of update "
            f"{'(any)' if chosen is None else chosen}; it has "
            f"{', '.join(map(str, checkpoints.steps())) or 'none at all: train first'}"
        )
    saved = checkpoints.config(chosen)
    config = settings_in_use(saved, changes, f"checkpoint {checkpoints.folder / str(chosen)}")
    # Parameters do not depend on the frame size: a small one will do.
    start = partial(create_state, build_model(saved), build_optimizer(saved, 1), 0, (16, 16))
    variables = checkpoints.restore_variables(chosen, jax.eval_shape(start))
    return Trained(
        config,
        saved,
        build_model(config),
        jax.tree.map(jnp.asarray, variables),
        chosen,
        is_best=chosen == best,
        data=checkpoints.data(chosen),
        folder=folder,
    )
