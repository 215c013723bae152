"""Which weights these are, in a line."""

import hashlib
from typing import Any

import jax
import numpy as np

from rsf_jax.ops.prepared import SPECTRA


def fingerprint(variables: Any) -> str:
    """Returns SHA-256 of names, shapes, types and values of variables, without spectra."""
    found = hashlib.sha256()
    own = {name: value for name, value in variables.items() if name != SPECTRA}
    for path, leaf in jax.tree_util.tree_leaves_with_path(own):
        array = np.asarray(jax.device_get(leaf))
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()
