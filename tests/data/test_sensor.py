"""Noise, flicker and drift of the light."""

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.sensor import expose, light, sense


def _gray(length=40, level=128, dtype=np.uint8):
    frames = np.full((length, 30, 32, 1), level, np.uint8)
    return frames if dtype == np.uint8 else (frames / 255).astype(dtype)


def _rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.float32, 1), (np.float64, 1)])
def test_noise_has_its_deviation_in_shares_of_white(dtype, white):
    frames = _gray(dtype=dtype)
    seen = expose(frames, _rng(), noise=10 / 255)
    assert seen.dtype == dtype
    assert seen.shape == frames.shape
    added = (seen.astype(float) - frames) * 255 / white
    assert added.mean() == pytest.approx(0, abs=0.3)
    assert added.std() == pytest.approx(10, rel=0.02)
    # Gaussian: about 4.6 % is beyond two deviations.
    assert (np.abs(added) > 20.5).mean() == pytest.approx(0.04, abs=0.01)


def test_every_frame_of_a_still_camera_has_its_own_noise():
    seen = expose(_gray(), _rng(), noise=5 / 255).astype(float) - 128
    flat = seen.reshape(len(seen), -1)
    correlation = np.corrcoef(flat)[~np.eye(len(flat), dtype=bool)]
    assert np.abs(correlation).max() < 0.2
    assert correlation.mean() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_values_stay_in_their_range(dtype):
    white = 255 if dtype == np.uint8 else 1
    for level in (0, 255):
        seen = expose(_gray(level=level, dtype=dtype), _rng(), noise=40 / 255)
        assert seen.min() >= 0
        assert seen.max() <= white
        # Half is beyond the range and clipped to it; nothing wraps around.
        away = np.abs(seen.astype(float) - level / 255 * white) / white
        assert away.max() < 0.9
        assert (away == 0).mean() == pytest.approx(0.5, abs=0.02)
    brightest = expose(_gray(level=250, dtype=dtype), _rng(), gain=2.0)
    assert (brightest == white).all()


def test_nothing_is_added_unless_asked_for():
    for dtype in (np.uint8, np.float32):
        frames = _rng().integers(0, 256, (3, 4, 5, 3)).astype(np.uint8)
        frames = frames if dtype == np.uint8 else (frames / 255).astype(dtype)
        np.testing.assert_array_equal(sense(frames, _rng()), frames)


def test_it_is_a_function_of_its_generator():
    one, same, other = (
        sense(_gray(), _rng(seed), noise=3 / 255, flicker=0.1, drift=0.1) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_what_is_given_stays_as_it_is():
    frames = _gray()
    sense(frames, _rng(), noise=3 / 255, flicker=0.1)
    np.testing.assert_array_equal(frames, _gray())


def test_flicker_is_another_light_for_every_frame():
    gains = light(20_000, _rng(), flicker=0.1)
    assert gains.dtype == np.float32
    assert gains.mean() == pytest.approx(1, abs=0.002)
    assert gains.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.02)
    assert 0.9 <= gains.min() < gains.max() <= 1.1
    assert np.corrcoef(gains[1:], gains[:-1])[0, 1] == pytest.approx(0, abs=0.03)


def test_drift_is_slow_and_comes_back():
    gains = light(1000, _rng(), drift=0.2, period=200.0)
    assert np.abs(np.diff(gains)).max() <= 0.2 * 2 * np.pi / 200 + 1e-6
    assert gains.max() == pytest.approx(1.2, abs=0.001)
    assert gains.min() == pytest.approx(0.8, abs=0.001)
    np.testing.assert_allclose(gains[200:], gains[:-200], atol=1e-5)
    phases = {round(float(light(1, _rng(seed), drift=0.2)[0]), 4) for seed in range(20)}
    assert len(phases) > 15


def test_light_changes_all_pixels_of_a_frame_alike():
    frames = _rng().integers(0, 150, (6, 5, 7, 3)).astype(np.uint8)
    gains = light(6, _rng(), flicker=0.3, drift=0.2)
    expected = np.rint(frames.astype(np.float32) * gains[:, None, None, None])
    np.testing.assert_array_equal(expose(frames, _rng(), gains), expected)


def test_a_stream_that_is_read_in_parts_has_one_light():
    frames = _gray(dtype=np.float32)
    gains = light(40, _rng(), flicker=0.2, drift=0.2)
    whole = expose(frames, _rng(), gains)
    for first in range(0, 40, 8):
        part = slice(first, first + 8)
        np.testing.assert_array_equal(expose(frames[part], _rng(), gains[part]), whole[part])


def test_every_stream_of_a_batch_may_have_its_own_noise():
    frames = np.stack([_gray()] * 3)
    noise = np.array([[0.0], [4.0], [16.0]]) / 255
    seen = expose(frames, _rng(), noise=noise).astype(float) - frames
    assert seen[0].std() == 0
    assert seen[1].std() == pytest.approx(4, rel=0.05)
    assert seen[2].std() == pytest.approx(16, rel=0.05)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"noise": -1.0}, r"noise is -1\.0: shares of white, from 0 to 1"),
        ({"noise": 10.0}, r"noise is 10\.0: shares of white"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"flicker": 1.5}, r"flicker is 1\.5: a share from 0 to 1"),
        ({"drift": -0.5}, r"drift is -0\.5"),
        ({"period": 0.0}, r"period is 0\.0: a number of frames above 0"),
    ],
)
def test_what_is_not_possible_is_named(given, message):
    with pytest.raises(rsf.InputError, match=message):
        sense(_gray(), _rng(), **given)


def test_frames_of_another_type_are_named():
    with pytest.raises(rsf.InputError, match=r"frames are int32: uint8 in 0\.\.255 or float"):
        sense(_gray().astype(np.int32), _rng(), noise=0.1)
