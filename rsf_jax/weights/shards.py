"""Weights that are divided into several files, with an index of which is where."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rsf_jax.errors import InputError


def read(path: Path, read_file: Callable[[Path], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the tensors of all shards, by name.

    Args:
        path: the index, a file such as `model.safetensors.index.json` beside its shards, whose
            entry `weight_map` has the file of each tensor.
        read_file: reads one shard.

    Raises:
        InputError: if the index is none, or a shard or a tensor is missing.
    """
    places = _places(path)
    shards = {name: read_file(path.parent / name) for name in sorted(set(places.values()))}
    missing = [name for name, shard in places.items() if name not in shards[shard]]
    if missing:
        raise InputError(f"{places[missing[0]]} lacks {len(missing)} tensors, such as {missing[0]}")
    return {name: shards[shard][name] for name, shard in places.items()}


def _places(path: Path) -> dict[str, str]:
    index = json.loads(path.read_text())
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise InputError("it has no weight_map, which says where tensors are")
    for shard in places.values():
        # Beside the index: a name must not lead to another folder, nor to another index.
        if not isinstance(shard, str) or Path(shard).name != shard or shard.endswith(".json"):
            raise InputError(f"its weight_map names {shard!r}: a file beside it is needed")
    return places
