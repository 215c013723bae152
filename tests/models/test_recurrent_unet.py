"""The recurrent U-Net against its equations, and under the policies of all models."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.cells.dru import DRU, ConvBlock
from rsf_jax.models.base import count_parameters
from rsf_jax.models.recurrent_unet import RecurrentUNet

SMALL = RecurrentUNet(channels=2, classes=3)
SIZE = (36, 40)  # a side of 9 is halved on the way down


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).random((2, 3, *SIZE, 3), np.float32)


@pytest.fixture(scope="module")
def variables(frames):
    variables = jax.jit(SMALL.init)(jax.random.key(0), frames)
    # Normalization and biases of their own, or half of it would be idle.
    leaves, tree = jax.tree.flatten(jax.device_get(variables))
    rng = np.random.default_rng(1)
    moved = [x + rng.normal(0, 0.1, x.shape).astype(x.dtype) for x in leaves]
    return jax.tree.unflatten(tree, moved)


def _convolve(x, parameters):
    """A 3x3 convolution in float64, as a sum over its shifts."""
    kernel, bias = np.asarray(parameters["kernel"], float), parameters.get("bias", 0)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    parts = [
        padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
    ]
    return sum(parts) + np.asarray(bias, float)


def _normalize(x, parameters, groups):
    split = x.reshape(*x.shape[:3], groups, -1)
    mean, variance = (
        split.mean((1, 2, 4), keepdims=True),
        split.var((1, 2, 4), keepdims=True),
    )
    x = ((split - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape)
    x = x * np.asarray(parameters["scale"], float) + np.asarray(parameters["bias"], float)
    return np.maximum(x, 0)


def _block(x, parameters, groups):
    for i in range(2):
        x = _normalize(_convolve(x, parameters[f"conv_{i}"]), parameters[f"norm_{i}"], groups)
    return x


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_unit_is_its_equations_with_groups_of_eight_at_most():
    unit, rng = DRU(16), np.random.default_rng(2)
    hidden, features = rng.normal(size=(2, 5, 4, 16)), rng.normal(size=(2, 5, 4, 4))
    variables = jax.jit(unit.init)(jax.random.key(1), jnp.float32(hidden), jnp.float32(features))
    p = variables["params"]
    z = _sigmoid(_block(features, p["update"], 8))
    r = _sigmoid(_block(features, p["reset"], 4))
    candidate = np.tanh(_block(features * r, p["candidate"], 8))
    expected = (1 - z) * hidden + z * candidate
    ours = unit.apply(variables, jnp.float32(hidden), jnp.float32(features))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_the_first_convolution_in_two_parts_is_one_of_frame_and_logits(variables):
    rng = np.random.default_rng(3)
    frame, logits = rng.random((1, *SIZE, 3)), rng.normal(size=(1, *SIZE, 3))
    p = variables["params"]
    kernel = np.concatenate([p["from_frame"]["kernel"], p["from_output"]["kernel"]], axis=2)
    joined = {"kernel": kernel, "bias": p["from_frame"]["bias"]}
    whole = ConvBlock(2).apply(
        {"params": {"conv_0": joined, **p["first"]}},
        jnp.float32(np.concatenate([frame, logits], -1)),
    )
    drive = SMALL.apply(variables, jnp.float32(frame), method="drive")

    def first_block(model, drive, logits):
        return model.first(jnp.moveaxis(drive, 1, -1) + model.from_output(logits))

    parts = SMALL.apply(variables, drive, jnp.float32(logits), method=first_block)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    wide = RecurrentUNet(channels=16, classes=3)
    fresh = jax.jit(wide.init)(jax.random.key(0), jnp.zeros((1, 1, 16, 16, 3)))["params"]
    # Kaiming's start counts all that enters, of both parts.
    for part in ("from_frame", "from_output"):
        assert fresh[part]["kernel"].std() == pytest.approx((2 / 54) ** 0.5, rel=0.15)


def test_widths_and_parameters_are_those_of_a_u_net():
    model = RecurrentUNet(channels=8, classes=11)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 1, 32, 32, 3)))
    c = [8, 16, 32, 64, 128]

    def block(i, o):
        return 9 * i * o + 9 * o * o + 2 * o + 4 * o

    def up(i, o):
        return 4 * i * o + o + 9 * 2 * o * o + o + 9 * o * o + o

    expected = block(3 + 11, c[0]) + sum(map(block, c, c[1:4]))
    expected += 2 * block(64, 128) + block(64, 64)
    expected += sum(map(up, c[:0:-1], c[-2::-1])) + 8 * 11 + 11
    assert count_parameters(variables) == expected


def test_every_policy_runs_it(variables, frames):
    fixed = rsf.run_video(SMALL, variables, frames, rsf.FixedSchedule(3, 3), record_states=True)
    assert fixed.logits.shape == (2, 3, *SIZE, 3)
    assert fixed.states.shape == (2, 3, 3, 2, 2, 32)
    never = rsf.DistanceHalting("l2", 1e-9, max_steps=3)
    halting = rsf.run_video(SMALL, variables, frames, never)
    # Logits are as large as 25: both are off those of double precision by 1.3e-4.
    np.testing.assert_allclose(halting.logits, fixed.logits, atol=3e-4)
    slow_fast = rsf.run_video(SMALL, variables, frames, rsf.FixedSchedule(3, 1))
    np.testing.assert_array_equal(slow_fast.steps, [[3, 1, 1]] * 2)
    np.testing.assert_allclose(slow_fast.logits[:, 0], fixed.logits[:, 0], atol=1e-4)
    assert np.abs(slow_fast.logits[:, 1] - fixed.logits[:, 1]).max() > 1e-3


def test_a_stream_is_the_video_frame_by_frame(variables, frames):
    model, policy = SMALL.clone(carry_output=False), rsf.FixedSchedule(1, 1)
    video = rsf.run_video(model, variables, frames, policy)
    state = model.initial_state(2, SIZE)
    for t in range(3):
        state, out = rsf.run_frame(model, variables, state, frames[:, t], policy)
        np.testing.assert_allclose(out.logits, video.logits[:, t], atol=1e-4)


def test_the_output_is_carried_to_the_next_frame_or_not(variables, frames):
    forgetful = SMALL.clone(carry_output=False)
    policy = rsf.FixedSchedule(1, 1)
    carried = rsf.run_video(SMALL, variables, frames, policy)
    not_carried = rsf.run_video(forgetful, variables, frames, policy)
    np.testing.assert_array_equal(carried.logits[:, 0], not_carried.logits[:, 0])
    assert np.abs(carried.logits[:, 1] - not_carried.logits[:, 1]).max() > 1e-3
    # The unit's state is: that is what tells it from a stateless network.
    stateless = rsf.run_video(forgetful, variables, frames, policy, stateful=False)
    assert np.abs(not_carried.logits[:, 1] - stateless.logits[:, 1]).max() > 1e-4


@pytest.mark.slow
def test_both_gates_and_both_inputs_are_learned(variables, frames):
    def loss(params):
        out = rsf.run_video(SMALL, {"params": params}, frames[:, :1], rsf.FixedSchedule(2, 2))
        return nn.log_softmax(out.logits)[..., 0].mean()

    gradients = jax.grad(loss)(variables["params"])
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients))


def test_unfit_frames_are_named(variables, frames):
    with pytest.raises(rsf.InputError, match=r"\[B, T, H, W, 3\] is needed, 3 channels"):
        rsf.run_video(SMALL, variables, frames[..., :1], rsf.FixedSchedule(1, 1))
    with pytest.raises(rsf.InputError, match="frames of 12x40 pixels cannot be halved 4 times"):
        rsf.run_video(SMALL, variables, frames[:, :, :12], rsf.FixedSchedule(1, 1))
