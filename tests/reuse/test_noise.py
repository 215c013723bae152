"""The noise of a camera, found in spite of what moves and of values that are rounded."""

import numpy as np
import pytest

from rsf_jax.reuse.noise import noise_of

SIZE = (1, 60, 80, 3)


def _clip(noise, *, rounded=False, moving=0.3, frames=6):
    rng = np.random.default_rng(0)
    scene = 0.3 + 0.4 * rng.random(SIZE)
    clip = []
    for t in range(frames):
        frame = scene.copy()
        frame[:, :, : int(moving * SIZE[2])] = np.random.default_rng(t).random((*SIZE[:2], 1, 3))
        frame += noise * rng.standard_normal(SIZE)
        clip.append(np.round(255 * frame) / 255 if rounded else frame)
    return np.array(clip, np.float32)


@pytest.mark.parametrize("noise", [0.5 / 255, 1 / 255, 2 / 255, 10 / 255])
@pytest.mark.parametrize("rounded", [False, True])
def test_noise_is_found_beside_what_moves(noise, rounded):
    expected = (noise**2 + (rounded / 255) ** 2 / 12) ** 0.5
    assert noise_of([_clip(noise, rounded=rounded, moving=0)]) == pytest.approx(expected, rel=0.05)
    found = noise_of([_clip(noise, rounded=rounded, moving=0.3)])
    assert 0.95 * expected < found < 1.6 * expected


def test_the_noisiest_channel_counts_and_bytes_are_taken():
    clip = np.round(255 * _clip(2 / 255, moving=0)).astype(np.uint8)
    assert noise_of([clip]) == pytest.approx(noise_of([clip.astype(np.float32) / 255]), rel=1e-3)
    quiet = clip.copy()
    quiet[..., :2] = clip[:1, ..., :2]
    assert noise_of([quiet]) == pytest.approx(2 / 255, rel=0.1)


def test_a_still_picture_has_no_noise():
    assert noise_of([_clip(0, moving=0)]) == 0
    assert noise_of([_clip(0, moving=0.1)]) < 0.5 / 255
