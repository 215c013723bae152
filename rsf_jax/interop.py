"""Weights of the published PyTorch models, to Flax variables and back.

Published state dicts use PyTorch's layouts: kernels [C_out, C_in, KH, KW], vectors [C] or
[C, 1, 1]. Each entry of a Flax tree is made of one or several of their tensors; the tables at the
end of this file say of which. Both directions read the same tables, so that a round trip is exact.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.build import FEEDFORWARD, build_model
from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.models import VideoModel
from rsf_jax.norm import RUNNING
from rsf_jax.presets import with_model
from rsf_jax.state_dicts import read_state_dict, show_names

StateDict = Mapping[str, np.ndarray]
Keys = tuple[str, ...]
_LISTED = 40  # problems in a message


@dataclasses.dataclass(frozen=True)
class Entry:
    """One array of a Flax tree and the tensors it is made of.

    Attributes:
        path: where it lies in the Flax variables, collection first.
        names: the tensors' names.
        layout: how one tensor becomes a part of the array, and back.
        join: how parts become the array: "one", "rows" (a new first axis) or "outputs" (along the
            last axis).
    """

    path: Keys
    names: tuple[str, ...]
    layout: "Layout"
    join: str = "one"

    def to_flax(self, tensors: StateDict) -> np.ndarray:
        """Returns the array."""
        parts = [self.layout.to_flax(tensors[name]) for name in self.names]
        if self.join == "rows":
            return np.stack(parts)
        return parts[0] if self.join == "one" else np.concatenate(parts, -1)

    def to_torch(self, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Yields the tensors, by name."""
        parts = [array]
        if self.join == "rows":
            parts = list(array)
        elif self.join == "outputs":
            parts = np.split(array, len(self.names), -1)
        for name, part in zip(self.names, parts, strict=True):
            yield name, np.array(self.layout.to_torch(part), order="C")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Two functions that undo each other."""

    to_flax: Callable[[np.ndarray], np.ndarray]
    to_torch: Callable[[np.ndarray], np.ndarray]


def load_published(
    source: StateDict | str | Path, **overrides: Any
) -> tuple[VideoModel, dict[str, Any]]:
    """Builds the model that a published state dict belongs to, with its weights.

    Model, channels and kernel size are told from names and shapes. What these do not show is given
    as overrides: FF-6 and FF-res-6 have the same weights, so `model="ffres6"`;
    `norm_statistics="batch"` for what the published code computes.

    Args:
        source: arrays by name, or a `.pt`, `.pth` or `.safetensors` file; see `read_state_dict`.
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


def tensors_of(source: StateDict | str | Path) -> dict[str, np.ndarray]:
    """Returns arrays by published name, read from a file if need be, without `module.` in front.

    Raises:
        InputError: if the file cannot be read, or there are no arrays by name.
    """
    tensors = source if isinstance(source, Mapping) else read_state_dict(source)
    if not all(isinstance(name, str) for name in tensors):
        raise InputError(f"names of tensors are {show_names(tensors)}: texts are needed")
    return {name.removeprefix("module."): np.asarray(t) for name, t in tensors.items()}


def detect_config(tensors: StateDict) -> Config:
    """Returns a configuration of the model a state dict belongs to.

    Raises:
        InputError: if it is none of the published ones.
    """
    for first, name in (("unit1.w_gate_inh", "hgru"), ("unit1.Wxi.weight", "clstm")):
        if first in tensors:
            return _config(name, tensors[first])
    layers = sum(re.fullmatch(r"bn[1-9]\d*\.weight", name) is not None for name in tensors)
    model = {6: "ff6", 8: "ff8"}.get(layers)
    if model is None or "conv1.weight" not in tensors:
        raise InputError(
            f"these {len(tensors)} tensors ({show_names(sorted(tensors)[:4])}, ...) are of none of "
            "the published models: hGRU has unit1.w_gate_inh, cLSTM unit1.Wxi.weight, FF-6 and "
            "FF-8 conv1.weight and as many batch norms bn1, bn2, ..."
        )
    return _config(model, tensors["conv1.weight"])


def to_flax(tensors: StateDict, config: Config) -> dict[str, Any]:
    """Returns the Flax variables of a state dict.

    Args:
        tensors: arrays by published name.
        config: the model they belong to.

    Raises:
        InputError: if entries are missing, unknown, misshapen or no numbers: they are listed.
    """
    shapes = published_shapes(config)
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
            if not jnp.issubdtype(tensors[name].dtype, jnp.number)
        ),
    ]
    if problems:
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise InputError(
            f"not the weights of a model {config.model} with {config.channels} channels and "
            f"{config.kernel_size}x{config.kernel_size} kernels: "
            f"{'; '.join(sorted(problems)[:_LISTED])}{more}"
        )
    flat = {entry.path: entry.to_flax(tensors) for entry in entries(config)}
    wanted = _abstract_variables(config)
    return flax.traverse_util.unflatten_dict(
        {path: np.asarray(array, wanted[path].dtype) for path, array in flat.items()}
    )


def to_torch(variables: Mapping[str, Any], config: Config) -> dict[str, np.ndarray]:
    """Returns Flax variables as a state dict of the published model: `to_flax` undone.

    Raises:
        InputError: if the model was never published.
    """
    flat = flax.traverse_util.flatten_dict(dict(variables))
    return {
        name: tensor
        for entry in entries(config)
        for name, tensor in entry.to_torch(np.asarray(flat[entry.path]))
    }


