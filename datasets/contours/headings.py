"""Headings: whole degrees, with sines and cosines that are the same on every machine."""

import math

DEGREES = 360

# Rounded to a multiple of 2^-30, so that the last digit, in which mathematics libraries and
# processors differ, never reaches a pixel.
_UNIT = 2.0**30
COSINE = tuple(round(math.cos(math.radians(d)) * _UNIT) / _UNIT for d in range(DEGREES))
SINE = tuple(round(math.sin(math.radians(d)) * _UNIT) / _UNIT for d in range(DEGREES))
