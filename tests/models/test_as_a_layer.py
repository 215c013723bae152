"""A model inside a user's module: of Flax Linen, and of NNX."""

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest
from flax import nnx

import rsf_jax as rsf

SCHEDULE = rsf.FixedSchedule(2, 1)


@pytest.fixture(scope="module")
def model():
    return rsf.build_model(rsf.get_config("quickstart").replace(channels=3, kernel_size=3))


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).random((2, 3, 12, 10, 1), np.float32)


class _Classifier(nn.Module):
    """What is in a video, from where it is."""

    model: nn.Module

    @nn.compact
    def __call__(self, frames):
        logits = self.model(frames, SCHEDULE)  # [B, T, H, W, K]
        return nn.Dense(5)(logits)


class _Counting(nn.Module):
    """Tells the recurrent steps, too."""

    model: nn.Module

    @nn.compact
    def __call__(self, frames, policy):
        if self.is_initializing():
            return self.model(frames)
        out = rsf.run_video(self.model, self.model.variables, frames, policy)
        return out.logits, out.steps


def test_a_model_is_a_layer_of_another(model, frames):
    layered = _Classifier(model)
    variables = jax.jit(layered.init)(jax.random.key(2), frames)
    out = jax.jit(layered.apply)(variables, frames)
    assert out.shape == (2, 3, 12, 10, 5)
    inner = {"params": variables["params"]["model"]}
    logits = rsf.run_video(model, inner, frames, SCHEDULE).logits
    dense = variables["params"]["Dense_0"]
    expected = np.asarray(logits) @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])
    np.testing.assert_allclose(out, expected, atol=1e-5)
    # Every frame counts, and every parameter learns.
    loss = jax.jit(jax.grad(lambda v: layered.apply(v, frames)[:, -1].sum()))
    assert np.abs(loss(variables)["params"]["model"]["cell"]["excitation"]).max() > 0


def test_a_video_is_run_inside_a_module(model, frames):
    layered = _Counting(model)
    variables = jax.jit(layered.init)(jax.random.key(2), frames, SCHEDULE)
    policy = rsf.DistanceHalting("l2", 0.9, max_steps=4)
    logits, steps = jax.jit(layered.apply)(variables, frames, policy)
    expected = rsf.run_video(model, {"params": variables["params"]["model"]}, frames, policy)
    np.testing.assert_array_equal(steps, expected.steps)
    np.testing.assert_allclose(logits, expected.logits, atol=1e-5)


def test_a_layer_of_a_running_module_is_prepared_as_the_model_is(model, frames):
    class Outer(nn.Module):
        model: nn.Module

        def __call__(self):
            return rsf.prepare(self.model, self.model.variables, (12, 10))

    variables = jax.jit(model.init)(jax.random.key(0), frames)
    nested = Outer(model).apply({"params": {"model": variables["params"]}})
    assert nested.model == model
    out = rsf.run_video(model, nested, frames, SCHEDULE).logits
    np.testing.assert_array_equal(out, rsf.run_video(model, variables, frames, SCHEDULE).logits)


class _Mine(nnx.Module):
    """The same with the modules that Flax has now."""

    def __init__(self, model, frames, rngs):
        self.video = nnx.bridge.ToNNX(model, rngs=rngs).lazy_init(frames)
        self.head = nnx.Linear(2, 5, rngs=rngs)

    def __call__(self, frames):
        return self.head(self.video(frames, SCHEDULE))


def test_a_model_is_trained_as_a_layer_of_nnx(model, frames):
    mine = _Mine(model, frames, nnx.Rngs(0))
    optimizer = nnx.Optimizer(mine, optax.adam(1e-2), wrt=nnx.Param)
    before = np.asarray(mine.video.cell["excitation"][...])

    @nnx.jit
    def update(mine, optimizer, frames):
        value, gradients = nnx.value_and_grad(lambda mine: (mine(frames) ** 2).mean())(mine)
        optimizer.update(mine, gradients)
        return value

    losses = [float(update(mine, optimizer, frames)) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
    assert (np.asarray(mine.video.cell["excitation"][...]) != before).any()


def test_trained_weights_become_those_of_a_layer_of_nnx(model, frames):
    variables = jax.jit(model.init)(jax.random.key(5), frames)
    layer = nnx.bridge.ToNNX(model, rngs=nnx.Rngs(0)).lazy_init(frames)
    params = nnx.state(layer, nnx.Param)
    nnx.replace_by_pure_dict(params, variables["params"])
    nnx.update(layer, params)
    expected = rsf.run_video(model, variables, frames, SCHEDULE).logits
    np.testing.assert_allclose(layer(frames, SCHEDULE), expected, atol=1e-5)
