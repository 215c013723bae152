"""What light and noise do to a frame, and what has really changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.policies import changed
from rsf_jax.policies.changed import pooled

SIZE = (36, 36)
UNKNOWN = np.full((1, 1), np.inf, np.float32)
CONTRAST, DEVIATIONS = 0.1, 5.0
compare, noise_alone = jax.jit(changed.compare), jax.jit(changed.noise_alone)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def lines(rng, size=SIZE, count=12):
    """A black frame [1, H, W, 1] with bright dashes, as T-Pathfinder has them."""
    frame = np.zeros(size, np.float32)
    for _ in range(count):
        row, column = rng.integers(0, size[0]), rng.integers(0, size[1] - 5)
        frame[row, column : column + 5] = rng.uniform(0.5, 1)
    return frame[None, :, :, None]


def texture(rng, size=SIZE, channels=1):
    """A picture whose neighboring pixels are alike, at some scales."""
    total = np.zeros((*size, channels), np.float32)
    for side in (3, 6, 12):
        small = rng.random((-(-size[0] // side), -(-size[1] // side), channels))
        total += small.repeat(side, 0).repeat(side, 1)[: size[0], : size[1]]
    return (0.1 + 0.8 * total / 3).astype(np.float32)[None]


def noisy(rng, frame, deviation):
    noise = rng.normal(size=frame.shape, scale=deviation or 1)
    return np.clip(frame + (noise if deviation else 0), 0, 1).astype(np.float32)


def share(frame, reference, noise=UNKNOWN, **options):
    options = {"contrast": CONTRAST, "deviations": DEVIATIONS} | options
    return compare(frame, reference, noise, **options).share


@pytest.mark.parametrize("scene", [lines, texture])
@pytest.mark.parametrize("deviation", [0, 0.02, 0.05, 0.1])
def test_noise_is_no_change_and_is_estimated(rng, scene, deviation):
    picture = 0.25 + 0.5 * scene(rng)  # so that hardly any noise is cut off
    frames = [noisy(rng, picture, deviation) for _ in range(2)]
    found = compare(*frames, UNKNOWN, CONTRAST, DEVIATIONS)
    assert found.share[0] < 2 / 36**2
    assert found.noise.item() == pytest.approx(deviation, rel=0.2, abs=0.01)


@pytest.mark.parametrize("deviation", [0.05, 0.1])
def test_noise_that_is_cut_off_at_black_is_no_change(rng, deviation):
    picture = lines(rng)
    changed = [
        share(noisy(rng, picture, deviation), noisy(rng, picture, deviation)).item()
        for _ in range(20)
    ]
    assert np.mean(np.greater(changed, 3 / 36**2)) <= 0.05


@pytest.mark.parametrize("scene", [lines, texture])
@pytest.mark.parametrize("gain", [0.55, 0.9, 1.1])
@pytest.mark.parametrize("offset", [-0.05, 0, 0.1])
@pytest.mark.parametrize("deviation", [0, 0.03])
def test_light_is_no_change(rng, scene, gain, offset, deviation):
    picture = 0.1 + 0.7 * scene(rng)
    lit = np.clip(gain * picture + offset, 0, 1)
    assert share(noisy(rng, lit, deviation), noisy(rng, picture, deviation)).item() < 3 / 36**2


@pytest.mark.parametrize("deviation", [0, 0.05])
def test_what_moves_is_seen_in_any_light(rng, deviation):
    picture = lines(rng)
    moved = picture.copy()
    moved[:, 10:16, 10:16] = 1 - moved[:, 10:16, 10:16]
    frame = np.clip(0.85 * moved + 0.05, 0, 1)
    found = share(noisy(rng, frame, deviation), noisy(rng, picture, deviation)).item()
    assert found == pytest.approx(1 / 36, abs=0.006)


def test_moving_texture_does_not_pass_for_noise(rng):
    picture = texture(rng, (72, 72))
    moved = np.roll(picture, 2, 2)
    found = compare(moved, picture, UNKNOWN, CONTRAST, DEVIATIONS)
    assert found.noise.item() < 0.02
    assert found.share.item() > 0.1


def test_a_cut_and_a_flash_leave_the_estimate_of_noise_as_it_is(rng):
    before, after = (noisy(rng, texture(rng), 0.02) for _ in range(2))
    noise = noise_alone(before, UNKNOWN)
    for frame in (after, np.ones_like(after)):
        found = compare(frame, before, noise, CONTRAST, DEVIATIONS)
        assert found.noise.item() < 1.1 * noise.item() + 0.001


def test_the_estimate_follows_noise_that_grows_within_a_second(rng):
    picture = 0.25 + 0.5 * texture(rng)
    noise = jnp.zeros((1, 1))
    reference = noisy(rng, picture, 0.05)
    found = []
    for _ in range(40):
        noise = compare(noisy(rng, picture, 0.05), reference, noise, CONTRAST, DEVIATIONS).noise
        found.append(noise.item())
    assert found[10] < 0.04 < found[35]
    assert found[-1] == pytest.approx(0.05, rel=0.2)


def test_any_channel_that_changes_counts(rng):
    picture = texture(rng, (20, 30), 3)
    for channel in range(3):
        changed = picture.copy()
        changed[:, 4:8, 5:10, channel] = 1 - changed[:, 4:8, 5:10, channel]
        moved = np.abs(changed - picture)[..., channel] > CONTRAST + 0.01
        noise = np.zeros((1, 3), np.float32)
        assert share(changed, picture, noise).item() == pytest.approx(moved.mean(), abs=2e-3)
    warmer = picture * np.float32([1.1, 1, 0.85])
    assert share(np.clip(warmer, 0, 1), picture, noise).item() < 0.01


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 3), (8, 8), (5, 300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames_may_have_any_size(size, channels):
    frame = np.zeros((2, *size, channels), np.float32)
    other = frame.copy()
    other[1] = 1
    if np.prod(size) > 1:
        other[1, : size[0] // 2, : size[1] // 2 + 1] = 0  # or it were nothing but light
    noise = np.full((2, channels), np.inf, np.float32)
    found = share(other, frame, noise)
    assert found[0] == 0
    if size == (8, 8):
        assert found[1] > 0.1


def test_numbers_may_differ_from_sample_to_sample(rng):
    picture = np.repeat(lines(rng), 2, 0)
    changed = picture.copy()
    changed[:, 5:10, 5:10] = 0.3
    noise = np.zeros((2, 1), np.float32)
    found = share(changed, picture, noise, contrast=jnp.asarray([0.1, 0.9]))
    assert found[0] > 0.01
    assert found[1] == 0


def test_what_is_no_number_has_changed(rng):
    picture = lines(rng)
    broken = picture.copy()
    broken[0, 3, 4] = np.nan
    assert share(broken, picture, np.zeros((1, 1), np.float32)) > 0


def test_types_are_kept():
    with jax.enable_x64(True):
        for dtype in (np.float32, np.float64):
            frame = jnp.zeros((1, 9, 9, 1), dtype)
            found = compare(frame, frame, jnp.full((1, 1), jnp.inf, dtype), CONTRAST, DEVIATIONS)
            assert {x.dtype for x in found} == {np.dtype(dtype)}


def test_pooled_frames_are_means_of_squares():
    frame = jnp.arange(2 * 5 * 7, dtype=jnp.float32).reshape(2, 5, 7, 1)
    assert pooled(frame, 1) is frame
    found = pooled(frame, 2)
    assert found.shape == (2, 3, 4, 1)
    np.testing.assert_allclose(found[0, 0, 0, 0], np.mean([0, 1, 7, 8]))
    np.testing.assert_allclose(found[0, 2, 3, 0], 34)
    assert pooled(frame, 9).shape == (2, 1, 1, 1)
