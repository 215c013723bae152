"""Weights of the published PyTorch models, to Flax variables and back.

Which tensors a network's variables are made of is in its entry of `networks`, by the tables of
`formats`. Models that nobody has published as such, the recurrent U-Net, Conv3D and what users
register, have the names and layouts of their Flax variables: `params.cell.kernel`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.config.build import build_model
from rsf_jax.config.config import Config, checked_config
from rsf_jax.config.networks import kind_of, network_names
from rsf_jax.config.presets import with_model
from rsf_jax.errors import InputError
from rsf_jax.models.base import VideoModel, check_variables
from rsf_jax.models.formats import AS_IT_IS, HEAD, Entry, Keys, StateDict
from rsf_jax.ops.prepared import SPECTRA
from rsf_jax.weights import nesting
from rsf_jax.weights.quoting import show_names
from rsf_jax.weights.state_dicts import array_in, read_content, tensors_in

_LISTED, _FEW = 40, 8  # problems in a message: of a file to be mended, of a wrong call
_RUNNING = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


def load_published(
    source: Mapping[str, Any] | str | Path, **overrides: Any
) -> tuple[VideoModel, dict[str, Any]]:
    """Builds the model that a published state dict belongs to, with its weights.

    Model, channels and kernel size are told from names and shapes. What these do not show is given
    as overrides: FF-6 and FF-res-6 have the same weights, so `model="ffres6"`;
    `norm_statistics="batch"` for what the published code computes.

    Args:
        source: arrays by name, or a `.pt`, `.pth`, `.npz` or `.safetensors` file; see `tensors_of`.
        overrides: fields of `Config`.

    Returns:
        The model and its variables.

    Raises:
        InputError: if the file cannot be read, or entries are missing, unknown or misshapen: they
            are listed.
    """
    tensors = tensors_of(source)
    config = detect_config(tensors).replace(**overrides)
    return build_model(config), to_flax(tensors, config)


def tensors_of(source: Mapping[str, Any] | str | Path) -> dict[str, np.ndarray]:
    """Returns arrays by the names they have in a model, wherever they lie in what was saved.

    Containers around them, the attribute of a training script that held the model (`model.`) and
    the wrappers of PyTorch (`module.`, `_orig_mod.`, in any order and number) are passed over.

    Args:
        source: arrays by name, or mappings of such, or a file as `read_content` reads it.

    Raises:
        InputError: if the file cannot be read, there are no arrays by name, or those of a model
            are there several times.
    """
    tensors: dict[Any, np.ndarray] | None
    if isinstance(source, Mapping):
        found = nesting.groups(source, _array_of)
        tensors = nesting.find_weights(found, _known()) or nesting.state_dict(found)
    else:
        content = read_content(source)
        tensors = nesting.find_weights(nesting.groups(content, array_in), _known())
        tensors = tensors or tensors_in(source, content)
    if not all(isinstance(name, str) for name in tensors):
        raise InputError(f"names of tensors are {show_names(tensors)}: texts are needed")
    return tensors


def _array_of(value: Any) -> np.ndarray | None:
    """What stands for an array in a user's mapping: all but what leads on to mappings."""
    items = value if isinstance(value, list | tuple) else [value]
    return None if any(isinstance(item, Mapping) for item in items) else np.asarray(value)


def detect_config(tensors: StateDict) -> Config:
    """Returns a configuration of the model a state dict belongs to.

    Raises:
        InputError: if it is none that has a `Signature`, as the published ones and the recurrent
            U-Net of this library.
    """
    kinds = {name: kind_of(name) for name in network_names()}
    signatures = {name: kind.signature for name, kind in kinds.items() if kind.signature}
    for name, signature in signatures.items():
        if signature.fits(tensors):
            config = with_model(Config(name="published"), name)
            return config.replace(**signature.settings(tensors, name))
    if any(name.startswith("params.") for name in tensors):
        raise InputError(
            "these weights have this library's own names, which do not tell the model: load "
            "them by their card (rsf.load_pretrained), or give its preset"
        )
    has = "; ".join(f"{name} has {signature}" for name, signature in signatures.items())
    raise InputError(
        f"these {len(tensors)} tensors ({show_names(sorted(tensors)[:4])}, ...) are of none of "
        f"the published models: {has}"
    )


def to_flax(tensors: StateDict, config: Config) -> dict[str, Any]:
    """Returns the Flax variables of a state dict.

    Args:
        tensors: arrays by published name.
        config: the model they belong to.

    Raises:
        InputError: if entries are missing, unknown, misshapen or no finite numbers: they are
            listed.
    """
    checked_config(config)
    table, shapes = format_of(config), shapes_of(config)
    tensors = _without_running(tensors, shapes)
    problems = [
        *(f"{name} is missing" for name in shapes.keys() - tensors.keys()),
        *(f"{show_names([name])} is unknown" for name in tensors.keys() - shapes.keys()),
        *(
            f"{name} has shape {list(tensors[name].shape)} instead of {list(shapes[name])}"
            for name in shapes.keys() & tensors.keys()
            if tensors[name].shape != shapes[name]
        ),
        *(
            f"{name} holds {tensors[name].dtype} instead of numbers"
            for name in shapes.keys() & tensors.keys()
            if not _is_real(tensors[name].dtype)
        ),
        *_not_finite({name: tensors[name] for name in shapes.keys() & tensors.keys()}),
    ]
    if problems:
        raise InputError(f"not the weights of {_named(config)}: {_first(problems, _LISTED)}")
    flat = {entry.path: entry.to_flax(tensors) for entry in table}
    wanted = _abstract_variables(config)
    return flax.traverse_util.unflatten_dict(
        {path: np.asarray(array, wanted[path].dtype) for path, array in flat.items()}
    )


