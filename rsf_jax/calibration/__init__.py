"""Choosing a step policy for a wanted accuracy or cost, with a guarantee."""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.calibration.alarm import Alarm
    from rsf_jax.calibration.choose import calibrate, print_calibration
    from rsf_jax.calibration.clips import clips_of
    from rsf_jax.calibration.files import FILE, load_calibration
    from rsf_jax.calibration.guarantee import (
        check,
        compare,
        compare_on,
        print_check,
        print_guarantee,
    )
    from rsf_jax.calibration.resplits import Resplits, resplit
    from rsf_jax.calibration.target import Target
    from rsf_jax.calibration.units import LENGTH, Units, as_units, check_data, streams_of, videos_of
    from rsf_jax.calibration.watching import Watch, watch

__all__ = [
    "FILE",
    "LENGTH",
    "Alarm",
    "Resplits",
    "Target",
    "Units",
    "Watch",
    "as_units",
    "calibrate",
    "check",
    "check_data",
    "clips_of",
    "compare",
    "compare_on",
    "load_calibration",
    "print_calibration",
    "print_check",
    "print_guarantee",
    "resplit",
    "streams_of",
    "videos_of",
    "watch",
]

__getattr__ = attach(
    __name__,
    {
        ".alarm": ["Alarm"],
        ".choose": ["calibrate", "print_calibration"],
        ".clips": ["clips_of"],
        ".files": ["FILE", "load_calibration"],
        ".guarantee": ["check", "compare", "compare_on", "print_check", "print_guarantee"],
        ".resplits": ["Resplits", "resplit"],
        ".target": ["Target"],
        ".units": ["LENGTH", "Units", "as_units", "check_data", "streams_of", "videos_of"],
        ".watching": ["Watch", "watch"],
    },
)
