"""Training on streams: states go from update to update, and are part of what is saved."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from configs import tiny_config
from marks import slow

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.data.chunks import plan_of
from rsf_jax.data.dataset import open_dataset
from rsf_jax.parallel.devices import Devices
from rsf_jax.parallel.processes import here
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.loop import Outcome, train
from rsf_jax.training.setup import build_setup
from rsf_jax.training.state import create_state
from rsf_jax.training.step import make_train_step
from rsf_jax.training.streams import nothing_left

SIZE, BATCH, GROUPS = (16, 17), 4, 2
SCHEDULE = rsf.FixedSchedule(3, 1)


def _chunks(count, seed=0, channels=1):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, size=(count, BATCH, 2, *SIZE, channels), dtype=np.uint8)
    masks = (frames[..., 0] > 200).astype(np.uint8)
    return [Batch(f, m, np.ones(BATCH, np.float32)) for f, m in zip(frames, masks)]


def _model(kind):
    if kind == "dru":
        return rsf.build_model(tiny_config(model="dru", input_channels=3, channels=2, classes=3))
    return rsf.build_model(tiny_config(model=kind))


def _state(model, optimizer):
    return create_state(model, optimizer, 0, SIZE, nothing_left(model, GROUPS, BATCH, SIZE))


def _updates(devices, model, optimizer, batches, begins):
    """Updates one after the other; `begins` says of each whether its streams do."""
    steps = {
        continues: devices.compile(
            make_train_step(
                model, SCHEDULE, optimizer, continues=continues, axis_name=devices.axis_name
            )
        )
        for continues in (False, True)
    }
    state = devices.replicate(_state(model, optimizer))
    for batch, begin in zip(batches, begins, strict=True):
        state, metrics = steps[not begin](state, devices.shard(batch))
    return devices.unreplicate(state), devices.unreplicate(metrics)


@pytest.mark.parametrize("kind", ["hgru", "clstm", slow("dru")])
def test_an_update_goes_on_from_what_its_group_has_left(kind):
    model, unchanging = _model(kind), optax.sgd(0.0)
    # Of both groups three chunks each, in turns; the second group begins anew with its last.
    batches = _chunks(6, channels=model.input_channels)
    state, _ = _updates(Devices(1), model, unchanging, batches, [1, 1, 0, 0, 0, 1])
    variables = _state(model, unchanging).variables
    for group, streams in enumerate(([0, 2, 4], [5])):
        frames = np.concatenate([batches[i].frames for i in streams], 1)
        after = model.initial_state(BATCH, SIZE)
        for t in range(frames.shape[1]):
            after, _ = rsf.run_frame(model, variables, after, frames[:, t], SCHEDULE, first=t == 0)
        left = jax.tree.map(lambda x, group=group: x[group], state.streams)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-4), left, after.carry)


def test_the_gradient_is_that_of_the_later_frames_alone():
    # Steps so large that parameters round away nothing of them.
    model, descent = _model("hgru"), optax.sgd(1e6)
    first, second = _chunks(2)
    whole = Batch(
        np.concatenate([first.frames, second.frames], 1),
        np.concatenate([np.full_like(first.masks, 255), second.masks], 1),  # without labels
        first.weights,
    )
    unchanging = optax.sgd(0.0)
    start, _ = _updates(Devices(1), model, unchanging, [first], [True])
    step = jax.jit(make_train_step(model, SCHEDULE, descent, continues=True))
    # The group whose turn it is next is another: its state is put where it is looked for.
    moved = jax.tree.map(lambda x: x[::-1], start.streams)
    fresh = start.replace(opt_state=descent.init(start.params), streams=moved)
    found, _ = step(fresh, second)
    step = jax.jit(make_train_step(model, SCHEDULE, descent))
    expected, _ = step(fresh, whole)
    gradients = (jax.tree.map(jnp.subtract, s.params, start.params) for s in (found, expected))
    # A video of four frames counts each a quarter, a chunk of two a half.
    for a, b in zip(*map(jax.tree.leaves, gradients), strict=True):
        np.testing.assert_allclose(a, 2 * b, rtol=1e-3, atol=1e-3 * float(jnp.abs(a).max()))


@pytest.mark.slow
def test_four_devices_do_what_one_does():
    model, descent = _model("hgru"), optax.sgd(0.1)
    batches, begins = _chunks(5), [1, 1, 0, 0, 0]
    ours, shared = _updates(Devices(4), model, descent, batches, begins)
    theirs, alone = _updates(Devices(1), model, descent, batches, begins)
    for name, value in alone.items():
        assert float(shared[name]) == pytest.approx(float(value), rel=1e-4), name
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        (ours.params, ours.streams),
        (theirs.params, theirs.streams),
    )


@pytest.fixture(scope="module")
def config(data_dir):
    return tiny_config(
        data_dir,
        chunk_frames=2,
        stream_frames=8,
        stream_groups=2,
        noise=0.05,
        slow_steps=2,
        schedules="s2f1,s1f1",
        updates=9,
        lr_schedule="constant",
        warmup_steps=0,
        validation_share=0.1,
        validate_every=9,
        save_every=3,
        devices=2,
    )


def _end(workdir, config):
    with Checkpoints(workdir) as checkpoints:
        setup = build_setup(config, open_dataset(config), here())
        update = checkpoints.latest_step()
        return checkpoints.restore(update, setup.initial_state(), config)


@pytest.mark.slow
def test_a_run_that_is_resumed_is_the_same_bitwise(config, tmp_path):
    dataset = open_dataset(config)
    plan = plan_of(config)
    # Where it is resumed, streams are in the middle: what they have left counts.
    assert not plan.position(4).begins
    assert train(config, dataset, tmp_path / "whole") is Outcome.FINISHED
    assert train(config.replace(updates=4), dataset, tmp_path / "parts") is Outcome.FINISHED
    assert train(config, dataset, tmp_path / "parts") is Outcome.FINISHED
    whole, parts = (_end(tmp_path / name, config) for name in ("whole", "parts"))
    assert int(whole.step) == 9
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(whole.streams))
    jax.tree.map(np.testing.assert_array_equal, parts, whole)
    # And a model that can be used as any other.
    assert rsf.load_trained(tmp_path / "parts").run(np.zeros((1, 3, 16, 16, 1), np.uint8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream_frames": 7}, "config.stream_frames is 7: it must be 2 (config.chunk_frames)"),
        ({"stream_frames": 6}, "times 1, 2, 4, 8 and so on"),
        ({"stateful": False}, "config.chunk_frames is 2: it must be 0 where no state is carried"),
        ({"drop": 1.0}, "config.drop is 1.0"),
    ],
)
def test_settings_of_streams_that_cannot_be(config, changes, message):
    with pytest.raises(rsf.InputError) as error:
        config.replace(**changes)
    assert message in str(error.value)


def test_streams_are_not_padded(config):
    odd = config.replace(batch_size=5)
    with pytest.raises(rsf.InputError, match="batch_size is 5: 2 devices share the streams"):
        build_setup(odd, open_dataset(odd), here())
