"""The first weights of a network, which run once and should not take long to compile."""

import os
from typing import Any

import flax.linen as nn
import jax

from rsf_jax.typing import Array

_LEVEL = "xla_backend_optimization_level"


def first_variables(module: nn.Module, key: Array, inputs: Any) -> dict[str, Any]:
    """Returns what `jax.jit(module.init)(key, inputs)` returns, bitwise, in less time.

    Args:
        module: a model, or any other network of Flax.
        key: of the random numbers.
        inputs: what it is applied to; of frames the shapes alone count.
    """
    # Within another trace, where shapes alone may be asked for, there is nothing to compile yet.
    options = None if isinstance(key, jax.core.Tracer) else _options()
    return dict(jax.jit(module.init, compiler_options=options)(key, inputs))


def _options() -> dict[str, Any] | None:
    """Options of XLA, unless the user has chosen the level."""
    # XLA compiles a generator of random numbers for every kernel, for longer than it runs: see
    # docs/speed.md. Without any optimization the last bits would be others.
    if jax.default_backend() != "cpu" or _LEVEL in os.environ.get("XLA_FLAGS", ""):
        return None
    return {_LEVEL: 1}
