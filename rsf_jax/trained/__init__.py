"""Trained models, and what is known of them: settings, records, cards, how classes look.

Where cards lie is asked by `--help`, too, which needs no model.
"""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.trained.model import Trained

__all__ = ["Trained"]

__getattr__ = attach(__name__, {".model": __all__})
