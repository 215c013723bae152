"""How many videos of a split are computed together."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax.data.arrays import as_split

SIZE = (12, 14)


@pytest.mark.parametrize(
    ("frames", "most_bytes", "together"),
    [(5, None, 4), (5, 10**9, 4), (5, 2 * 5 * 12 * 14, 2), (25, 10**9, 1), (25, None, 4)],
)
def test_long_videos_are_computed_one_by_one_on_a_cpu(frames, most_bytes, together):
    if jax.default_backend() != "cpu":
        pytest.skip("accelerators compute all together")
    trained, sizes = untrained(SIZE, eval_batch_size=4, devices=1), []

    def of_batch(model, prepared, batch, policy, stateful):
        sizes.append(len(batch.weights))  # when it is compiled
        return batch.frames.mean((1, 2, 3, 4), dtype=jnp.float32)

    pixels = np.random.default_rng(0).integers(0, 256, (6, frames, *SIZE, 1), np.uint8)
    masks = np.zeros(pixels.shape[:-1], np.uint8)
    videos = as_split([{"frames": f, "masks": m} for f, m in zip(pixels, masks)])
    found = trained.over_split(of_batch, most_bytes)(videos, rsf.FixedSchedule(1, 1))
    assert sizes == [together]
    np.testing.assert_allclose(found, pixels.mean((1, 2, 3, 4)), rtol=1e-5)
