"""Trained models, and what is known of them: settings, records, cards, how classes look."""

from rsf_jax.trained.model import Trained

__all__ = ["Trained"]
