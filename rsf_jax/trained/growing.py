"""Growing a trained network: more channels, larger kernels, the same outputs to begin with."""

from typing import Any

import jax
import numpy as np

from rsf_jax.config.config import MODEL_FIELDS, Config
from rsf_jax.config.networks import kind_of
from rsf_jax.errors import InputError
from rsf_jax.typing import Variables


def check_growth(there: Config, here: Config) -> None:
    """Checks that weights of one configuration can become those of another.

    Args:
        there: of the weights.
        here: of the model that shall begin with them.

    Raises:
        InputError: if there is no way that keeps what the network computes.
    """
    changed = [name for name in MODEL_FIELDS if getattr(there, name) != getattr(here, name)]
    for name in changed:
        if name == "halting_head" and not getattr(there, name):
            continue  # it begins as by itself, and what was there reads nothing of it
        old, new = getattr(there, name), getattr(here, name)
        if name not in kind_of(here.model).grows or there.model != here.model:
            raise _refused(there, f"{name}={old!r} there, {new!r} here, cannot be made of it")
        if new < old:
            raise _refused(there, f"{name}={old} there, {new} here: networks grow, never shrink")


def grow(weights: Variables, fresh: Variables) -> dict[str, Any]:
    """Returns trained weights in the shapes of a larger network, which computes the same.

    A smaller kernel stands in the middle of a larger one, zeros around it. New channels begin as
    in `fresh`; nothing that was there reads them, so that the outputs stay what they were until
    training changes that. So a kind of network that may grow in channels has kernels that end in
    [C_in, C_out], and computes of a channel what depends on that channel alone but for those
    kernels; others keep several maps side by side in one axis. A halting head that is not among
    the weights begins as in `fresh`.

    Args:
        weights: of the smaller network.
        fresh: of the larger one, as it would begin by itself.

    Returns:
        As `fresh`, in NumPy arrays.
    """
    found = {**weights, "params": dict(weights["params"])}
    if "halting" in fresh["params"]:
        found["params"].setdefault("halting", fresh["params"]["halting"])
    return jax.tree.map(_grow_leaf, found, {**fresh, "params": dict(fresh["params"])})


def _grow_leaf(old: Any, fresh: Any) -> Any:
    old, new = np.asarray(old), np.array(fresh)
    if old.shape == new.shape:
        return old
    *sides, inputs, outputs = (1,) * (2 - old.ndim) + old.shape
    grown = new.reshape((1,) * (2 - new.ndim) + new.shape)
    middle = tuple(
        slice((large - small) // 2, (large + small) // 2)
        for small, large in zip(sides, grown.shape)
    )
    grown[..., :outputs] = 0
    grown[*middle, :inputs, :outputs] = old
    return grown.reshape(new.shape)


def _refused(there: Config, reason: str) -> InputError:
    return InputError(f"weights of a {there.model} cannot be begun with: {reason}")
