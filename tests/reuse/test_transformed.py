"""Steps under transformations of JAX, types of numbers, modules of NNX."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from marks import slow

import rsf_jax as rsf
from rsf_jax.reuse import ReuseNetwork, run_clip
from tests.reuse.test_exactness import Layers, sequence
from tests.reuse.test_kinds import assert_alike, filled

SHAPE = (1, 12, 13, 2)
NETWORK = Layers((nn.Conv(4, (3, 3)), nn.relu, lambda x: (x, {"mean": x.mean((1, 2))})))


@pytest.fixture(scope="module")
def clip():
    return jnp.stack(list(sequence(SHAPE, 5)))


@pytest.mark.parametrize("tile_side", [4, None])
def test_a_clip_is_scanned_by_steps(clip, tile_side):
    variables = filled(NETWORK, clip[0])
    reuse = ReuseNetwork(NETWORK, variables, tile_side=tile_side, refresh_every=3)

    @jax.jit
    def scanned(clip):
        state, outputs = jax.lax.scan(reuse.step, reuse.init(clip[0]), clip)
        return state, outputs, jax.lax.map(lambda f: NETWORK.apply(variables, f), clip)

    state, outputs, dense = scanned(clip)
    assert_alike(outputs, dense)
    # What comes of it is a state as any other, and what was compiled under jit serves outside.
    state, output = reuse.step(state, clip[0])
    assert_alike(output, NETWORK.apply(variables, clip[0]))
    if tile_side:
        step = jax.jit(reuse.step)
        state, _ = step(reuse.init(clip[0]), clip[0])
        assert not state.computed.any()
        assert step(state, clip[1])[0].computed.any()


def test_weights_may_be_arguments_of_a_program(clip):
    @jax.jit
    def last(variables, clip):
        reuse = ReuseNetwork(NETWORK, variables, tile_side=4)
        return reuse.step(reuse.init(clip[0]), clip[1])[1]

    variables = filled(NETWORK, clip[0])
    assert_alike(last(variables, clip), NETWORK.apply(variables, clip[1]))


def _typed(dtype):
    return Layers(
        (
            nn.Conv(4, (3, 3), dtype=dtype, param_dtype=dtype),
            lambda x: nn.max_pool(nn.relu(x), (3, 3), (2, 2), "SAME"),
            lambda x: jax.image.resize(x, (1, 12, 13, 4), "bilinear"),
            nn.Conv(3, (9, 9), dtype=dtype, param_dtype=dtype),
        )
    )


@pytest.mark.parametrize("method", ["region", slow("residual")])
@pytest.mark.parametrize(
    ("dtype", "rtol"), [(jnp.bfloat16, 3e-2), (jnp.float16, 4e-3), (jnp.float64, 1e-14)]
)
def test_networks_and_frames_of_other_types(clip, dtype, rtol, method):
    with jax.enable_x64(dtype == jnp.float64):
        network, frames = _typed(dtype), np.asarray(clip, dtype)
        variables = filled(network, frames[0])
        reuse = ReuseNetwork(network, variables, tile_side=4, method=method)
        state = reuse.init(frames[0])
        for frame in frames:
            state, output = reuse.step(state, frame)
            assert_alike(output, network.apply(variables, frame), rtol)


class Module(nnx.Module):
    """A convolution, normalized, and a dense layer at every pixel."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.norm(self.conv(x))))


def test_modules_of_nnx_have_their_own_variables(clip):
    module = Module(nnx.Rngs(0))
    module.eval()
    reuse = ReuseNetwork(module, tile_side=4)
    state = reuse.init(clip[0])
    for frame in clip:
        state, output = reuse.step(state, frame)
        assert_alike(output, module(frame))
    assert "ReuseNetwork Module, " in repr(reuse)
    found = run_clip(module, None, jnp.moveaxis(clip, 0, 1), tile_side=4)
    assert_alike(found[:, 2], module(clip[2]))
    with pytest.raises(rsf.InputError, match="variables are missing"):
        run_clip(NETWORK, None, jnp.moveaxis(clip, 0, 1))
