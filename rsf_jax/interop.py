"""Weights of the published PyTorch models, to Flax variables and back.

Published state dicts use PyTorch's layouts: kernels [C_out, C_in, KH, KW], vectors [C] or
[C, 1, 1]. Each entry of a Flax tree is made of one or several of their tensors; the tables at the
end of this file say of which. Both directions read the same tables, so that a round trip is exact.
Models that nobody has published as such, the recurrent U-Net, Conv3D and registered cells, have
the names and layouts of their Flax variables: `params.cell.kernel`.
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

from rsf_jax import nesting
from rsf_jax.build import FEEDFORWARD, build_model
from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.models import VideoModel, check_variables
from rsf_jax.norm import RUNNING
from rsf_jax.prepared import SPECTRA
from rsf_jax.presets import with_model
from rsf_jax.quoting import show_names
from rsf_jax.state_dicts import array_in, read_content, tensors_in

StateDict = Mapping[str, np.ndarray]
Keys = tuple[str, ...]
_LISTED, _FEW = 40, 8  # problems in a message: of a file to be mended, of a wrong call
_MOST = 255  # classes, and channels of a frame, that are told by a shape
_RUNNING = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")


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
        tensors = nesting.find_weights(found, _KNOWN) or nesting.state_dict(found)
    else:
        content = read_content(source)
        tensors = nesting.find_weights(nesting.groups(content, array_in), _KNOWN)
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
        InputError: if it is none of the published ones, nor a recurrent U-Net of this library.
    """
    if _UNET in tensors and "params.head.kernel" in tensors:
        return _unet_config(tensors)
    for first, name in (("unit1.w_gate_inh", "hgru"), ("unit1.Wxi.weight", "clstm")):
        if first in tensors:
            return _config(name, tensors[first], tensors, "conv6.weight")
    layers = sum(re.fullmatch(r"bn[1-9]\d*\.weight", name) is not None for name in tensors)
    model = {6: "ff6", 8: "ff8"}.get(layers)
    if model is None or "conv1.weight" not in tensors:
        if any(name.startswith("params.") for name in tensors):
            raise InputError(
                "these weights have this library's own names, which do not tell the model: load "
                "them by their card (rsf.load_pretrained), or give its preset"
            )
        raise InputError(
            f"these {len(tensors)} tensors ({show_names(sorted(tensors)[:4])}, ...) are of none of "
            "the published models: hGRU has unit1.w_gate_inh, cLSTM unit1.Wxi.weight, FF-6 and "
            "FF-8 conv1.weight and as many batch norms bn1, bn2, ..."
        )
    return _config(model, tensors["conv1.weight"], tensors, f"conv{layers + 1}.weight")


def to_flax(tensors: StateDict, config: Config) -> dict[str, Any]:
    """Returns the Flax variables of a state dict.

    Args:
        tensors: arrays by published name.
        config: the model they belong to.

    Raises:
        InputError: if entries are missing, unknown, misshapen or no finite numbers: they are
            listed.
    """
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

    `to_flax` undone, to the bit.

    Raises:
        InputError: if the variables are of another model, or none.
    """
    arrays = _arrays_of(variables, config)
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
    kind = FEEDFORWARD.get(config.model)
    return config.model in _UNITS or (kind is not None and kind.get("span", 1) == 1)


def format_of(config: Config) -> tuple[Entry, ...]:
    """Returns what the variables of any model are made of in files.

    Its published entries or, where there are none, the variables as they are, named by their place.
    """
    if is_published(config):
        return entries(config)
    return tuple(Entry(path, (".".join(path),), _VECTOR) for path in _abstract_variables(config))


def entries(config: Config) -> tuple[Entry, ...]:
    """Returns what the variables of a model are made of.

    Raises:
        InputError: if the model was never published.
    """
    if not is_published(config):
        raise InputError(f"model {config.model} was never published: there is no format for it")
    if config.model in _UNITS:
        return (*_STEM, *_UNITS[config.model], *_READOUT)
    return tuple(_feedforward(FEEDFORWARD[config.model]["layers_count"]))


def _config(model: str, kernel: np.ndarray, tensors: StateDict, readout: str) -> Config:
    """Settings of a published model, by the shapes of its kernels."""
    shape = list(kernel.shape)
    # Also because a forged size would make shapes to compare with that no memory holds.
    if len(shape) != 4 or shape[0] != shape[1] or shape[2] != shape[3]:
        raise InputError(
            f"the kernels of this {model} have shape {shape}: [C, C, K, K] is needed, as many "
            "channels in as out, as high as wide"
        )
    config = with_model(Config(name="published"), model)
    return config.replace(
        channels=kernel.shape[0],
        kernel_size=kernel.shape[2],
        input_channels=_size(tensors, "conv0.weight", 1, 1),
        classes=_size(tensors, readout, 0, 2),
    )


def _unet_config(tensors: StateDict) -> Config:
    """Settings of a recurrent U-Net; `carry_output` does not show in its weights."""
    shape, classes = list(tensors[_UNET].shape), _size(tensors, "params.head.kernel", 3, 2)
    if len(shape) != 4 or shape[:2] != [3, 3]:
        raise InputError(f"{_UNET} has shape {shape}: [3, 3, I, C] is needed")
    settings = {"channels": shape[3], "input_channels": shape[2], "classes": classes}
    return with_model(Config(name="own"), "dru").replace(**settings)


def _size(tensors: StateDict, name: str, axis: int, otherwise: int) -> int:
    """The length of an axis, by which a model is told, if it has one that can be."""
    shape = tensors[name].shape if name in tensors else ()
    return shape[axis] if len(shape) == 4 and otherwise <= shape[axis] <= _MOST else otherwise


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


_UNET = "params.from_frame.kernel"
# By which weights are found in what was saved: published names, and first kernels of other models.
_KNOWN = frozenset(
    name
    for entry in (*_STEM, *_HGRU, *_CLSTM, *_READOUT, *_feedforward(8), *_feedforward(6))
    for name in entry.names
) | {_UNET, "params.stem.kernel", "params.stem"}
