"""One update: its gradient, its padding, and the same on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from configs import tiny_config
from marks import slow

import rsf_jax as rsf
from rsf_jax.data.batch import Batch, pad_batch
from rsf_jax.gradients import BPTT
from rsf_jax.measures.foreground import foreground_scores
from rsf_jax.measures.losses import IGNORED, Objective, focal_loss
from rsf_jax.measures.segmentation import confusion_matrix, mean_iou
from rsf_jax.parallel.devices import Devices
from rsf_jax.scoring.batch_scores import score_batch
from rsf_jax.training.state import build_optimizer, create_state
from rsf_jax.training.step import make_train_step, video_gradients
from rsf_jax.unroll import advance

SCHEDULE = rsf.FixedSchedule(2, 2)
CONFIG = tiny_config()


def _batch(videos):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, size=(videos, 3, 12, 10, 1), dtype=np.uint8)
    masks = (frames[..., 0] > 200).astype(np.uint8)
    return Batch(frames, masks, np.ones(videos, np.float32))


@pytest.fixture(scope="module")
def model():
    return rsf.build_model(CONFIG)


@pytest.fixture(scope="module")
def state(model):
    return create_state(model, build_optimizer(CONFIG, 10), 0, (12, 10))


def _largest_difference(ours, theirs):
    """The largest relative difference; arrays of next to nothing count against the largest one."""
    norms = jax.tree.map(lambda b: float(np.linalg.norm(b)), theirs)
    floor = 1e-3 * max(jax.tree.leaves(norms))
    differences = jax.tree.map(
        lambda a, b, norm: float(np.linalg.norm(a - b)) / max(norm, floor), ours, theirs, norms
    )
    return max(jax.tree.leaves(differences))


_gradients = jax.jit(
    video_gradients, static_argnums=0, static_argnames=("stateful", "objective", "gradient_frames")
)


@pytest.mark.parametrize(("schedule", "stateful"), [("s2f1", True), ("s2f2", False)])
def test_accumulated_gradients_are_those_of_the_mean_loss(model, state, schedule, stateful):
    schedule = rsf.parse_policy(schedule)
    batch = _batch(4)
    frames = jnp.asarray(batch.frames, jnp.float32) / 255

    def mean_loss(params):
        out = rsf.run_video(model, {"params": params}, frames, schedule, stateful=stateful)
        return focal_loss(out.logits, jnp.asarray(batch.masks, jnp.int32)).mean()

    expected, gradients = jax.jit(jax.value_and_grad(mean_loss))(state.params)
    found = _gradients(
        model, state.variables, batch, jnp.full(4, 0.25), schedule, stateful=stateful
    )
    assert float(found.loss) == pytest.approx(float(expected), rel=1e-5)
    # Rounding: the sums are formed in another order. The recordings are met more closely.
    assert _largest_difference(found.gradients, gradients) < 5e-4


@pytest.fixture(scope="module")
def lively(state):
    """Parameters with open gates, so that a frame depends on the one before."""
    rng = np.random.default_rng(5)
    params = jax.tree.map(
        lambda x: np.asarray(x) + np.float32(0.3) * rng.normal(size=x.shape).astype(x.dtype),
        state.params,
    )
    cell = params["cell"] | {"gate1_bias": jnp.zeros(3), "gate2_bias": jnp.zeros(3)}
    return jax.tree.map(jnp.float32, params | {"cell": cell})


def _across(params, model, batch, schedule, window):
    """The mean loss, written frame by frame; states are cut every `window` frames."""
    frames = jnp.asarray(batch.frames, jnp.float32) / 255
    prepared = rsf.prepare(model, {"params": params}, frames.shape[2:4])
    state, losses = model.initial_state(len(frames), frames.shape[2:4]), []
    for t in range(frames.shape[1]):
        if t % window == 0:
            state = jax.lax.stop_gradient(state)
        state, out = advance(prepared, state, frames[:, t], schedule, first=t == 0)
        losses.append(focal_loss(out.logits, jnp.asarray(batch.masks[:, t], jnp.int32)).mean())
    return sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("schedule", "window"),
    [
        ("s2f1", 2),
        slow("s2f1", 3),
        slow("s2f2", 2),
    ],
)
def test_gradients_go_across_as_many_frames_as_asked_for(model, lively, schedule, window):
    schedule, batch = rsf.parse_policy(schedule), _batch(2)
    found = _gradients(
        model,
        {"params": lively},
        batch,
        jnp.full(2, 0.5),
        schedule,
        gradient_frames=window,
    )
    expected = jax.grad(_across)(lively, model, batch, schedule, window)
    assert _largest_difference(found.gradients, expected) < 5e-4
    cut = jax.grad(_across)(lively, model, batch, schedule, 1)
    assert _largest_difference(found.gradients, cut) > 0.01


def test_a_window_may_be_longer_than_the_video(model, lively):
    batch, shares = _batch(2), jnp.full(2, 0.5)
    whole = _gradients(model, {"params": lively}, batch, shares, SCHEDULE, gradient_frames=3)
    longer = _gradients(model, {"params": lively}, batch, shares, SCHEDULE, gradient_frames=50)
    assert _largest_difference(longer.gradients, whole.gradients) < 1e-5
    assert float(longer.loss) == pytest.approx(float(whole.loss), rel=1e-6)


def test_rematerialization_changes_no_gradient(model, state):
    batch, shares = _batch(2), jnp.full(2, 0.5)
    expected = _gradients(model, state.variables, batch, shares, rsf.FixedSchedule(4, 3))
    ours = _gradients(model, state.variables, batch, shares, rsf.FixedSchedule(4, 3, BPTT("sqrt")))
    assert _largest_difference(ours.gradients, expected.gradients) < 1e-4


def _update(devices, model, state, batch):
    """An update by the gradient itself, not by what Adam makes of its rounding."""
    descent = optax.sgd(1.0)
    step = devices.compile(make_train_step(model, SCHEDULE, descent, axis_name=devices.axis_name))
    state = state.replace(opt_state=descent.init(state.params))
    state, metrics = step(devices.replicate(state), devices.shard(batch))
    return devices.unreplicate(state), devices.unreplicate(metrics)


def test_padding_counts_nothing(model, state):
    one = Devices(1)
    plain, expected = _update(one, model, state, _batch(3))
    padded, metrics = _update(one, model, state, pad_batch(_batch(3), 5))
    for name in expected:
        assert float(metrics[name]) == pytest.approx(float(expected[name]), rel=1e-5)
    steps = (jax.tree.map(jnp.subtract, s.params, state.params) for s in (padded, plain))
    assert _largest_difference(*steps) < 1e-4


def test_four_devices_do_what_one_does(model, state):
    assert len(jax.local_devices()) == 4
    batch = _batch(6)  # padded to 8
    ours, shared = _update(Devices(4), model, state, batch)
    theirs, alone = _update(Devices(1), model, state, batch)
    for name, value in alone.items():
        assert float(shared[name]) == pytest.approx(float(value), rel=1e-5), name
    steps = (jax.tree.map(jnp.subtract, after.params, state.params) for after in (ours, theirs))
    assert _largest_difference(*steps) < 1e-4


def test_updates_lower_the_loss(model, state):
    devices, batch = Devices(1), _batch(4)
    config = CONFIG.replace(lr_schedule="constant", warmup_steps=0, learning_rate=1e-2)
    optimizer = build_optimizer(config, 10)
    step = devices.compile(make_train_step(model, SCHEDULE, optimizer))
    state = state.replace(opt_state=optimizer.init(state.params))
    losses = []
    for _ in range(10):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.8 * losses[0]
    assert int(state.step) == 10


def test_scores_are_per_video(model, state):
    batch = _batch(3)
    prepared = rsf.prepare(model, state.variables, (12, 10))
    together = score_batch(model, prepared, batch, SCHEDULE)
    assert together.foreground.iou.shape == together.steps.shape == (3, 3)
    alone = score_batch(model, prepared, jax.tree.map(lambda x: x[1:2], batch), SCHEDULE)
    np.testing.assert_allclose(alone.loss, together.loss[1:2], rtol=1e-5)
    np.testing.assert_allclose(alone.foreground.iou, together.foreground.iou[1:2], atol=1e-5)


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(rsf.InputError, match=r"config\.devices is 9: this machine has 4"):
        Devices(9)


def test_earlier_steps_count_less_and_less(model, state):
    batch, shares = _batch(2), jnp.full(2, 0.5)
    objective = Objective(step_decay=0.4)
    frames, labels = jnp.asarray(batch.frames, jnp.float32) / 255, jnp.int32(batch.masks)

    def after_every_step(params):
        state, total = model.initial_state(2, (12, 10)), 0.0
        for t, steps in enumerate((3, 1, 1)):
            here = 0.0
            for _ in range(steps):  # one more call a step: the same frame, from where it stands
                state, out = rsf.run_frame(
                    model, {"params": params}, state, frames[:, t], rsf.FixedSchedule(1, 1)
                )
                here = 0.4 * here + objective(out.logits, labels[:, t]).mean()
            total += here / 3
            state = jax.lax.stop_gradient(state)
        return total

    expected, gradients = jax.jit(jax.value_and_grad(after_every_step))(state.params)
    found = _gradients(
        model, state.variables, batch, shares, rsf.FixedSchedule(3, 1), objective=objective
    )
    assert float(found.loss) == pytest.approx(float(expected), rel=1e-5)
    assert _largest_difference(found.gradients, gradients) < 5e-4


def test_pixels_without_a_label_are_no_foreground(model, state):
    batch = _batch(2)
    masks = batch.masks.copy()
    masks[:, :, :5] = IGNORED
    prepared = rsf.prepare(model, state.variables, (12, 10))
    scores = score_batch(model, prepared, batch.replace(masks=masks), SCHEDULE)
    logits = rsf.run_video(model, prepared, jnp.float32(batch.frames) / 255, SCHEDULE).logits
    found, truth = np.asarray(logits.argmax(-1))[:, :, 5:] == 1, masks[:, :, 5:] == 1
    below = foreground_scores(found, truth)
    jax.tree.map(np.testing.assert_allclose, scores.foreground, below)
    assert 0 < below.iou.min() < below.iou.max() < 1
    shares = jnp.array([0.25, 0.75])
    labeled = batch.replace(masks=masks)
    total, counted = _gradients(model, state.variables, labeled, shares, SCHEDULE).miou
    assert float(counted) == pytest.approx(1)
    assert float(total) == pytest.approx(float(shares @ below.iou.mean(1)), rel=1e-6)


def _iou(predicted, labels, classes):
    """Of each image: of the foreground, or the mean over several classes."""
    if classes == 2:
        return np.asarray(foreground_scores(predicted == 1, labels == 1).iou)
    return np.asarray(mean_iou(confusion_matrix(predicted, labels, classes)))


@pytest.mark.parametrize("classes", [2, 3])
def test_frames_without_a_label_are_not_in_the_training_miou(classes):
    config = CONFIG.replace(classes=classes)
    model = rsf.build_model(config)
    state = create_state(model, build_optimizer(config, 10), 0, (12, 10))
    whole, sparse = _batch(2), _batch(2)
    sparse.masks[0, 1:], sparse.masks[1, :2] = IGNORED, IGNORED
    logits = rsf.run_video(model, state.variables, jnp.float32(whole.frames) / 255, SCHEDULE).logits
    iou = _iou(logits.argmax(-1), jnp.int32(whole.masks), classes)
    shares = jnp.array([0.25, 0.75])
    total, counted = _gradients(model, state.variables, sparse, shares, SCHEDULE).miou
    assert float(counted) == pytest.approx(1 / 3)
    expected = (0.25 * iou[0, 0] + 0.75 * iou[1, 2]) / 3
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert 0 < expected < 0.3
