"""Checks named array types while the tests run, and makes silent broadcasting an error."""

import os

# Before JAX starts: several CPU devices for the tests of parallel training, no GPU needed.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + (
    " --xla_force_host_platform_device_count=4"
)

import jax
from jaxtyping import install_import_hook

install_import_hook("rsf_jax", "beartype.beartype")
jax.config.update("jax_numpy_rank_promotion", "raise")
