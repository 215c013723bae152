"""Reuse gives what the network gives, layer by layer, over long sequences with scene cuts."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks.networks import AlexNet, ResNet

from rsf_jax.reuse import METHODS, ReuseNetwork


class Layers(nn.Module):
    """Layers one after another."""

    layers: tuple

    @nn.compact
    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class Skips(nn.Module):
    """Two convolutions that meet, a value used twice, and a map that skips a pooling."""

    @nn.compact
    def __call__(self, x):
        a = nn.Conv(4, (3, 3))(x)
        b = nn.swish(a + nn.Conv(4, (1, 1))(x))
        c = b + nn.BatchNorm(use_running_average=True)(nn.Conv(4, (3, 3))(nn.relu(b)))
        pooled = nn.max_pool(c, (3, 3), (1, 1), padding="SAME")
        return jnp.concatenate([pooled, c, a], -1)


class SeveralOutputs(nn.Module):
    """A map, channels first, what is computed of the whole, and what is no map at all."""

    @nn.compact
    def __call__(self, x):
        y = nn.tanh(nn.Conv(5, (3, 3))(x))
        logits = nn.Dense(3)(y.reshape(y.shape[0], -1))
        return {"map": jnp.moveaxis(y, -1, 1), "class": logits.argmax(-1), "three": jnp.float32(3)}


LAYERS = {
    "strided": (nn.Conv(6, (3, 3), 2),),
    "dilated": (nn.Conv(6, (3, 3), kernel_dilation=2),),
    "grouped": (nn.Conv(6, (3, 3), feature_group_count=3),),
    "depthwise": (nn.Conv(3, (3, 3), feature_group_count=3),),
    "valid": (nn.Conv(6, (3, 5), padding="VALID"),),
    "padded": (nn.Conv(6, (4, 3), (2, 1), padding=((3, 0), (1, 2))),),
    "even kernel": (nn.Conv(6, (2, 4)),),
    "large kernel": (nn.Conv(6, (9, 9)), nn.relu, nn.Conv(6, (7, 7))),
    "bfloat16 inside": (nn.Conv(6, (3, 3), dtype=jnp.bfloat16), lambda x: x.astype(jnp.float32)),
    "dense at every pixel": (nn.Dense(5), nn.gelu),
    "maximum of negative values": (
        lambda x: -1 - jnp.abs(x),
        lambda x: nn.max_pool(x, (3, 3), (2, 2), padding="SAME"),
    ),
    "average": (lambda x: nn.avg_pool(x, (2, 3), (2, 1)), nn.Conv(4, (3, 3))),
    "average without padding": (
        lambda x: nn.avg_pool(x, (3, 3), (1, 1), padding="SAME", count_include_pad=False),
    ),
    "fixed normalization": (nn.Conv(6, (3, 3)), nn.BatchNorm(use_running_average=True), nn.relu),
    "something at every place": (
        lambda x: x * jnp.arange(21.0)[None, None, :, None],
        nn.Conv(4, (3, 3)),
    ),
    "minimum and clip": (lambda x: jnp.clip(jnp.minimum(x, x**2), -1, 0.5), nn.Conv(4, (3, 3))),
    "dense at the end": (nn.Conv(2, (3, 3), 4), lambda x: x.reshape(x.shape[0], -1), nn.Dense(3)),
    "mean at the end": (nn.Conv(6, (3, 3)), lambda x: x.mean((1, 2)), nn.Dense(3)),
}


def sequence(shape, count, seed=0):
    """Frames of which a part changes each time; nothing at first, a scene cut in the middle."""
    rng = np.random.default_rng(seed)
    frame = rng.normal(size=shape).astype(np.float32)
    for t in range(count):
        frame = frame.copy()
        if t == count // 2:
            frame = rng.normal(size=shape).astype(np.float32)
        elif t > 0:
            b, y, x = (int(rng.integers(n)) for n in shape[:3])
            size = int(rng.integers(1, 8))
            frame[b, y : y + size, x : x + size] = rng.normal(size=(1, 1, shape[3]))
        yield frame


def check(network, shape, *, count=9, rtol=1e-5, **settings):
    variables = jax.jit(network.init)(jax.random.key(0), jnp.zeros(shape))
    # Running statistics and biases of their own, or half of the network would be idle.
    leaves, tree = jax.tree.flatten(jax.device_get(variables))
    rng = np.random.default_rng(1)
    leaves = [leaf + rng.uniform(0, 0.2, leaf.shape).astype(leaf.dtype) for leaf in leaves]
    variables = jax.tree.unflatten(tree, leaves)
    reuse, apply = ReuseNetwork(network, variables, **settings), jax.jit(network.apply)
    state = None
    for frame in sequence(shape, count):
        state = reuse.init(frame) if state is None else state
        state, output = reuse.step(state, frame)
        expected = apply(variables, frame)
        assert jax.tree.structure(output) == jax.tree.structure(expected)
        for ours, theirs in zip(jax.tree.leaves(output), jax.tree.leaves(expected)):
            assert ours.dtype == theirs.dtype
            largest = float(np.abs(np.asarray(theirs, np.float32)).max())
            np.testing.assert_allclose(ours, theirs, atol=rtol * largest, rtol=0)
    return state


# Where nothing is convolved the methods are one.
CONVOLVED = (
    *("strided", "dilated", "grouped", "padded", "large kernel"),
    *("average", "dense at the end"),
)


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, "region") for name in LAYERS] + [(name, "residual") for name in CONVOLVED],
)
def test_every_layer_gives_what_the_network_gives(name, method):
    rtol = 2e-2 if name == "bfloat16 inside" else 1e-5
    check(Layers(LAYERS[name]), (2, 19, 21, 3), method=method, tile_side=4, rtol=rtol)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", [Skips(), SeveralOutputs()], ids=["skips", "outputs"])
def test_any_structure_gives_what_the_network_gives(network, method):
    check(network, (2, 13, 22, 3), method=method, tile_side=5)


@pytest.mark.parametrize("method", METHODS)
def test_networks_of_the_field_over_many_frames(method):
    check(ResNet((1, 1), width=4, classes=5), (1, 37, 45, 3), count=40, method=method, tile_side=4)


@pytest.mark.slow
def test_alexnet():
    check(AlexNet(classes=4, hidden=8), (1, 223, 195, 3), count=3)


def test_a_still_frame_costs_nothing_and_a_small_change_little():
    network = ResNet((1, 1), width=4, classes=5)
    frames = list(sequence((1, 64, 64, 3), 3))
    variables = jax.jit(network.init)(jax.random.key(0), frames[0])
    reuse = ReuseNetwork(network, variables, tile_side=4)
    state, _ = reuse.step(reuse.init(frames[0]), frames[0])
    assert not state.computed.any()
    moved = frames[0].copy()
    moved[0, 30, 30] += 1
    state, _ = reuse.step(state, moved)
    assert (state.computed > 0).all()
    # The first convolution has the pixel in 4x4 of its 32x32 windows, in two by two tiles at most.
    assert state.computed[1] <= 4 / 64
