"""Settings of experiments, the networks they name, and presets."""

from rsf_jax.config.config import Config

__all__ = ["Config"]