def _named(config: Config) -> str:
    return (
        f"a model {config.model} with {config.channels} channels and "
        f"{config.kernel_size}x{config.kernel_size} kernels"
    )


def _first(problems: list[str], most: int) -> str:
    more = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return f"{'; '.join(sorted(problems)[:most])}{more}"


def to_torch(variables: Mapping[str, Any], config: Config) -> dict[str, np.ndarray]:
    """Returns Flax variables as a state dict, of the published model if there is one.

    `to_flax` undone, bitwise.

    Raises:
        InputError: if the variables are of another model, or none.
    """
    arrays = _arrays_of(variables, checked_config(config))
    return {
        name: tensor
        for entry in format_of(config)
        for name, tensor in entry.to_torch(arrays[entry.path])
    }


def _arrays_of(variables: Any, config: Config) -> dict[tuple[str, ...], np.ndarray]:
    """Returns variables by their places; raises InputError unless they are of this model."""
    with check_variables(variables):
        flat = flax.traverse_util.flatten_dict(dict(variables))
    arrays = {path: np.asarray(array) for path, array in flat.items() if path[0] != SPECTRA}
    wanted = {path: x.shape for path, x in _abstract_variables(config).items()}
    given = {path: x.shape for path, x in arrays.items()}
    problems = [
        *(f"{'.'.join(path)} is missing" for path in wanted.keys() - given.keys()),
        *(f"{'.'.join(path)} is unknown" for path in given.keys() - wanted.keys()),
        *(
            f"{'.'.join(path)} has shape {list(given[path])} instead of {list(wanted[path])}"
            for path in wanted.keys() & given.keys()
            if given[path] != wanted[path]
        ),
    ]
    if problems:
        raise InputError(f"not the variables of {_named(config)}: {_first(problems, _FEW)}")
    return arrays


def published_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor of the published model, by name.

    Raises:
        InputError: if the model was never published.
    """
    entries(config)
    return shapes_of(config)


def shapes_of(config: Config) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor of a model, by the name it has in files."""
    zeros = {path: np.zeros(x.shape, x.dtype) for path, x in _abstract_variables(config).items()}
    return {
        name: tensor.shape
        for entry in format_of(config)
        for name, tensor in entry.to_torch(zeros[entry.path])
    }


def is_published(config: Config) -> bool:
    """Whether the model's weights have published names, which PyTorch's models know."""
    return bool(kind_of(config.model).published)


def format_of(config: Config) -> tuple[Entry, ...]:
    """Returns what the variables of any model are made of in files.

    Its published entries or, where there are none, the variables as they are, named by their place.
    """
    if is_published(config):
        return entries(config)
    return tuple(Entry(path, (".".join(path),), AS_IT_IS) for path in _abstract_variables(config))


def entries(config: Config) -> tuple[Entry, ...]:
    """Returns what the variables of a model are made of.

    Raises:
        InputError: if the model was never published.
    """
    if not is_published(config):
        raise InputError(f"model {config.model} was never published: there is no format for it")
    head = HEAD if config.halting_head else ()
    return (*kind_of(config.model).published, *head)


def _without_running(tensors: StateDict, shapes: Mapping[str, Any]) -> StateDict:
    """Without running statistics beside a norm that has none: it uses those of its input."""
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name in shapes
        or not _RUNNING.search(name)
        or f"{_RUNNING.sub('', name)}.weight" not in shapes
    }


def _is_real(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.number) and not jnp.issubdtype(dtype, jnp.complexfloating)


def _not_finite(tensors: StateDict) -> Iterator[str]:
    """Says which tensors have values that are no numbers, or too large, in float32."""
    for name, tensor in tensors.items():
        if not _is_real(tensor.dtype):
            continue
        with np.errstate(over="ignore"):
            bad = tensor.size - int(np.isfinite(np.asarray(tensor, np.float32)).sum())
        if bad:
            yield f"{name} has {bad} values of {tensor.size} that are NaN or infinite"


def _abstract_variables(config: Config) -> dict[Keys, jax.ShapeDtypeStruct]:
    # As small as a U-Net can halve.
    frames = jax.ShapeDtypeStruct((1, 1, 16, 16, config.input_channels), np.float32)
    variables = jax.eval_shape(build_model(config).init, jax.random.key(0), frames)
    return flax.traverse_util.flatten_dict(dict(variables))


# Kernels of the stems that networks without published names begin with.
_STEMS = ("params.stem.kernel", "params.stem")


def _known() -> frozenset[str]:
    """Names by which weights are found in what was saved."""
    kinds = [kind_of(name) for name in network_names()]
    published = [name for kind in kinds for entry in kind.published for name in entry.names]
    told = [kind.signature.kernel for kind in kinds if kind.signature is not None]
    return frozenset((*published, *told, *_STEMS))
