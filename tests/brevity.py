"""How long speeds are measured: no test looks at how high they are.

Here and in the processes that tests start alike.
"""

import importlib

SECONDS = (
    "rsf_jax.measures.timing.PAUSE",
    "rsf_jax.measures.timing.TURN",
    "rsf_jax.scoring.speed.SECONDS",
)


def begin() -> None:
    """From now on, in this process."""
    for name in SECONDS:
        module, _, variable = name.rpartition(".")
        setattr(importlib.import_module(module), variable, 0.0)
