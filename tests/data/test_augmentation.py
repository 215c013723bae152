"""Random changes of training videos."""

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.augmentation import augment
from rsf_jax.measures.losses import IGNORED

PLAIN = rsf.get_config("camvid_s3f3_dru").replace(zoom=1.0, color_jitter=0.0)
SIZE = (24, 32)


@pytest.fixture
def video():
    """A gradient whose class is its left or right half, with some pixels unlabeled."""
    columns = np.broadcast_to(np.arange(SIZE[1]) * 8, (3, *SIZE))
    frames = np.stack([columns, columns, np.full_like(columns, 90)], -1).astype(np.uint8)
    masks = (columns >= 128).astype(np.uint8)
    masks[:, :4] = IGNORED
    return {"frames": frames, "masks": masks}


def _many(video, config, count=40):
    return [augment(video, np.random.default_rng(seed), config) for seed in range(count)]


def test_videos_are_turned_upside_down_only_if_they_may_be(video):
    upright = {x["masks"].tobytes() for x in _many(video, PLAIN)}
    assert len(upright) == 2
    assert all((x["masks"][:, :4] == IGNORED).all() for x in _many(video, PLAIN))
    assert len({x["masks"].tobytes() for x in _many(video, PLAIN.replace(flip_vertical=True))}) == 4


def test_a_zoomed_part_keeps_frames_and_masks_together(video):
    for changed in _many(video, PLAIN.replace(zoom=2.0)):
        frames, masks = changed["frames"], changed["masks"]
        assert frames.shape == video["frames"].shape
        assert frames.dtype == masks.dtype == np.uint8
        assert set(np.unique(masks)) <= {0, 1, IGNORED}
        np.testing.assert_array_equal(frames[0], frames[2])
        red, labeled = frames[..., 0].astype(int), masks != IGNORED
        # The gradient still says the class, but for the pixel at the border of halves.
        clear = labeled & (np.abs(red - 128) > 10)
        np.testing.assert_array_equal(masks[clear], red[clear] >= 128)
        # At most twice as large, so that half of the gradient is left at least.
        assert np.ptp(red) >= 0.4 * np.ptp(video["frames"][..., 0].astype(int))
    largest = min(np.ptp(x["frames"][..., 0].astype(int)) for x in _many(video, _zooming(4)))
    assert largest < 0.5 * 248


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_every_channel_is_zoomed_as_if_it_were_alone(video, channels):
    values = np.random.default_rng(0).integers(0, 256, (3, *SIZE, channels), np.uint8)
    values[..., -1] = 0  # which would be transparent, if it were opacity
    together = _many(video | {"frames": values}, _zooming(3), 5)
    for channel in range(channels):
        alone = _many(video | {"frames": values[..., channel, None]}, _zooming(3), 5)
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(one["frames"][..., channel], other["frames"][..., 0])
    assert all(x["frames"][..., 0].any() for x in together)


def _zooming(most):
    return PLAIN.replace(zoom=float(most))


def test_colors_change_alike_in_all_frames_and_masks_do_not(video):
    changed = _many(video, PLAIN.replace(color_jitter=0.3))
    flipped = [x for x in changed if x["masks"][0, -1, 0] == 1]
    same = [x for x in changed if x["masks"][0, -1, 0] == 0]
    assert flipped
    assert same
    for x in same:
        np.testing.assert_array_equal(x["masks"], video["masks"])
        np.testing.assert_array_equal(x["frames"][0], x["frames"][1])
    blue = [int(x["frames"][0, 0, 0, 2]) for x in same]
    assert len(set(blue)) > 5
    assert all(0.3 * 90 < b < 1.9 * 90 for b in blue)


def test_gray_videos_are_recolored_too():
    frames = np.full((2, 8, 8, 1), 100, np.uint8)
    video = {"frames": frames, "masks": np.zeros((2, 8, 8), np.uint8)}
    config = PLAIN.replace(color_jitter=0.2, zoom=1.5)
    levels = {int(x["frames"].max()) for x in _many(video, config)}
    assert len(levels) > 5
    assert min(levels) >= 80
    assert max(levels) <= 120
