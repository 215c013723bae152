"""Datasets as videos: built, opened, divided, batched."""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.data.dataset import Dataset, first_videos, open_dataset, settle

__all__ = ["Dataset", "first_videos", "open_dataset", "settle"]

__getattr__ = attach(__name__, {".dataset": __all__})
