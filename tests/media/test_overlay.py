import subprocess
import sys

import numpy as np
import pytest

from rsf_jax.errors import InputError
from rsf_jax.figures.segmentation import overlay
from rsf_jax.media import draw

COLORS = np.array([[0, 0, 0], [200, 30, 10], [0, 100, 250]], np.uint8)
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (90, 400, 3), dtype=np.uint8)
CLASSES = RANDOM.integers(0, 3, (90, 400))


@pytest.mark.parametrize("opacity", [0.0, 0.45, 1.0])
def test_classes_are_mixed_as_in_the_figures(opacity):
    found = draw(IMAGE, CLASSES, COLORS, "", opacity)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, overlay(IMAGE, CLASSES, COLORS, opacity))
    y, x = np.argwhere(CLASSES == 1)[0]
    gray = int(IMAGE[y, x] @ [0.299, 0.587, 0.114] + 0.5)
    mixed = opacity * COLORS[1] + (1 - opacity) * gray
    np.testing.assert_allclose(found[y, x], np.rint(mixed), atol=1)


def test_the_transparent_class_leaves_the_image_as_it_is():
    before = IMAGE.copy()
    found = draw(IMAGE, CLASSES, COLORS, "", transparent=0)
    clear = CLASSES == 0
    np.testing.assert_array_equal(found[clear], IMAGE[clear])
    np.testing.assert_array_equal(found[~clear], overlay(IMAGE, CLASSES, COLORS, 0.6)[~clear])
    np.testing.assert_array_equal(IMAGE, before)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_the_class_map_is_enlarged_by_nearest_neighbor(dtype):
    small = RANDOM.integers(0, 3, (9, 20)).astype(dtype)
    found = draw(IMAGE, small, COLORS, "", 1.0)
    np.testing.assert_array_equal(found, COLORS[small.repeat(10, 0).repeat(20, 1)])


def test_a_class_map_may_be_of_any_size():
    halves = np.repeat([[1, 2]], 7, axis=0)
    assert (draw(IMAGE, halves, COLORS, "", 1.0)[:, :200] == COLORS[1]).all()
    finer = np.arange(1200)[None] // 600 + np.ones((500, 1), int)
    np.testing.assert_array_equal(
        draw(IMAGE, finer, COLORS, "", 1.0), draw(IMAGE, halves, COLORS, "", 1.0)
    )


def test_small_images_are_enlarged_by_a_whole_factor():
    small = IMAGE[:48, :64]
    np.testing.assert_array_equal(draw(small, None, COLORS, ""), small.repeat(5, 0).repeat(5, 1))
    assert draw(IMAGE[:, :319], None, COLORS, "").shape == (180, 638, 3)
    assert draw(IMAGE[:, :320], None, COLORS, "").shape == (90, 320, 3)


@pytest.mark.parametrize("caption", ["door 12 steps", "door, 12 of 20 steps " * 20])
def test_the_caption_is_light_on_a_dark_strip_below(caption):
    image = np.full((240, 320, 3), 250, np.uint8)
    found = draw(image, None, COLORS, caption)
    np.testing.assert_array_equal(found[:240], image)
    strip = found[240:]
    assert strip.shape == (19, 320, 3)
    assert np.median(strip) == 0
    assert 0.01 < (strip > 200).mean() < 0.3
    # Letters do not touch the edges: nothing of them is cut off.
    assert not strip[:, [0, 1, -2, -1]].any()
    assert not strip[[0, -1]].any()


def test_a_caption_fits_the_smallest_images():
    for shape in ((1, 1, 3), (2, 400, 3), (20, 1, 3)):
        assert draw(np.zeros(shape, np.uint8), None, COLORS, "door").shape[1] >= 320


@pytest.mark.parametrize(
    ("image", "classes", "colors", "opacity", "message"),
    [
        (IMAGE / 255, CLASSES, COLORS, 0.5, r"the image is float64 \[90, 400, 3\]"),
        (IMAGE[..., :1], CLASSES, COLORS, 0.5, r"has to be uint8 \[h, w, 3\]"),
        (IMAGE, CLASSES + 1, COLORS, 0.5, "a pixel has class 3"),
        (IMAGE, CLASSES[None], COLORS, 0.5, r"give integers \[H, W\]"),
        (IMAGE, CLASSES, COLORS[:, 0], 0.5, r"give uint8 \[K, 3\]"),
        (IMAGE, CLASSES, COLORS, 1.5, "opacity is 1.5"),
    ],
)
def test_what_cannot_be_drawn_is_refused(image, classes, colors, opacity, message):
    with pytest.raises(InputError, match=message):
        draw(image, classes, colors, "", opacity)


def test_the_library_is_imported_without_pyav():
    code = "import sys, rsf_jax; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((4200, 64), (4200, 64)),  # 5 times as large it could not be coded
        ((2500, 64), (7500, 192)),
        ((36, 36), (324, 324)),
        ((5000, 1), (5000, 1)),
    ],
)
def test_what_is_narrow_is_enlarged_as_far_as_its_height_allows(size, shape):
    image = np.zeros((*size, 3), np.uint8)
    assert draw(image, None, np.zeros((1, 3), np.uint8), "").shape == (*shape, 3)
