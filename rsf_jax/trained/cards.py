"""Cards of trained weights: a file of JSON beside them says how they were made.

The card holds the SHA-256 of the weights, which is checked whenever they are read: the format has
no checksum of its own.
"""

import dataclasses
import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.trained.records import Record, from_json

FOLDER = Path(__file__).parents[1] / "pretrained"


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


def pretrained_names() -> list[str]:
    """Returns the names of the models that come with the library."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


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
        found = sha256_of(card.weights)
    except OSError as error:
        raise InputError(f"cannot read {card.weights}: {error.strerror}") from error
    if found != card.sha256:
        raise InputError(
            f"{card.weights} is damaged: its SHA-256 is {found[:16]}..., its card says "
            f"{card.sha256[:16]}...; install rsf_jax anew, or copy both files again"
        )
    return card.weights


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


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
