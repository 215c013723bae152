"""Opens what the flags name: the folder, and the trained model."""

from pathlib import Path

import rsf_jax as rsf
from rsf_jax.commands.devices import print_header
from rsf_jax.commands.shared import CONFIG, PRETRAINED, WORKDIR, model_settings, overrides
from rsf_jax.trained.cards import read_card
from rsf_jax.trained.places import find_card


def workdir(default: str | None = None) -> Path:
    """Returns the folder given as a flag, or `default`, or the preset's.

    Args:
        default: of a launcher that needs no trained model.
    """
    if PRETRAINED.value:
        if default:
            raise rsf.InputError("--pretrained is not used here: no trained model is needed")
        from rsf_jax.training.imports import import_pretrained

        card = find_card(PRETRAINED.value)
        folder = WORKDIR.value or Path("runs", "pretrained", read_card(card).name)
        return import_pretrained(card, Path(folder))
    given = WORKDIR.value or default
    if given:
        return Path(given)
    if CONFIG.value:
        return Path("runs", CONFIG.value)
    raise rsf.InputError(
        "give --config=PRESET, --workdir=FOLDER of a trained model, or --pretrained=NAME"
    )


def open_trained(update: int | None = None) -> "tuple[rsf.Trained, Path]":
    """Loads the model that the flags name, and prints what it is.

    Args:
        update: number of updates of the checkpoint; None for the best one.

    Returns:
        The model, and the folder for what is made with it.
    """
    from rsf_jax.training.loading import load_trained

    folder = workdir()
    trained = load_trained(folder, model_settings() | overrides(), update)
    print_header(trained.config)
    return trained, folder
