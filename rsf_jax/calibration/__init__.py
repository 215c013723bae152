"""Choosing a halting rule for a wanted accuracy or cost, with a guarantee."""

from rsf_jax.calibration.choose import calibrate, check_data, print_calibration
from rsf_jax.calibration.files import FILE, load_calibration
from rsf_jax.calibration.guarantee import check, print_check
from rsf_jax.calibration.resplits import Resplits, resplit
from rsf_jax.calibration.target import Target

__all__ = [
    "FILE",
    "Resplits",
    "Target",
    "calibrate",
    "check",
    "check_data",
    "load_calibration",
    "print_calibration",
    "print_check",
    "resplit",
]
