"""Recurrent cells: functions `state -> state` for a fixed input."""

from rsf_jax.cells.base import RecurrentCell
from rsf_jax.cells.hgru import HGRUCell

# By the suffix that names the cell in a preset; the one without a suffix is "".
CELLS: dict[str, type[RecurrentCell]] = {"hgru": HGRUCell}

__all__ = ["CELLS", "HGRUCell", "RecurrentCell"]
