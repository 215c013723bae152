"""Trained weights that come with the library, each with a card of how they were made."""

from rsf_jax.pretrained.box import load_pretrained, save_pretrained
from rsf_jax.pretrained.model_card import write_model_card
from rsf_jax.trained.cards import Card, card_values, checked_weights, read_card
from rsf_jax.trained.places import pretrained_names

__all__ = [
    "Card",
    "card_values",
    "checked_weights",
    "load_pretrained",
    "pretrained_names",
    "read_card",
    "save_pretrained",
    "write_model_card",
]
