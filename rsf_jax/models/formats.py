"""How the weights of networks are named and laid out in files, and what tells a network by them.

Published state dicts use PyTorch's layouts: kernels [C_out, C_in, KH, KW], vectors [C] or
[C, 1, 1]. Each entry of a Flax tree is made of one or several of their tensors; the tables at the
end of this file say of which. Both directions read the same tables, so that a round trip is exact.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from rsf_jax.errors import InputError
from rsf_jax.ops.norm import RUNNING

StateDict = Mapping[str, np.ndarray]
Keys = tuple[str, ...]
_MOST = 255  # classes, and channels of a frame, that are told by a shape


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


@dataclasses.dataclass(frozen=True)
class Signature:
    """What tells a network by the names and shapes of its tensors.

    Attributes:
        kernel: the name of a tensor that it has.
        shape: of that tensor: numbers, and the settings that stand for others.
        beside: names of further tensors that it has.
        absent: names of tensors that it has not.
        sizes: for further settings, the name of a tensor, one of its axes, and the setting where
            that tensor is missing.
    """

    kernel: str
    shape: tuple[int | str, ...]
    beside: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[str, int, int]] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        """Returns the names that tell the network, the first and the last of many."""
        names = [self.kernel, *self.beside]
        return " and ".join(names) if len(names) < 3 else f"{names[0]}, {names[1]} to {names[-1]}"

    def fits(self, tensors: StateDict) -> bool:
        """Whether tensors of these names are those of the network."""
        names = tensors.keys()
        return {self.kernel, *self.beside} <= names and not names & set(self.absent)

    def settings(self, tensors: StateDict, model: str) -> dict[str, int]:
        """Returns the settings that show in the shapes.

        Raises:
            InputError: if the kernel has none of its shapes. Also because a forged size would make
                shapes to compare with that no memory holds.
        """
        found = tensors[self.kernel].shape
        settings = {name: n for name, n in zip(self.shape, found) if isinstance(name, str)}
        wanted = tuple(settings.get(name, name) for name in self.shape)  # type: ignore[arg-type]
        if len(found) != len(self.shape) or found != wanted:
            shape = ", ".join(map(str, self.shape))
            raise InputError(
                f"{self.kernel} of this {model} has shape {list(found)}: [{shape}] is needed"
            )
        return settings | {name: _size(tensors, *where) for name, where in self.sizes.items()}


def _size(tensors: StateDict, name: str, axis: int, otherwise: int) -> int:
    """The length of an axis, by which a setting is told, if it has one that can be."""
    shape = tensors[name].shape if name in tensors else ()
    return shape[axis] if len(shape) == 4 and otherwise <= shape[axis] <= _MOST else otherwise


_KERNEL = Layout(
    lambda oihw: np.transpose(oihw, (2, 3, 1, 0)), lambda hwio: np.transpose(hwio, (3, 2, 0, 1))
)
_POINTWISE = Layout(
    lambda oi11: np.transpose(oi11[:, :, 0, 0]), lambda io: np.transpose(io)[:, :, None, None]
)
AS_IT_IS = Layout(lambda c: c, lambda c: c)
_COLUMN = Layout(lambda c11: c11[:, 0, 0], lambda c: c[:, None, None])
_COUNT = Layout(lambda n: n, lambda n: np.asarray(n, np.int64))


def _conv(path: Keys, name: str) -> tuple[Entry, Entry]:
    return (
        Entry(("params", *path, "kernel"), (f"{name}.weight",), _KERNEL),
        Entry(("params", *path, "bias"), (f"{name}.bias",), AS_IT_IS),
    )


_STEM = _conv(("stem",), "conv0")
_READOUT = (
    Entry(("params", "output", "norm_scale"), ("bn.weight",), AS_IT_IS),
    Entry(("params", "output", "norm_bias"), ("bn.bias",), AS_IT_IS),
    *_conv(("output", "conv"), "conv6"),
)


def _unit(ours: str, theirs: tuple[str, ...], layout: Layout, join: str = "one") -> Entry:
    return Entry(("params", "cell", ours), tuple(f"unit1.{name}" for name in theirs), layout, join)


HGRU = (
    *_STEM,
    _unit("inhibition", ("w_gate_inh",), _KERNEL),
    _unit("excitation", ("w_gate_exc",), _KERNEL),
    *(_unit(f"gate{i}", (f"u{i}_gate.weight",), _POINTWISE) for i in (1, 2)),
    *(_unit(f"gate{i}_bias", (f"u{i}_gate.bias",), AS_IT_IS) for i in (1, 2)),
    *(_unit(name, (name,), _COLUMN) for name in ("alpha", "gamma", "kappa", "w", "mu")),
    _unit("norm_scale", tuple(f"bn.{row}.weight" for row in range(4)), AS_IT_IS, "rows"),
    _unit("norm_bias", tuple(f"bn.{row}.bias" for row in range(4)), AS_IT_IS, "rows"),
    *_READOUT,
)
_GATES = "ifco"  # the published names of i, f, g, o
CLSTM = (
    *_STEM,
    _unit("input_kernel", tuple(f"Wx{g}.weight" for g in _GATES), _KERNEL, "outputs"),
    _unit("input_bias", tuple(f"Wx{g}.bias" for g in _GATES), AS_IT_IS, "outputs"),
    _unit("hidden_kernel", tuple(f"Wh{g}.weight" for g in _GATES), _KERNEL, "outputs"),
    *_READOUT,
)

# Of a halting head, which was never published: under its own names beside the others.
HEAD = tuple(
    Entry(("params", "halting", *path), (".".join(("halting", *path)),), AS_IT_IS)
    for path in (
        ("kernel",),
        ("bias",),
        ("dense", "kernel"),
        ("dense", "bias"),
        ("out", "kernel"),
        ("out", "bias"),
    )
)


def feedforward(layers: int) -> tuple[Entry, ...]:
    """Returns what a feedforward network without skips over frames is made of."""
    parts = [
        (*_conv((f"layers_{i}",), f"conv{i + 1}"), *_norm(f"norms_{i}", f"bn{i + 1}"))
        for i in range(layers)
    ]
    return (
        Entry(("params", "stem"), ("conv0.weight",), _KERNEL),
        *_norm("stem_norm", "bn0"),
        *(entry for part in parts for entry in part),
        *_conv(("conv",), f"conv{layers + 1}"),
    )


def _norm(ours: str, theirs: str) -> Iterator[Entry]:
    yield Entry(("params", ours, "scale"), (f"{theirs}.weight",), AS_IT_IS)
    yield Entry(("params", ours, "bias"), (f"{theirs}.bias",), AS_IT_IS)
    for name, published in (("mean", "running_mean"), ("variance", "running_var")):
        yield Entry((RUNNING, ours, name), (f"{theirs}.{published}",), AS_IT_IS)
    yield Entry((RUNNING, ours, "count"), (f"{theirs}.num_batches_tracked",), _COUNT)


def _published(kernel: str, readout: str, **names: tuple[str, ...]) -> Signature:
    """Of a published network, whose kernels are square and have as many channels in as out."""
    shape = ("channels", "channels", "kernel_size", "kernel_size")
    sizes = {"input_channels": ("conv0.weight", 1, 1), "classes": (f"{readout}.weight", 0, 2)}
    return Signature(kernel, shape, sizes=sizes, **names)


HGRU_SIGNATURE = _published("unit1.w_gate_inh", "conv6")
CLSTM_SIGNATURE = _published("unit1.Wxi.weight", "conv6")


def feedforward_signature(layers: int) -> Signature:
    """Returns what tells a feedforward network: its number of norms."""
    norms = tuple(f"bn{i}.weight" for i in range(1, layers + 1))
    return _published(
        "conv1.weight", f"conv{layers + 1}", beside=norms, absent=(f"bn{layers + 1}.weight",)
    )
