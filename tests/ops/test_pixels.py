import tracemalloc

import numpy as np
from PIL import Image

from rsf_jax.ops.pixels import as_picture, luminance


def test_luminance_is_that_of_pillow_in_little_memory():
    image = np.random.default_rng(0).integers(0, 256, (540, 960, 3), np.uint8)
    tracemalloc.start()
    try:
        found = luminance(image)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found[..., 0], np.asarray(Image.fromarray(image).convert("L")))
    assert most < found.nbytes + 1_500_000
    every_other = image[None, ::2, ::-1]
    np.testing.assert_array_equal(luminance(every_other), found[None, ::2, ::-1])


def test_channels_that_are_no_colors_are_shown_by_their_mean():
    rng = np.random.default_rng(0)
    for channels in (1, 2, 3, 4, 5):
        frame = rng.integers(0, 256, (3, 4, channels), np.uint8)
        mean = np.rint(frame.mean(-1, keepdims=True))
        for given in (frame, np.float32(frame / 255)):
            found = as_picture(given)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, frame if channels in (1, 3) else mean)
