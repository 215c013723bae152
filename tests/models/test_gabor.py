import numpy as np
import pytest

from rsf_jax.models.gabor import gabor_filters


def test_the_published_set_is_24_gabor_functions_and_a_disc():
    filters = gabor_filters()
    assert filters.shape == (7, 7, 1, 25)
    assert filters.dtype == np.float32
    np.testing.assert_allclose(filters[..., :24].mean((0, 1)), 0, atol=1e-7)
    np.testing.assert_allclose((filters[..., :24] ** 2).sum((0, 1)), 1, atol=1e-6)
    disc = filters[:, :, 0, 24]
    assert disc[0, 0] == 0
    assert disc[3, 3] == pytest.approx(1.6897, abs=1e-4)  # 49 cells, 29 of them inside
    assert (disc > 0).sum() == 29


def test_orientations_go_from_90_degrees_downwards_in_steps_of_15():
    filters = gabor_filters()[:, :, 0]
    # At 90 degrees the wave runs down the rows, at 0 degrees (filter 6) along the columns.
    np.testing.assert_allclose(filters[..., 6], filters[..., 0].T, atol=1e-6)
    # The center row of filter 6, before the mean is removed, is a wave of 3.5 pixels.
    x = np.arange(-3, 4)
    wave = np.exp(-(x**2) / (2 * 2.8**2)) * np.cos(2 * np.pi * x / 3.5)
    row = filters[3, :, 6]
    slope, offset = np.polyfit(wave, row, 1)
    np.testing.assert_allclose(slope * wave + offset, row, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 12, 13, 25, 40])
def test_any_number_of_channels_gets_filters(channels):
    filters = gabor_filters(channels)
    assert filters.shape == (7, 7, 1, channels)
    assert np.isfinite(filters).all()
