"""Recurrent cells: functions `state -> state` for a fixed input."""

from rsf_jax.cells.base import RecurrentCell
from rsf_jax.cells.conv_lstm import ConvLSTMCell
from rsf_jax.cells.hgru import HGRUCell

# By the name that configurations and presets use; `registry.register_cell` adds to it.
CELLS: dict[str, type[RecurrentCell]] = {"hgru": HGRUCell, "clstm": ConvLSTMCell}

__all__ = ["CELLS", "ConvLSTMCell", "HGRUCell", "RecurrentCell"]
