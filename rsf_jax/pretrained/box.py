"""Trained weights: a file of safetensors for each model, and a card.

Tensors have the names and layouts of the published PyTorch models (see `interop`), so that those
can load them too; of models that were never published, those of this library.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.numpy

from rsf_jax import interop
from rsf_jax.config.build import build_model
from rsf_jax.config.config import Config
from rsf_jax.json_files import write_bytes, write_json
from rsf_jax.paths import expand
from rsf_jax.trained.cards import (
    Card,
    card_values,
    check_name,
    checked_weights,
    read_card,
    sha256_of,
)
from rsf_jax.trained.model import Trained, settings_in_use
from rsf_jax.trained.records import Record


def load_pretrained(name: str | Path, changes: Mapping[str, Any] | None = None) -> Trained:
    """Loads a trained model that comes with the library, or one that `save_pretrained` wrote.

    Args:
        name: one of `pretrained_names()`; the path of a card, a file of JSON beside the weights;
            the folder of a card; or `hf:OWNER/NAME` of the Hugging Face hub, with `@REVISION`
            behind it for a branch, a tag or a commit. Nothing in any of them is executed.
        changes: settings to use instead of those the model was trained with.

    Raises:
        InputError: if there is no such model, a file is damaged, or the changes ask for another
            model; if a folder has several cards; if the hub cannot be reached, or the package
            huggingface_hub (extra `hub`) is not installed.
    """
    card = read_card(name)
    _say_what_drifts(card)
    saved = card.config
    config = settings_in_use(saved, changes, str(card.weights))
    variables = interop.to_flax(interop.tensors_of(checked_weights(card)), saved)
    model, update = build_model(config), card.record.update
    return Trained(config, saved, model, variables, update, card=card)


_said: set[str] = set()


def _say_what_drifts(card: Card) -> None:
    """Says of a model once that it must not be left in front of a scene that does not change."""
    lasts = card.record.lasts
    if lasts is not None and card.name not in _said:
        _said.add(card.name)
        logging.getLogger(__name__).warning(
            "%s drifts in front of a still camera: begin anew (a new state, or rsf.Refresh) after "
            "%d %s at most, or use a model that holds, such as those named live",
            card.name,
            lasts,
            "frame" if lasts == 1 else "frames",
        )


def save_pretrained(
    name: str, record: Record, variables: dict[str, Any], folder: str | Path
) -> Card:
    """Writes `{name}.safetensors` and its card, `{name}.json`.

    Args:
        name: what to call the model, as files are called.
        record: the run it comes from.
        variables: of the model.
        folder: for both files.

    Raises:
        InputError: if the variables are of another model than the record, or no file can be
            called so.
    """
    check_name(name)
    config = Config(**record.config)
    folder = expand(folder)
    weights = folder / f"{name}.safetensors"
    # Not `save_file`: nobody else may read what it writes.
    write_bytes(weights, safetensors.numpy.save(interop.to_torch(variables, config)))
    card = Card(name, weights, sha256_of(weights), record)
    write_json(folder / f"{name}.json", card_values(card))
    return card
