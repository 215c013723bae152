"""Cards of trained weights: a file of JSON beside them says how they were made.

The card holds the SHA-256 of the weights, which is checked whenever they are read: the format has
no checksum of its own.
"""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from rsf_jax.config.config import Config
from rsf_jax.config.registry import check_registered
from rsf_jax.errors import InputError
from rsf_jax.trained.places import find_card
from rsf_jax.trained.records import Record, from_json

# A model's name is that of its files. Whoever made a card decides it, and must not choose where
# they are written.
_NAME = re.compile(r"[^\W_][\w .+=,-]*")


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


def check_name(name: str) -> str:
    """Returns what a model is called.

    Raises:
        InputError: if no file can be called so.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a model: use letters, digits, dots, dashes and underscores, a "
            "letter or a digit in front"
        )
    return name


def read_card(name: str | Path) -> Card:
    """Reads the card of a trained model; see `load_pretrained`.

    Raises:
        InputError: if there is no such card, or it is damaged.
    """
    path = find_card(name)
    try:
        values = json.loads(path.read_text())
        model = values["record"]["config"].get("model")
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise InputError(f"{path} is no card of a trained model: {error}") from error
    check_registered(model, f"card {path}")
    try:
        record, sha256 = from_json(values["record"]), values["sha256"]
        weights = path.with_name(Path(values["weights"]).name)
        return Card(check_name(str(values["name"])), weights, str(sha256), record)
    except (ValueError, TypeError, LookupError) as error:  # an InputError is a ValueError
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


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
