import tracemalloc

import numpy as np
from PIL import Image

from rsf_jax.ops.pixels import luminance


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
