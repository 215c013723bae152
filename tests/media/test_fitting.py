"""Frames of one shape made frames of a model's, and class maps taken back."""

import doctest
import itertools

import numpy as np
import pytest

from rsf_jax.errors import InputError
from rsf_jax.media import Fit, fitting

UNSEEN = 255
SHAPE, MODEL = (108, 192), (36, 36)


def _ramp(height, width):
    """An image whose red counts columns, its green rows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    return image


def test_its_example_is_right():
    assert doctest.testmod(fitting) == (0, 4)


def test_squeezing_keeps_every_pixel_and_no_shape():
    fit = Fit("squeeze", SHAPE, MODEL)
    (frame,) = fit.frames(_ramp(*SHAPE))
    np.testing.assert_allclose(frame[:, [0, -1], 0], [[3, 252]] * 36, atol=3)
    assert fit.narrowing == pytest.approx(192 / 108)
    assert fit.mask([np.arange(36 * 36).reshape(36, 36) % 7]).shape == SHAPE


def test_letterboxing_keeps_the_shape_between_bars_that_the_mask_loses():
    fit = Fit("letterbox", SHAPE, MODEL)
    assert fit.narrowing == pytest.approx(1, abs=0.05)
    (frame,) = fit.frames(_ramp(*SHAPE) // 2 + 100)
    dark = (frame == 0).all(-1)
    assert dark[:8].all()
    assert dark[-8:].all()
    assert not dark[8:28].any()
    classes = np.full(MODEL, 3)
    classes[8:28] = 1
    classes[8:28, :18] = 2
    mask = fit.mask([classes])
    assert mask.shape == SHAPE
    assert (mask[:, :96] == 2).all()
    assert (mask[:, 96:] == 1).all()
    upright = Fit("letterbox", (192, 108), MODEL)
    assert upright.scaled == (36, 20)
    assert upright.corners == ((0, -8),)


def test_cropping_sees_the_middle_and_says_what_it_does_not_see():
    fit = Fit("crop", SHAPE, MODEL)
    (frame,) = fit.frames(_ramp(*SHAPE))
    left, right = frame[18, 0, 0], frame[18, -1, 0]
    assert (int(left) + int(right)) / 2 == pytest.approx(127.5, abs=2)
    assert int(right) - int(left) == pytest.approx(255 * 108 / 192, abs=6)
    mask = fit.mask([np.ones(MODEL, np.uint8)])
    seen = mask == 1
    assert seen.any(1).all()
    assert seen.mean() == pytest.approx(108 / 192, abs=0.02)
    assert (mask[~seen] == UNSEEN).all()
    np.testing.assert_array_equal(seen, seen[:, ::-1])


@pytest.mark.parametrize(
    ("shape", "name", "scaled", "count"),
    [
        ((108, 192), "tiles", (108, 192), 4 * 7),
        ((36, 36), "tiles", (36, 36), 1),
        ((20, 40), "tiles", (36, 72), 3),
        ((108, 192), "tiles:1", (36, 64), 2),
        ((192, 108), "tiles:1", (64, 36), 2),
        ((108, 192), "tiles:2", (67, 119), 2 * 4),
    ],
)
def test_tiles_cover_all_and_overlap_by_an_eighth(shape, name, scaled, count):
    fit = Fit(name, shape, MODEL)
    assert fit.scaled == scaled
    assert len(fit.corners) == count
    tops, lefts = ({corner[axis] for corner in fit.corners} for axis in (0, 1))
    for starts, length in ((sorted(tops), scaled[0]), (sorted(lefts), scaled[1])):
        assert starts[0] == 0
        assert starts[-1] == length - 36
        assert all(b - a <= 36 - 36 // 8 for a, b in itertools.pairwise(starts))
    assert fit.narrowing == pytest.approx(1, abs=0.06)


def test_masks_of_tiles_are_joined_where_their_edges_are_far():
    fit = Fit("tiles", SHAPE, MODEL)
    image = _ramp(*SHAPE)
    tiles = fit.frames(image)
    for tile, (top, left) in zip(tiles, fit.corners):
        np.testing.assert_array_equal(tile, image[top : top + 36, left : left + 36])
    # Of what tiles show, the whole is made again.
    np.testing.assert_array_equal(fit.mask(tiles[..., 0]), image[..., 0])
    # Errors at the edges of tiles are not in it, but at the edge of the frame.
    marked = [tile.copy() for tile in np.zeros((len(tiles), 36, 36), np.uint8)]
    for tile in marked:
        tile[[0, -1]] = tile[:, [0, -1]] = 9
    mask = fit.mask(marked)
    assert not mask[1:-1, 1:-1].any()
    assert mask[0].all()
    # Each pixel is of one tile, and every tile has some.
    owners = fit.mask([np.full(MODEL, n) for n in range(len(tiles))])
    assert set(np.unique(owners)) == set(range(28))


def test_another_shape_has_the_same_tiles():
    fit = Fit("tiles:1", SHAPE, MODEL)
    other = fit.stretched((100, 100))
    assert other.corners == fit.corners
    assert len(other.frames(_ramp(100, 100))) == 2
    assert other.mask(np.zeros((2, 36, 36), int)).shape == (100, 100)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Fit("tile", SHAPE, MODEL), "fit is 'tile': choose squeeze, letterbox, crop"),
        (lambda: Fit("tiles:0", SHAPE, MODEL), "fit is 'tiles:0'"),
        (lambda: Fit("crop", (0, 5), MODEL), r"\(0, 5\) cannot be fitted to \(36, 36\)"),
        (lambda: Fit("crop", (8.5, 5), MODEL), r"\(8\.5, 5\) cannot be fitted to \(36, 36\)"),
        (lambda: Fit("tiles", (1080, 1920), MODEL), "tiles of 36x36 cover 1920x1080, and 256"),
        (lambda: Fit("crop", SHAPE, MODEL).frames(_ramp(9, 9)), r"the image is \[9, 9\] pixels"),
        (lambda: Fit("crop", SHAPE, MODEL).frames(np.zeros(SHAPE)), "has to be uint8"),
        (lambda: Fit("tiles:1", SHAPE, MODEL).mask([np.zeros(MODEL)]), r"2 of \[36, 36\] are"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("name", ["squeeze", "letterbox", "crop", "tiles", "tiles:1", "tiles:3"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (37, 5), (9, 36), (64, 48)])
def test_any_shape_goes_there_and_back(name, shape):
    fit = Fit(name, shape, (7, 12))
    frames = fit.frames(_ramp(*shape))
    assert frames.shape[1:] == (7, 12, 3)
    mask = fit.mask(np.ones(frames.shape[:3], np.uint8))
    assert mask.shape == shape
    assert set(np.unique(mask)) <= {1, UNSEEN}
    assert name == "crop" or (mask == 1).all()
