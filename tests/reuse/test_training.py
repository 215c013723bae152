"""Derivatives of a clip are those of the network on every frame."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks.networks import ResNet
from marks import slow_among

import rsf_jax as rsf
from rsf_jax.reuse import frame_network, run_clip
from tests.reuse.test_exactness import Skips, sequence

NETWORKS = {
    "skips": (Skips(), (2, 13, 14, 3)),
    "resnet": (ResNet((1, 1), width=3, classes=4), (1, 29, 27, 3)),
}


@pytest.mark.parametrize("name", slow_among(("resnet",), NETWORKS))
def test_gradients_are_exact(name):
    network, shape = NETWORKS[name]
    clip = jnp.stack(list(sequence(shape, 5)), axis=1)
    variables = jax.jit(network.init)(jax.random.key(0), clip[:, 0])

    def loss(run, variables):
        leaves = jax.tree.leaves(run(variables))
        return sum((x**2 * jnp.cos(jnp.arange(x.size).reshape(x.shape))).sum() for x in leaves)

    def reused(variables):
        return run_clip(network, variables, clip, tile_side=4)

    def dense(variables):
        return jax.vmap(lambda frame: network.apply(variables, frame), 1, 1)(clip)

    ours, theirs = (
        jax.jit(jax.value_and_grad(lambda v, run=run: loss(run, v)))(variables)
        for run in (reused, dense)
    )
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4)
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(theirs[1]))
    for one, other in zip(jax.tree.leaves(ours[1]), jax.tree.leaves(theirs[1])):
        np.testing.assert_allclose(one, other, atol=1e-4 * largest)


def test_the_librarys_own_networks_can_be_trained_with_reuse():
    config = rsf.get_config("quickstart_ffres6").replace(channels=3, kernel_size=5)
    model = rsf.build_model(config)
    clip = jnp.abs(jnp.stack(list(sequence((1, 16, 16, 1), 3)), axis=1))
    variables = jax.jit(model.init)(jax.random.key(0), clip)
    out = run_clip(frame_network(model), variables, clip)
    expected = rsf.run_video(model, variables, clip, rsf.FixedSchedule(1, 1)).logits
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_what_is_no_clip_is_named():
    with pytest.raises(rsf.InputError, match=r"clip has shape \(2, 3, 4, 1\): \[B, T, H, W, C\]"):
        run_clip(Skips(), {}, jnp.zeros((2, 3, 4, 1)))
    with pytest.raises(rsf.InputError, match="RecurrentModel looks at more than one frame"):
        frame_network(rsf.build_model(rsf.get_config("quickstart")))


def _tripled(variables, frame):
    return 3 * frame


def test_a_clip_of_bytes_is_refused_as_a_frame_is():
    clip = np.zeros((1, 2, 4, 4, 1), np.uint8)
    with pytest.raises(rsf.InputError, match=r"clip is of type uint8: give floats, as clip.ast"):
        run_clip(_tripled, {}, clip)
    with pytest.raises(rsf.InputError, match=r"clip has shape \(1, 0, 4, 4, 1\): every axis must"):
        run_clip(_tripled, {}, clip[:, :0])


def test_a_clip_may_be_lists():
    np.testing.assert_array_equal(run_clip(_tripled, {}, np.ones((1, 2, 4, 4, 1)).tolist()), 3)


@pytest.mark.parametrize("side", [0, 2.5, "4"])
def test_a_tile_has_a_whole_number_of_pixels(side):
    with pytest.raises(rsf.InputError, match=r"tile_side is .*: a whole number of at least 1"):
        run_clip(_tripled, {}, np.zeros((1, 2, 4, 4, 1), np.float32), tile_side=side)
