"""A loaded model in a line: what a notebook shows where a variable stands alone."""

from rsf_jax.config.config import Config
from rsf_jax.config.networks import kind_of


def in_a_line(config: Config, parameters: int) -> str:
    """Returns name, model, sizes, number of parameters and schedule of a trained model."""
    frames = {1: "gray", 3: "color"}.get(config.input_channels, f"{config.input_channels}-channel")
    parts = [
        f"{config.name}: {config.model}{f' ({config.options})' if config.options else ''}",
        f"{config.channels} channels",
        f"{config.classes} classes",
        f"{frames} frames",
        f"{parameters:,} parameters",
    ]
    if kind_of(config.model).recurrent:
        parts.append(f"trained with s{config.slow_steps}f{config.fast_steps}")
    return ", ".join(parts)
