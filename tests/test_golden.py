"""The models are the published ones: recorded logits, losses, states and gradients."""

import functools

import golden
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.losses import focal_loss
from rsf_jax.training.step import Batch, video_gradients

RECORDINGS = ("hgru_k15_s3f2", "hgru_k7_s2f2_stateless")
METHODS = ("auto", "fft", "direct")


@functools.cache
def _load(name):
    return golden.load(name)


@functools.cache
def _model(name, method):
    recording = _load(name)
    config = rsf.get_config("hard_s8f8").replace(
        kernel_size=recording.params["cell"]["inhibition"].shape[0],
        norm_statistics="batch",
        conv_method=method,
    )
    schedule = rsf.FixedSchedule(recording.meta["slow_steps"], recording.meta["fast_steps"])
    return rsf.build_model(config), {"params": recording.params}, schedule


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECORDINGS)
def test_logits_losses_and_states_are_the_published_ones(name, method):
    recording = _load(name)
    model, variables, schedule = _model(name, method)
    out = rsf.run_video(
        model,
        variables,
        jnp.asarray(recording.frames),
        schedule,
        stateful=recording.meta["stateful"],
        record_states=True,
    )
    np.testing.assert_allclose(out.logits, recording.logits, atol=1e-4)
    losses = focal_loss(out.logits, jnp.asarray(recording.labels)).mean((0, 2, 3))
    np.testing.assert_allclose(losses, recording.loss, atol=1e-5)
    for t, hidden in enumerate(recording.hidden):
        last = np.moveaxis(np.asarray(out.states[:, t, -1]), -1, 1)
        np.testing.assert_allclose(last, hidden[-1], atol=1e-4)


def test_every_recorded_step_of_the_trajectory_agrees():
    recording = _load("hgru_k15_s3f2")
    model, variables, schedule = _model("hgru_k15_s3f2", "fft")
    frames = jnp.asarray(recording.frames)
    out = rsf.run_video(model, variables, frames, schedule, record_states=True)
    for t, hidden in enumerate(recording.hidden):
        steps = len(hidden) - 1  # the first entry is the state before the first step
        assert (out.steps[:, t] == steps).all()
        ours = np.moveaxis(np.asarray(out.states[:, t, :steps]), (1, -1), (0, 2))
        np.testing.assert_allclose(ours, hidden[1:], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECORDINGS)
def test_training_gradients_are_the_published_ones(name, method):
    recording = _load(name)
    model, variables, schedule = _model(name, method)
    size = len(recording.frames)
    batch = Batch(recording.frames, recording.labels.astype(np.uint8), np.ones(size, np.float32))
    gradients = jax.jit(video_gradients, static_argnums=0, static_argnames="stateful")
    loss, _, grads = gradients(
        model,
        variables["params"],
        batch,
        jnp.full(size, 1 / size),
        schedule,
        stateful=recording.meta["stateful"],
    )
    np.testing.assert_allclose(loss, recording.loss.mean(), atol=1e-5)
    differences = jax.tree.map(_relative, grads, recording.grads)
    assert max(jax.tree.leaves(differences)) < 1e-4, differences


def _relative(ours, theirs):
    norm = np.linalg.norm(theirs)
    return float(np.linalg.norm(ours - theirs) / norm) if norm else float(np.abs(ours).max())
