"""Gabor filters: the published start of the stem."""

import numpy as np

SIZE = 7  # pixels
_WAVELENGTH = 3.5  # pixels
_SIGMA = 2.8  # pixels
_ASPECT = 0.3
# Radians: 90 degrees were evidently meant, but the published filters are these.
_SECOND_PHASE = 90.0


def gabor_filters(channels: int = 25) -> np.ndarray:
    """Returns the filters the stem starts from, float32 [7, 7, 1, channels].

    The first `channels // 2` filters are Gabor functions of phase 0, at angles from 90 degrees
    downwards in equal steps (15 degrees for the published 25 channels); the same follow with a
    phase of 90 radians. They lie on a disc of radius 3 pixels, without mean and of unit norm. With
    an odd number of channels the last filter is the disc divided by its mean.

    Source: Wang et al. 2023, the weights in the published code, met to 2e-8 with 25 channels.
    """
    y, x = np.mgrid[-3:4, -3:4].astype(np.float64)
    disc = (x**2 + y**2 <= 9).astype(np.float64)
    orientations = channels // 2
    angles = np.deg2rad(90 - 180 / max(orientations, 1) * np.arange(orientations))
    filters = [
        _gabor(x, y, disc, angle, phase) for phase in (0.0, _SECOND_PHASE) for angle in angles
    ]
    if channels % 2:
        filters.append(disc / disc.mean())
    return np.stack(filters, axis=-1)[:, :, None, :].astype(np.float32)


def _gabor(
    x: np.ndarray, y: np.ndarray, disc: np.ndarray, angle: float, phase: float
) -> np.ndarray:
    u = x * np.cos(angle) + y * np.sin(angle)
    v = -x * np.sin(angle) + y * np.cos(angle)
    envelope = np.exp(-(u**2 + (_ASPECT * v) ** 2) / (2 * _SIGMA**2))
    gabor = disc * envelope * np.cos(2 * np.pi * u / _WAVELENGTH + phase)
    gabor -= gabor.mean()
    return gabor / np.linalg.norm(gabor)