def published_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every tensor of the published model, by name."""
    zeros = {path: np.zeros(x.shape, x.dtype) for path, x in _abstract_variables(config).items()}
    return {
        name: tensor.shape
        for entry in entries(config)
        for name, tensor in entry.to_torch(zeros[entry.path])
    }


def entries(config: Config) -> tuple[Entry, ...]:
    """Returns what the variables of a model are made of.

    Raises:
        InputError: if the model was never published.
    """
    if config.model in _UNITS:
        return (*_STEM, *_UNITS[config.model], *_READOUT)
    kind = FEEDFORWARD.get(config.model)
    if kind is None or kind.get("span", 1) != 1:
        raise InputError(f"model {config.model} was never published: there is no format for it")
    return tuple(_feedforward(kind["layers_count"]))


def _config(model: str, kernel: np.ndarray) -> Config:
    shape = list(kernel.shape)
    # Also because a forged size would make shapes to compare with that no memory holds.
    if len(shape) != 4 or shape[0] != shape[1] or shape[2] != shape[3]:
        raise InputError(
            f"the kernels of this {model} have shape {shape}: [C, C, K, K] is needed, as many "
            "channels in as out, as high as wide"
        )
    config = with_model(Config(name="published"), model)
    return config.replace(channels=kernel.shape[0], kernel_size=kernel.shape[2])


def _abstract_variables(config: Config) -> dict[Keys, jax.ShapeDtypeStruct]:
    frames = jax.ShapeDtypeStruct((1, 1, 8, 8, 1), np.float32)
    variables = jax.eval_shape(build_model(config).init, jax.random.key(0), frames)
    return flax.traverse_util.flatten_dict(dict(variables))


_KERNEL = Layout(
    lambda oihw: np.transpose(oihw, (2, 3, 1, 0)), lambda hwio: np.transpose(hwio, (3, 2, 0, 1))
)
_POINTWISE = Layout(
    lambda oi11: np.transpose(oi11[:, :, 0, 0]), lambda io: np.transpose(io)[:, :, None, None]
)
_VECTOR = Layout(lambda c: c, lambda c: c)
_COLUMN = Layout(lambda c11: c11[:, 0, 0], lambda c: c[:, None, None])
_COUNT = Layout(lambda n: n, lambda n: np.asarray(n, np.int64))


def _conv(path: Keys, name: str) -> tuple[Entry, Entry]:
    return (
        Entry(("params", *path, "kernel"), (f"{name}.weight",), _KERNEL),
        Entry(("params", *path, "bias"), (f"{name}.bias",), _VECTOR),
    )


_STEM = _conv(("stem",), "conv0")
_READOUT = (
    Entry(("params", "output", "norm_scale"), ("bn.weight",), _VECTOR),
    Entry(("params", "output", "norm_bias"), ("bn.bias",), _VECTOR),
    *_conv(("output", "conv"), "conv6"),
)


def _unit(ours: str, theirs: tuple[str, ...], layout: Layout, join: str = "one") -> Entry:
    return Entry(("params", "cell", ours), tuple(f"unit1.{name}" for name in theirs), layout, join)


_HGRU = (
    _unit("inhibition", ("w_gate_inh",), _KERNEL),
    _unit("excitation", ("w_gate_exc",), _KERNEL),
    *(_unit(f"gate{i}", (f"u{i}_gate.weight",), _POINTWISE) for i in (1, 2)),
    *(_unit(f"gate{i}_bias", (f"u{i}_gate.bias",), _VECTOR) for i in (1, 2)),
    *(_unit(name, (name,), _COLUMN) for name in ("alpha", "gamma", "kappa", "w", "mu")),
    _unit("norm_scale", tuple(f"bn.{row}.weight" for row in range(4)), _VECTOR, "rows"),
    _unit("norm_bias", tuple(f"bn.{row}.bias" for row in range(4)), _VECTOR, "rows"),
)
_GATES = "ifco"  # the published names of i, f, g, o
_CLSTM = (
    _unit("input_kernel", tuple(f"Wx{g}.weight" for g in _GATES), _KERNEL, "outputs"),
    _unit("input_bias", tuple(f"Wx{g}.bias" for g in _GATES), _VECTOR, "outputs"),
    _unit("hidden_kernel", tuple(f"Wh{g}.weight" for g in _GATES), _KERNEL, "outputs"),
)
_UNITS = {"hgru": _HGRU, "clstm": _CLSTM}


def _feedforward(layers: int) -> Iterator[Entry]:
    yield Entry(("params", "stem"), ("conv0.weight",), _KERNEL)
    yield from _norm("stem_norm", "bn0")
    for i in range(layers):
        yield from _conv((f"layers_{i}",), f"conv{i + 1}")
        yield from _norm(f"norms_{i}", f"bn{i + 1}")
    yield from _conv(("conv",), f"conv{layers + 1}")


def _norm(ours: str, theirs: str) -> Iterator[Entry]:
    yield Entry(("params", ours, "scale"), (f"{theirs}.weight",), _VECTOR)
    yield Entry(("params", ours, "bias"), (f"{theirs}.bias",), _VECTOR)
    for name, published in (("mean", "running_mean"), ("variance", "running_var")):
        yield Entry((RUNNING, ours, name), (f"{theirs}.{published}",), _VECTOR)
    yield Entry((RUNNING, ours, "count"), (f"{theirs}.num_batches_tracked",), _COUNT)
