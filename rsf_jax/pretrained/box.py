"""Weights and cards: a file of safetensors and one of JSON for each model.

Tensors have the names and layouts of the published PyTorch models (see `interop`), so that those
can load them too; of models that were never published, those of this library. The card holds the
SHA-256 of the weights, which is checked whenever they are read: the format has no checksum of its
own.
"""

import dataclasses
import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.numpy

from rsf_jax import interop
from rsf_jax.build import build_model
from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_json
from rsf_jax.models import VideoModel
from rsf_jax.paths import expand
from rsf_jax.records import Record, from_json
from rsf_jax.summary import in_a_line

FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Card:
    """How weights were made, and how good they are.

    Attributes:
        name: what they are called.
        weights: their file.
        sha256: its checksum.
        record: the run they come from.
    """

    name: str
    weights: Path
    sha256: str
    record: Record

    def __repr__(self) -> str:
        """Returns a line, without the settings of the record."""
        return f"<Card {self.name}: {self.record.preset}, weights in {self.weights}>"

    @property
    def config(self) -> Config:
        """The settings of the run."""
        return Config(**self.record.config)


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A trained model, ready for `run_video`, `run_frame` and `StreamEngine`.

    Attributes:
        card: how it was made, and how good it is.
        config: the settings of its training.
        model: the Flax module.
        variables: parameters, and running statistics if the model has them.
    """

    card: Card
    config: Config
    model: VideoModel
    variables: dict[str, Any]

    def __repr__(self) -> str:
        """Returns a line: variables and settings would fill screens."""
        return f"<Pretrained {self.card.name}; {in_a_line(self.config, self.variables)}>"


def pretrained_names() -> list[str]:
    """Returns the names of the models that come with the library."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load_pretrained(name: str | Path) -> Pretrained:
    """Loads a trained model that comes with the library, or one that `save_pretrained` wrote.

    Args:
        name: one of `pretrained_names()`, or the path of a card, a file of JSON beside the weights.

    Raises:
        InputError: if there is no such model, or a file is damaged.
    """
    card = read_card(name)
    config, tensors = card.config, interop.tensors_of(checked_weights(card))
    return Pretrained(card, config, build_model(config), interop.to_flax(tensors, config))


def read_card(name: str | Path) -> Card:
    """Reads the card of a trained model; see `load_pretrained`.

    Raises:
        InputError: if there is no such card, or it is damaged.
    """
    path = _card_path(name)
    try:
        values = json.loads(path.read_text())
        record, sha256 = from_json(values["record"]), values["sha256"]
        weights = path.with_name(Path(values["weights"]).name)
        return Card(str(values["name"]), weights, str(sha256), record)
    except (OSError, ValueError, TypeError, LookupError, InputError) as error:
        raise InputError(f"{path} is no card of a trained model: {error}") from error


def checked_weights(card: Card) -> Path:
    """Returns the file of weights, once it is sure that it is the one of the card.

    Raises:
        InputError: if it is missing or damaged.
    """
    try:
        found = _sha256(card.weights)
    except OSError as error:
        raise InputError(f"cannot read {card.weights}: {error.strerror}") from error
    if found != card.sha256:
        raise InputError(
            f"{card.weights} is damaged: its SHA-256 is {found[:16]}..., its card says "
            f"{card.sha256[:16]}...; install rsf_jax anew, or copy both files again"
        )
    return card.weights


def save_pretrained(name: str, record: Record, variables: dict[str, Any], folder: Path) -> Card:
    """Writes `{name}.safetensors` and its card, `{name}.json`.

    Args:
        name: what to call the model.
        record: the run it comes from.
        variables: of the model.
        folder: for both files.

    Raises:
        InputError: if the variables are of another model than the record.
    """
    config = Config(**record.config)
    weights = folder / f"{name}.safetensors"
    # Not `save_file`: nobody else may read what it writes.
    content = safetensors.numpy.save(interop.to_torch(variables, config))
    unfinished = weights.with_name(weights.name + ".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(weights)
    card = Card(name, weights, _sha256(weights), record)
    write_json(folder / f"{name}.json", card_values(card))
    return card


def card_values(card: Card) -> dict[str, Any]:
    """Returns what the file of a card holds."""
    return {
        "name": card.name,
        "weights": card.weights.name,
        "sha256": card.sha256,
        "record": dataclasses.asdict(card.record),
    }


def _card_path(name: str | Path) -> Path:
    if Path(name).suffix == ".json":
        return expand(name)
    names = pretrained_names()
    if name not in names:
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise InputError(
            f"no trained model is called {str(name)!r}: {hint}there are {', '.join(names)}; or "
            "name a card, a file of JSON"
        )
    return FOLDER / f"{name}.json"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
