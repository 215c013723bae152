"""Trained weights that come with the library, each with a card of how they were made."""

from rsf_jax.pretrained.box import (
    Card,
    Pretrained,
    card_values,
    checked_weights,
    load_pretrained,
    pretrained_names,
    read_card,
    save_pretrained,
)

__all__ = [
    "Card",
    "Pretrained",
    "card_values",
    "checked_weights",
    "load_pretrained",
    "pretrained_names",
    "read_card",
    "save_pretrained",
]
