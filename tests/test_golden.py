"""The models are the published ones: recorded logits, losses, states and gradients."""

import functools

import golden
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.gradients import BPTT, RBP, LipschitzPenalty
from rsf_jax.measures.losses import focal_loss
from rsf_jax.ops.norm import RUNNING
from rsf_jax.training.step import video_gradients

RECURRENT = ("hgru_k15_s3f2", "hgru_k7_s2f2_stateless", "clstm_k5_s3f2")
FEEDFORWARD = ("FFConvNet_6L_k3", "FFConvNet_6L_skip_k3", "FFConvNet_8L_k3")
RECORDINGS = RECURRENT + FEEDFORWARD
# "auto" is "fft" for the kernels of recurrent models, 5x5 to 15x15, and "direct" for 3x3.
CASES = [
    *((name, "auto") for name in RECORDINGS),
    ("hgru_k7_s2f2_stateless", "direct"),
    ("FFConvNet_6L_k3", "fft"),
]

_load = functools.cache(golden.load)


def _model(name, method):
    recording = _load(name)
    return rsf.build_model(recording.config.replace(conv_method=method)), recording.variables


def _schedule(recording):
    meta = recording.meta
    return rsf.FixedSchedule(meta.get("slow_steps", 1), meta.get("fast_steps", 1))


@pytest.mark.parametrize(("name", "method"), CASES)
def test_logits_losses_and_states_are_the_published_ones(name, method):
    recording = _load(name)
    model, variables = _model(name, method)
    out = rsf.run_video(
        model,
        variables,
        jnp.asarray(recording.frames),
        _schedule(recording),
        stateful=recording.meta.get("stateful", True),
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
    model, variables = _model("hgru_k15_s3f2", "auto")
    frames = jnp.asarray(recording.frames)
    out = rsf.run_video(model, variables, frames, _schedule(recording), record_states=True)
    for t, hidden in enumerate(recording.hidden):
        steps = len(hidden) - 1  # the first entry is the state before the first step
        assert (out.steps[:, t] == steps).all()
        ours = np.moveaxis(np.asarray(out.states[:, t, :steps]), (1, -1), (0, 2))
        np.testing.assert_allclose(ours, hidden[1:], atol=1e-4)


def test_the_memory_of_the_lstm_is_the_published_one():
    recording = _load("clstm_k5_s3f2")
    model, variables = _model("clstm_k5_s3f2", "auto")
    state = model.initial_state(len(recording.frames), recording.frames.shape[2:4])
    for t, memory in enumerate(recording.memory):
        frame = jnp.asarray(recording.frames[:, t])
        state, _ = rsf.run_frame(model, variables, state, frame, _schedule(recording))
        np.testing.assert_allclose(state.carry.memory, memory[-1], atol=1e-4)
    assert len(recording.memory) == 3


# That both methods have the same gradients is tested where they are defined.
@pytest.mark.parametrize("name", RECORDINGS)
def test_training_gradients_and_statistics_are_the_published_ones(name):
    recording = _load(name)
    model, variables = _model(name, "auto")
    size = len(recording.frames)
    batch = Batch(recording.frames, recording.labels.astype(np.uint8), np.ones(size, np.float32))
    found = jax.jit(video_gradients, static_argnums=0, static_argnames="stateful")(
        model,
        variables,
        batch,
        jnp.full(size, 1 / size),
        _schedule(recording),
        stateful=recording.meta.get("stateful", True),
    )
    np.testing.assert_allclose(found.loss, recording.loss.mean(), atol=1e-5)
    differences = jax.tree.map(_difference, found.gradients, recording.grads)
    assert max(jax.tree.leaves(differences)) < 1e-4, differences
    if name in FEEDFORWARD:
        for norm, statistics in found.model_state[RUNNING].items():
            updated = recording.updated[norm]
            np.testing.assert_allclose(statistics["mean"], updated["mean"], atol=1e-5)
            np.testing.assert_allclose(statistics["variance"], updated["variance"], atol=1e-5)
            assert statistics["count"] == 1  # one frame


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        ("bptt_penalty_k7_t6", BPTT()),
        ("crbp_k7_t6_n15", RBP(terms=15, guard="batch")),
        ("crbp_penalty_k7_t6_n15", RBP(terms=15, guard="batch")),
    ],
)
def test_estimators_and_penalty_are_the_published_ones(name, estimator):
    recording = golden.load_image(name)
    model = rsf.build_model(recording.config)
    steps = recording.meta["timesteps"]
    schedule = rsf.FixedSchedule(steps, steps, estimator)
    logits = rsf.run_video(model, recording.variables, recording.frames, schedule).logits
    np.testing.assert_allclose(logits, recording.logits, atol=1e-4)
    weight = recording.meta["penalty_weight"]
    size = len(recording.frames)
    found = jax.jit(video_gradients, static_argnums=0, static_argnames="penalty")(
        model,
        recording.variables,
        Batch(recording.frames, recording.labels.astype(np.uint8), np.ones(size, np.float32)),
        jnp.full(size, 1 / size),
        schedule,
        penalty=LipschitzPenalty(weight, recording.meta["mu"]) if weight else None,
    )
    assert float(found.loss) == pytest.approx(recording.loss, rel=1e-5)
    if weight:
        assert float(found.penalty) == pytest.approx(recording.penalty, rel=1e-5)
    differences = jax.tree.map(_difference, found.gradients, recording.grads)
    assert max(jax.tree.leaves(differences)) < 1e-3, differences


def test_the_two_skips_of_ffres6_differ():
    recording = _load("FFConvNet_6L_skip_k3")
    frames = jnp.asarray(recording.frames)
    fixed = rsf.build_model(recording.config.replace(model="ffres6fixed"))
    out = rsf.run_video(fixed, recording.variables, frames, rsf.FixedSchedule(1, 1))
    assert np.abs(out.logits - recording.logits).max() > 0.1


def _difference(ours, theirs):
    """Relative; absolute where there is nothing but rounding, as in a bias before a norm."""
    norm = np.linalg.norm(theirs)
    distance = float(np.linalg.norm(ours - theirs))
    return distance / norm if norm > 1e-6 else distance
