"""Where the card of a trained model lies: with the library, in a file, a folder or on the hub."""

import difflib
import json
import os
import re
from pathlib import Path

from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained import hub

FOLDER = Path(__file__).parents[1] / "pretrained"
# What a file of JSON holds that is a card.
ENTRIES = ("name", "weights", "sha256", "record")


def pretrained_names() -> list[str]:
    """Returns the names of the models that come with the library."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def find_card(name: str | Path) -> Path:
    """Returns the file of a card; one on the hub is fetched with its weights.

    Args:
        name: one of `pretrained_names()`; a card, a file of JSON; a folder with one; or
            `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`.

    Raises:
        InputError: if it is none of these, or the folder or repository has no card or several.
    """
    if str(name).startswith(hub.PREFIX):
        return _on_the_hub(str(name))
    if str(name) in pretrained_names():
        return FOLDER / f"{name}.json"
    if re.match(r"https?:/", str(name)):
        raise InputError(f"{name} is an address: write {hub.FORM} for a model of the hub")
    path = expand(name)
    if os.path.isdir(path):  # also false of what no path can be
        return _in_folder(path, str(path))
    if path.suffix == ".json":
        return path
    raise _unknown(str(name))


def _unknown(name: str) -> InputError:
    names = pretrained_names()
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return InputError(
        f"no trained model is called {name!r}: {hint}there are {', '.join(names)}; or name a card, "
        f"a file of JSON, the folder that it is in, or {hub.FORM}"
    )


def _on_the_hub(address: str) -> Path:
    repository = hub.Repository.of(address)
    card = _in_folder(repository.cards(), address)
    named = str(json.loads(card.read_text())["weights"])
    repository.add_weights(card.with_name(Path(named).name))
    return card


def _in_folder(folder: Path, shown: str) -> Path:
    """The one card of a folder.

    Args:
        folder: where it lies.
        shown: what the user calls the folder.
    """
    files = sorted(folder.glob("*.json"))
    cards = [path for path in files if _is_card(path)]
    if len(cards) == 1:
        return cards[0]
    if cards:
        several = ", ".join(path.name for path in cards)
        raise InputError(f"{shown} has several cards, {several}: name one of these files")
    if RunFolder(folder).checkpoints.exists():
        raise InputError(
            f"{shown} is the folder of a run, the workdir of commands, which rsf.load_trained "
            "loads: weights with a card are what the command export_weights writes of it"
        )
    others = f": {', '.join(path.name for path in files[:4])} are none" if files else ""
    raise InputError(
        f"{shown} has no card of a trained model of rsf_jax, a file of JSON as the command "
        f"export_weights writes{others}"
    )


def _is_card(path: Path) -> bool:
    try:
        return set(ENTRIES) <= json.loads(path.read_text()).keys()
    except (OSError, ValueError, AttributeError):  # of another kind, or damaged
        return False
