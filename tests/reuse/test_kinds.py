"""Networks of the field and layers of all kinds give what the dense network gives."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from marks import slow_among, slow_but

import rsf_jax as rsf
from rsf_jax.reuse import ReuseNetwork, run_clip
from rsf_jax.reuse.bound import share_of_work, work_left
from rsf_jax.reuse.outlook import share_of_time
from tests.reuse.networks import NETWORKS, SqueezeExcite
from tests.reuse.test_exactness import Layers, sequence


def filled(network, frame):
    """Variables that leave nothing idle: normalization and biases of their own."""
    variables = jax.jit(network.init)(jax.random.key(0), frame)
    leaves, tree = jax.tree.flatten(jax.device_get(variables))
    rng = np.random.default_rng(1)
    leaves = [leaf + rng.uniform(0, 0.2, leaf.shape).astype(leaf.dtype) for leaf in leaves]
    return jax.tree.unflatten(tree, leaves)


def passing(shape, count):
    """A clip of an object that moves over a still background, [T, B, H, W, C]."""
    rng = np.random.default_rng(0)
    clip = np.repeat(rng.normal(size=(1, *shape)).astype(np.float32), count, 0)
    thing = rng.normal(size=(5, 6, shape[-1]))
    for t in range(1, count):
        y, x = t * (shape[1] - 5) // count, (3 * t) % (shape[2] - 6)
        clip[t, :, y : y + 5, x : x + 6] = thing
    return clip


def assert_alike(found, expected, rtol=1e-5):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    theirs = jax.tree.leaves(expected)
    for (path, one), other in zip(jax.tree_util.tree_leaves_with_path(found), theirs):
        name = jax.tree_util.keystr(path)
        assert (one.shape, one.dtype) == (other.shape, other.dtype), name
        largest = np.abs(np.asarray(other, np.float64)).max()
        np.testing.assert_allclose(
            np.asarray(one, np.float64),
            np.asarray(other),
            atol=rtol * largest,
            rtol=0,
            err_msg=name,
        )


def assert_exact(network, clip):
    """Every frame gets what the network gives it; returns the network with reuse."""
    variables = filled(network, clip[0])
    reuse = ReuseNetwork(network, variables, tile_side=4)
    dense = jax.jit(lambda clip: jax.lax.map(lambda f: network.apply(variables, f), clip))(clip)
    state, outputs, shares = reuse.init(clip[0]), [], []
    for frame in clip:
        state, output = reuse.step(state, frame)
        outputs.append(jax.device_get(output))
        shares.append(np.asarray(state.computed))
    assert_alike(jax.tree.map(lambda *x: np.stack(x), *outputs), dense)
    assert np.mean(shares, axis=0)[1] < 0.9  # the first layer has gained
    return reuse


# The others have parts of these, or of the layers below.
@pytest.mark.parametrize("name", slow_but(("U-Net", "MobileNetV3"), NETWORKS))
def test_networks_of_the_field_give_what_they_give_on_every_frame(name):
    assert_exact(NETWORKS[name], passing((1, 32, 32, 3), 50))


class Several(nn.Module):
    """Different things of one map, by name."""

    kinds: tuple

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3))(x)
        return {name: kind(x) for name, kind in self.kinds}


def _resized(rows, columns, method="bilinear", **settings):
    return lambda x: jax.image.resize(
        x, (x.shape[0], rows, columns, x.shape[3]), method, **settings
    )


def _padded(mode, **settings):
    return lambda x: jnp.pad(x, ((0, 0), (1, 2), (3, 0), (0, 0)), mode, **settings)


def _depth_to_space(x):
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, 2 * h, 2 * w, c // 4)


def _space_to_depth(x):
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 3, 3, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // 2, w // 3, 6 * c)


def _shuffled_channels_first(x):
    """Pixels of parts from channels, in a network that has channels first."""
    b, h, w, _ = x.shape
    x = jnp.moveaxis(x, -1, 1).reshape(b, 1, 2, 2, h, w)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(b, 1, 2 * h, 2 * w)


def _channel_shuffle(x):
    return x.reshape(*x.shape[:3], 2, 2).swapaxes(3, 4).reshape(x.shape)


def _with_places(x):
    places = jnp.stack(jnp.meshgrid(*map(jnp.arange, x.shape[1:3]), indexing="ij"), -1)
    return jnp.concatenate([x, jnp.broadcast_to(places, (x.shape[0], *places.shape)) / 9.0], -1)


def _grouped_transposed(x):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 6)).astype(np.float32)
    return jax.lax.conv_general_dilated(
        *(x, kernel, (1, 1), ((2, 1), (1, 2))),
        lhs_dilation=(2, 3),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2,
    )


def _response_normalized(x):
    squares = jax.lax.reduce_window(x**2, 0.0, jax.lax.add, (1, 1, 1, 3), (1, 1, 1, 1), "SAME")
    return x / (1 + squares)


class Looped(nn.Module):
    """A loop over layers."""

    @nn.compact
    def __call__(self, x):
        class Block(nn.Module):
            @nn.compact
            def __call__(self, x, _):
                return nn.relu(nn.Conv(4, (3, 3))(x)), x[..., 0]

        settings = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}, "length": 2}
        return nn.scan(Block, **settings)()(x, None)


KINDS = {
    "transposed": {
        "same": nn.ConvTranspose(3, (3, 3), (2, 2)),
        "valid": nn.ConvTranspose(3, (3, 3), (2, 2), padding="VALID"),
        "any": nn.ConvTranspose(
            2, (4, 3), (3, 1), kernel_dilation=(2, 1), padding=((1, 2), (0, 3))
        ),
        "grouped": _grouped_transposed,
    },
    "resized": {
        "bilinear": _resized(24, 26),
        "four times": _resized(48, 52),
        "cubic": _resized(17, 29, "bicubic"),
        "smaller": _resized(6, 5),
        "without smoothing": _resized(5, 9, antialias=False),
        "nearest": _resized(24, 26, "nearest"),
        "nearest, smaller": _resized(5, 9, "nearest"),
        "repeated": lambda x: jnp.repeat(jnp.repeat(x, 2, 1), 3, 2),
    },
    "borders": {
        "zeros": lambda x: _padded("constant")(x)[:, 1:],
        "ones": _padded("constant", constant_values=1.0),
        "reflected": _padded("reflect"),
        "wrapped": nn.Conv(3, (3, 3), padding="CIRCULAR"),
        "edge": _padded("edge"),
        "cut": lambda x: x[:, 1:-2, ::2][:, :, ::-1],
        "rolled": lambda x: jnp.roll(x, 3, 1),
        "tiled": lambda x: jnp.tile(x, (1, 2, 1, 1)),
        "stacked": lambda x: jnp.stack([x, jnp.ones_like(x), -x], 1).max(1),
        "unstacked": lambda x: sum(jnp.unstack(x, axis=3)[1:]),
        "below one another": lambda x: jnp.concatenate([x, 2 * x[:, :3], jnp.ones_like(x)], 1),
        "largest of a border": lambda x: nn.max_pool(
            jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf), (3, 3), (2, 2)
        ),
        "average with and without": lambda x: [
            nn.avg_pool(x, (3, 3), (2, 2), "SAME", count_include_pad=counted)
            for counted in (True, False)
        ],
        "smallest": lambda x: jax.lax.reduce_window(
            x, jnp.inf, jax.lax.min, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        ),
    },
    "pixels and channels": {
        "depth to space": _depth_to_space,
        "space to depth": lambda x: _space_to_depth(x[:, :, :12]),
        "channels first": _shuffled_channels_first,
        "shuffled": _channel_shuffle,
        "grouped maxima": lambda x: x.reshape(*x.shape[:3], 2, 2).max(-1),
        "several axes": lambda x: nn.DenseGeneral(3, axis=(-2, -1))(nn.DenseGeneral((2, 3))(x)),
    },
    "channels": {
        "softmax": nn.softmax,
        "log": nn.log_softmax,
        "length": lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True),
        "layer": nn.LayerNorm(),
        "first": lambda x: x[..., 0],
        "split": lambda x: nn.glu(x),
        "largest": lambda x: x.argmax(-1),
        "one hot": lambda x: nn.Conv(2, (3, 3))(jax.nn.one_hot(x.argmax(-1), 4)),
        "best": lambda x: jax.lax.top_k(x, 2),
        "order": lambda x: (jnp.sort(x, -1), jnp.argsort(x, -1)),
        "sums": lambda x: jnp.cumsum(x, -1)[..., jnp.array([3, 1])],
        "places": _with_places,
        "responses": _response_normalized,
    },
    "statistics": {
        "squeeze": SqueezeExcite(),
        "dense gate": lambda x: x * nn.sigmoid(nn.Dense(4)(x.mean((1, 2))))[:, None, None],
        "pooled": lambda x: x - nn.avg_pool(x, x.shape[1:3]),
        "group": nn.GroupNorm(2),
        "instance": nn.InstanceNorm(),
        "largest": lambda x: x / x.max((1, 2, 3), keepdims=True),
        "of rows": lambda x: x * nn.sigmoid(x.mean(2, keepdims=True)),
        "vector": lambda x: nn.Dense(3)(x.mean((1, 2))),
    },
    "loops": {"scan": Looped()},
}


@pytest.mark.parametrize("name", slow_among(("resized", "statistics"), KINDS))
def test_layers_of_all_kinds(name):
    network, shape = Several(tuple(KINDS[name].items())), (2, 12, 13, 3)
    clip = np.stack(list(sequence(shape, 5)))
    assert "densely" not in assert_exact(network, clip).describe(clip[0])


def test_what_prints_is_left_out():
    def network(variables, x):
        jax.debug.print("{}", x.sum())
        return 2 * x

    frame = np.ones((1, 4, 4, 1), np.float32)
    assert_alike(ReuseNetwork(network, {}).whole(frame), 2 * jnp.asarray(frame))


class Attention(nn.Module):
    """Every pixel looks at every other."""

    @nn.compact
    def __call__(self, x):
        tokens = x.reshape(x.shape[0], -1, x.shape[-1])
        return x + nn.MultiHeadDotProductAttention(2, deterministic=True)(tokens).reshape(x.shape)


DENSE = {
    "attention": (Attention(), r"layers_1 on \(a map that is flattened\)"),
    "batch": (lambda x: x - x.mean((0, 1, 2), keepdims=True), "statistics of the batch"),
    "sort": (lambda x: jnp.sort(x, axis=1), "an order or sums along rows, columns or the batch"),
    "spectrum": (lambda x: jnp.fft.rfft2(x, axes=(1, 2)).real, "operation fft"),
    "product": (lambda x: jnp.einsum("bhwc,bhkc->bhwk", x, x), "a product of two values that"),
    "swap": (lambda x: x + jnp.swapaxes(x, 1, 2), "maps that meet with other axes"),
}


@pytest.mark.parametrize("name", DENSE)
def test_from_where_nothing_can_be_reused_all_is_computed_and_that_is_said(name):
    layer, why = DENSE[name]
    network, clip = (
        Layers((nn.Conv(4, (3, 3)), layer, nn.Conv(2, (3, 3)))),
        passing((2, 12, 12, 3), 4),
    )
    variables = filled(network, clip[0])
    reuse = ReuseNetwork(network, variables, tile_side=4)
    state = reuse.init(clip[0])
    for frame in clip:
        state, output = reuse.step(state, frame)
        assert_alike(output, network.apply(variables, frame))
    assert len(reuse.layers(clip[0])) == 2
    assert re.search(why, reuse.describe(clip[0]))
    assert "computed densely from layer Layers" in repr(reuse)


def test_what_is_always_computed_is_no_gain():
    """Of a network that is dense from its third layer on, little can be saved, and less counts."""
    layers = (nn.Conv(4, (3, 3)), nn.relu, lambda x: jnp.sort(x, 1), nn.Conv(64, (3, 3)))
    network, clip = Layers(layers), passing((1, 24, 24, 3), 3)
    reuse = ReuseNetwork(network, filled(network, clip[0]))
    program = reuse.program(clip[0])
    first, last = 4 * 9 * 3, 64 * 9 * 4
    always = last / (first + last)
    assert share_of_work(program, np.zeros(2)) == pytest.approx(always)
    assert always < work_left(program, list(clip)).pixels < always + 0.5 * first / (first + last)
    assert f"{always:.0%} of the multiply-adds" in reuse.describe(clip[0])
    still = np.zeros((1, 24, 24), bool)
    assert share_of_time(program.plans, still, 1e3) > 0.99


def test_a_gate_that_hardly_changes_is_kept_under_truncation():
    """Or every change of a frame would change all behind the gate."""
    network, clip = (
        Layers((nn.Conv(4, (3, 3)), SqueezeExcite(), nn.Conv(4, (3, 3)))),
        passing((1, 32, 32, 3), 3),
    )
    variables = filled(network, clip[0])
    exact = ReuseNetwork(network, variables, tile_side=4)
    assert "any change of a frame changes everything behind layer" in exact.describe(clip[0])
    mean = next(name for name in exact.layers(clip[0]) if name.endswith("sum"))
    truncated = ReuseNetwork(network, variables, tile_side=4, thresholds={mean: 1e3})
    shares = []
    for reuse in (exact, truncated):
        state, _ = reuse.step(reuse.init(clip[0]), clip[1])
        shares.append(float(state.computed[-1]))
    assert shares[0] == 1
    assert shares[1] < 0.3


@pytest.mark.slow
def test_gradients_go_through_what_resamples_and_gathers():
    layers = (
        nn.Conv(4, (3, 3)),
        SqueezeExcite(),
        nn.ConvTranspose(3, (3, 3), (2, 2)),
        _resized(9, 31),
        nn.LayerNorm(),
        nn.Conv(2, (3, 3), padding="REFLECT"),
    )
    network = Layers(layers)
    clip = jnp.stack(list(sequence((1, 10, 11, 3), 4)), axis=1)
    variables = filled(network, clip[:, 0])

    def loss(run):
        return lambda variables: (
            run(variables) ** 2 * jnp.arange(31.0).reshape(1, 1, 1, 31, 1)
        ).sum()

    ours = jax.jit(jax.grad(loss(lambda v: run_clip(network, v, clip, tile_side=4))))(variables)
    dense = jax.vmap(lambda v, f: network.apply(v, f), (None, 1), 1)
    theirs = jax.jit(jax.grad(loss(lambda v: dense(v, clip))))(variables)
    assert_alike(ours, theirs, 1e-4)


def test_input_errors_stay_in_words():
    frame = np.zeros((1, 8, 8, 3), np.float32)
    network = Layers((nn.Conv(2, (3, 3)),))
    with pytest.raises(rsf.InputError, match="variables are missing"):
        ReuseNetwork(network)
    reuse = ReuseNetwork(network, filled(network, frame))
    for thresholds in (np.zeros(3), np.zeros((1, 2))):
        with pytest.raises(
            rsf.InputError, match=r"thresholds have shape .* give one for all, or 2"
        ):
            reuse.step(reuse.init(frame), frame, thresholds)
    with pytest.raises(rsf.InputError, match=r"thresholds have shape \(3,\): give one for all"):
        ReuseNetwork(network, filled(network, frame), thresholds=np.zeros(3)).init(frame)
