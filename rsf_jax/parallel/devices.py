"""The same step on one device or, with `pmap`, on several."""

from collections.abc import Callable
from typing import Any

import flax.jax_utils
import jax

from rsf_jax.config.config import Config
from rsf_jax.data.batch import Batch, pad_batch
from rsf_jax.errors import InputError

AXIS = "devices"


class Devices:
    """Local devices that share every batch between them.

    On one device arrays keep their shape and functions are compiled with `jax.jit`. On several,
    states carry a leading axis of replicas, batches a leading axis of shares, and functions are
    mapped with `jax.pmap` over the axis `AXIS`.

    Attributes:
        devices: the local devices used.
    """

    def __init__(self, count: int = 0, *, everywhere: bool = False) -> None:
        """Takes the first `count` local devices, or all of them for 0.

        With `everywhere`, functions are mapped over the devices of all processes: each gives and
        gets the shares of its own.
        """
        self._everywhere = everywhere and jax.process_count() > 1
        if self._everywhere and count not in (0, len(jax.local_devices())):
            raise InputError(
                f"config.devices is {count}: several processes use all their devices, give 0"
            )
        available = jax.local_devices()
        if count > len(available):
            raise InputError(
                f"config.devices is {count}: this machine has {len(available)} "
                f"{available[0].platform} device(s); ask for at most that many, or 0 for all"
            )
        self.devices = available[: count or None]

    @property
    def axis_name(self) -> str | None:
        """Name of the mapped axis, or None on one device."""
        return AXIS if self._everywhere or len(self.devices) > 1 else None

    def compile(self, function: Callable, *, donate_first: bool = False) -> Callable:
        """Returns `function` compiled for these devices."""
        donated = (0,) if donate_first else ()
        if self.axis_name is None:
            return jax.jit(function, donate_argnums=donated)
        devices = None if self._everywhere else self.devices
        return jax.pmap(function, axis_name=self.axis_name, devices=devices, donate_argnums=donated)

    def replicate(self, tree: Any) -> Any:
        """Puts a copy of `tree` on every device."""
        if self.axis_name is None:
            return jax.device_put(tree, self.devices[0])
        return flax.jax_utils.replicate(tree, self.devices)

    def unreplicate(self, tree: Any) -> Any:
        """Takes the first local device's copy."""
        if self.axis_name is None:
            return tree
        return jax.tree.map(lambda x: x.addressable_data(0)[0], tree)

    def shard(self, batch: Batch) -> Batch:
        """Pads a batch with videos of zero weight and deals it to the devices."""
        count = len(self.devices)
        size = len(batch.weights)
        batch = pad_batch(batch, -(-size // count) * count)
        if self.axis_name is None:
            return batch
        return jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)

    def gather(self, tree: Any) -> Any:
        """Joins what the devices computed for their shares, as NumPy arrays."""
        tree = jax.device_get(tree)
        if self.axis_name is None:
            return tree
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)


def devices_for(config: Config, *, everywhere: bool = False) -> Devices:
    """Returns the devices a configuration asks for.

    What is computed over a batch (statistics, the guard of a Neumann series) is computed over one
    device's share of it: it would change with the number of devices, so one is used.

    Raises:
        InputError: if there are not so many, or several are asked for with such a setting.
    """
    # See docs/decisions/0004-normalization.md.
    tied = {
        "norm_statistics": config.normalizes_over_batch,
        "neumann_guard": config.guards_over_batch,
    }
    for name, holds in tied.items():
        if holds and (config.devices > 1 or (everywhere and jax.process_count() > 1)):
            raise InputError(
                f"config.devices is {config.devices}: with config.{name}={getattr(config, name)} "
                "results would depend on it; use one device in one process"
            )
    return Devices(1 if any(tied.values()) else config.devices, everywhere=everywhere)
