"""The networks that configurations can name: how each is made, and what goes with it.

Configurations, presets, `build`, `interop`, `growing` and the messages about networks read this
registry alone. A cell needs no entry: it is a network through `CellKind`.
"""

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rsf_jax.cells import CELLS, ConvLSTMCell, HGRUCell, RecurrentCell
from rsf_jax.config.options import format_options, option_types, parse_options
from rsf_jax.errors import InputError
from rsf_jax.models import formats
from rsf_jax.models.base import VideoModel
from rsf_jax.models.feedforward import FeedforwardModel
from rsf_jax.models.formats import Entry, Signature
from rsf_jax.models.recurrent import RecurrentModel
from rsf_jax.models.recurrent_unet import SIGNATURE as UNET_SIGNATURE
from rsf_jax.models.recurrent_unet import RecurrentUNet
from rsf_jax.ops.norm import RUNNING_STATISTICS, STATISTICS
from rsf_jax.shown import short

# Settings that a module gets for its fields of the same names.
GIVEN = (
    "channels",
    "kernel_size",
    "classes",
    "input_channels",
    "norm_statistics",
    "conv_method",
    "compute_dtype",
    "carry_output",
    "halting_head",
    "ponder_prior",
)
# What presets train a network by: as cells on contours, or as the U-Net on scenes of several
# classes.
CONTOURS, SCENES = "contours", "scenes"
RECIPES = (CONTOURS, SCENES)


@dataclasses.dataclass(frozen=True)
class NetworkKind:
    """How a network is made, and what goes with it.

    A network is an instance of a Flax module. Fields of the module that have the name of a setting
    in `GIVEN` get that setting (`channels`, `kernel_size`, `classes`, `input_channels`,
    `norm_statistics`, `conv_method`, `compute_dtype`, `carry_output`, `halting_head`,
    `ponder_prior`); those in `fixed` are as they are there; others keep their default, or are set
    by `config.options`.

    Attributes:
        module: a subclass of `VideoModel`. Whether it is recurrent is an attribute of it.
        fixed: values of fields that make it this network and no other.
        statistics: what `config.norm_statistics` may be, the usual one first.
        recipe: what presets train it by: "contours", as cells are, or "scenes", as the U-Net is.
        input_channels: what `config.input_channels` may be; empty for any number.
        widening: its channels in presets, relative to the preset's.
        grows: settings that may be larger in a network that begins with its weights, "channels"
            and "kernel_size"; see `growing`.
        published: what its weights are made of in files; empty for the names of its variables.
        signature: what tells it by its weights; None if its card or preset has to.
    """

    module: type[Any]
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    statistics: tuple[str, ...] = ("sample",)
    recipe: str = CONTOURS
    input_channels: tuple[int, ...] = ()
    widening: Fraction = Fraction(1)
    grows: tuple[str, ...] = ()
    published: tuple[Entry, ...] = ()
    signature: Signature | None = None

    def __repr__(self) -> str:
        """Returns a line: what its weights are made of would fill a page."""
        fixed = "".join(f", {name}={short(value)}" for name, value in self.fixed.items())
        names = sum(len(entry.names) for entry in self.published)
        return (
            f"<{type(self).__name__} {self.module.__name__}{fixed}: "
            f"{'recurrent' if self.recurrent else 'feedforward'}, statistics "
            f"{' or '.join(self.statistics)}, trained as on {self.recipe}, "
            f"{f'{names} published tensors' if names else 'not published'}>"
        )

    @property
    def recurrent(self) -> bool:
        """Whether its step may be applied several times to a frame."""
        return self.module.recurrent

    @property
    def takes_head(self) -> bool:
        """Whether it can have a halting head: its module has a field for it."""
        return any(field.name == "halting_head" for field in dataclasses.fields(self.module))

    @property
    def option_types(self) -> dict[str, type]:
        """The fields of its module that `config.options` may set, and their types."""
        return option_types(self.module, (*GIVEN, *self.fixed))

    def checked_options(self, text: str, name: str) -> str:
        """Returns options as they are always written: in the order of the module's fields.

        Args:
            text: as `parse_options` reads it.
            name: what the network is called.

        Raises:
            InputError: if the text is of another form, or its names and values are not those of
                options.
        """
        return format_options(parse_options(text, self.option_types, f"model {name}"))

    def build(self, settings: Any) -> VideoModel:
        """Returns the network.

        Args:
            settings: a `Config`, or anything else that has the attributes of `GIVEN` and `options`.

        Raises:
            InputError: if the module refuses an option.
        """
        return self._module(settings)

    def _module(self, settings: Any) -> Any:
        fields = {field.name for field in dataclasses.fields(self.module)}
        given = {name: getattr(settings, name) for name in GIVEN if name in fields}
        own = parse_options(settings.options, self.option_types, self.module.__name__)
        try:
            return self.module(**given | dict(self.fixed), **own)
        except InputError:
            raise
        except (ValueError, TypeError, ArithmeticError) as error:
            if not own:
                raise
            said = " ".join(str(error).splitlines()[:1])
            raise InputError(
                f"config.options is {settings.options!r}: {self.module.__name__} refuses it: {said}"
            ) from error


