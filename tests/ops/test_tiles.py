import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.ops.tiles import add_windows, blocks, join_blocks, tile_axis, windows

# size, kernel, longest transform
CASES = [(128, 15, 96), (128, 15, 160), (10, 3, 6), (7, 5, 4), (31, 9, 20), (1, 15, 4), (9, 1, 4)]


@pytest.mark.parametrize("multiple", [1, 16])
@pytest.mark.parametrize(("size", "kernel", "longest"), CASES)
def test_tiles_cover_the_axis_and_hold_what_the_kernel_reaches(size, kernel, longest, multiple):
    tiles = tile_axis(size, kernel, longest, multiple=multiple)
    assert tiles.count * tiles.stride >= size > (tiles.count - 1) * tiles.stride
    reach = tiles.stride + (kernel - 1 if tiles.count > 1 else 0)
    assert tiles.period >= tiles.window >= reach
    if tiles.count == 1:
        assert tiles.period >= size + kernel // 2
    assert tiles.period % multiple == 0


def test_axes_are_cut_only_where_transforms_grow_too_long():
    assert tile_axis(64, 15, 96).count == 1
    tiles = tile_axis(128, 15, 96, multiple=16)
    assert (tiles.count, tiles.stride, tiles.window, tiles.period) == (2, 64, 78, 80)
    assert tile_axis(128, 15, 160).period == 135


@pytest.mark.parametrize(("size", "kernel", "longest"), CASES)
def test_joined_blocks_are_the_line(size, kernel, longest):
    tiles = tile_axis(size, kernel, longest)
    line = jnp.arange(2.0 * size).reshape(2, size)
    np.testing.assert_array_equal(join_blocks(blocks(line, tiles), tiles), line)


@pytest.mark.parametrize(("size", "kernel", "longest"), CASES)
def test_adding_windows_is_the_transpose_of_taking_them(size, kernel, longest):
    tiles = tile_axis(size, kernel, longest)
    rng = np.random.default_rng(0)
    x = rng.normal(size=size).astype(np.float32)
    y = rng.normal(size=(tiles.count, tiles.window)).astype(np.float32)
    forward = np.sum(np.asarray(windows(jnp.asarray(x), tiles)) * y)
    backward = np.sum(x * np.asarray(add_windows(jnp.asarray(y), tiles)))
    np.testing.assert_allclose(forward, backward, rtol=1e-4)