class CellKind(NetworkKind):
    """A recurrent cell between the library's stem and readout; `module` is the cell's class."""

    @property
    def recurrent(self) -> bool:
        """As every cell is."""
        return True

    @property
    def takes_head(self) -> bool:
        """As every network of a cell can."""
        return True

    def build(self, settings: Any) -> RecurrentModel:
        """Returns the network."""
        return RecurrentModel(
            self._module(settings),
            settings.classes,
            settings.input_channels,
            settings.halting_head,
            settings.ponder_prior,
        )


def _feedforward(
    layers: int, skip: str = "none", signature: Signature | None = None
) -> NetworkKind:
    """FF-L and FF-res-L."""
    return NetworkKind(
        FeedforwardModel,
        {"layers_count": layers, "span": 1, "skip": skip},
        RUNNING_STATISTICS,
        grows=("channels", "kernel_size"),
        published=formats.feedforward(layers),
        signature=signature,
    )


def _conv3d(widening: Fraction = Fraction(1)) -> NetworkKind:
    return NetworkKind(
        FeedforwardModel,
        {"layers_count": 3, "span": 2, "skip": "none"},
        RUNNING_STATISTICS,
        widening=widening,
        grows=("kernel_size",),  # channels of several frames lie side by side in one axis
    )


# By the name that configurations and presets use; `registry.register_network` adds to it.
NETWORKS: dict[str, NetworkKind] = {
    "dru": NetworkKind(RecurrentUNet, recipe=SCENES, signature=UNET_SIGNATURE),
    "ff6": _feedforward(6, signature=formats.feedforward_signature(6)),
    "ff8": _feedforward(8, signature=formats.feedforward_signature(8)),
    "ffres6": _feedforward(6, "published"),
    "ffres6fixed": _feedforward(6, "own"),
    "ffres8": _feedforward(8, "own"),
    "conv3ds": _conv3d(),
    "conv3dm": _conv3d(Fraction(6, 5)),  # to have the parameters of the paper's Conv3D-M
}
# Of cells: what every cell's kind has beside its class, and what some have.
_OF_EVERY_CELL: dict[str, Any] = {"statistics": STATISTICS}
_OF_CELLS: dict[type[RecurrentCell], dict[str, Any]] = {
    HGRUCell: {
        "grows": ("channels", "kernel_size"),
        "published": formats.HGRU,
        "signature": formats.HGRU_SIGNATURE,
    },
    ConvLSTMCell: {
        "grows": ("kernel_size",),  # channels of four gates lie side by side in one axis
        "published": formats.CLSTM,
        "signature": formats.CLSTM_SIGNATURE,
    },
}


def network_names() -> tuple[str, ...]:
    """Returns what `config.model` may be: the cells and the other networks, registered ones too."""
    return (*CELLS, *NETWORKS)


def kind_of(name: str) -> NetworkKind:
    """Returns how the network of a name in `network_names()` is made."""
    cell = CELLS.get(name)
    if cell is None:
        return NETWORKS[name]
    return CellKind(cell, **_OF_EVERY_CELL, **_OF_CELLS.get(cell, {}))
