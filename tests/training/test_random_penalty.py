"""A penalty with random vectors in training: the same however a run is cut or dealt to devices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from recurrences import TinyModel

import rsf_jax as rsf
from rsf_jax.data.batch import Batch, pad_batch
from rsf_jax.gradients import RBP, JacobianPenalty
from rsf_jax.parallel.devices import Devices
from rsf_jax.training.randomness import keys_of_frames, keys_of_videos
from rsf_jax.training.state import create_state
from rsf_jax.training.step import make_train_step

MODEL, SIZE = TinyModel(), (4, 5)
SCHEDULE = rsf.FixedSchedule(3, 2, RBP(4))
# Of an orthogonal matrix, as W is, signs alone would all give the same.
PENALTY = JacobianPenalty(2.0, seed=11, noise="gaussian")
DESCENT = optax.sgd(1.0)


def _batch(videos):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, size=(videos, 3, *SIZE, 1), dtype=np.uint8)
    return Batch(frames, (frames[..., 0] > 200).astype(np.uint8), np.ones(videos, np.float32))


def _compiled(devices, **options):
    step = make_train_step(MODEL, SCHEDULE, DESCENT, axis_name=devices.axis_name, **options)
    return devices.compile(step)


@pytest.fixture(scope="module")
def state():
    return create_state(MODEL, DESCENT, 0, SIZE)


@pytest.fixture(scope="module")
def step():
    return _compiled(Devices(1), penalty=PENALTY)


def test_it_is_the_penalty_of_every_frame_with_the_vectors_of_its_keys(state, step):
    batch = _batch(3)
    state = state.replace(step=jnp.int32(7))
    _, metrics = step(state, batch)
    prepared = rsf.prepare(MODEL, state.variables, SIZE)
    keys, found = keys_of_videos(11, jnp.int32(7), 3, None), []
    carry = MODEL.initial_state(3, SIZE).carry
    for t in range(3):
        drive = prepared.drive(jnp.float32(batch.frames[:, t]) / 255)
        for _ in range(3 if t == 0 else 2):
            before, carry = carry, prepared.step(carry, drive)
        of_frame = keys_of_frames(keys, jnp.full(3, t))
        found.append(PENALTY(lambda c, drive=drive: prepared.step(c, drive), before, of_frame))
    assert float(metrics["penalty"]) == pytest.approx(float(np.mean(found)), rel=1e-5)


def test_vectors_are_others_with_every_update_and_the_same_when_it_is_made_again(state, step):
    batch = _batch(2)
    found = [float(step(state.replace(step=jnp.int32(n)), batch)[1]["penalty"]) for n in (0, 1, 1)]
    assert found[0] != found[1]
    assert found[1] == found[2]


def test_padding_and_other_devices_change_nothing(state, step):
    batch = _batch(6)  # padded to 8 for four devices
    theirs, alone = step(state, batch)
    padded, _ = step(state, pad_batch(batch, 8))
    devices = Devices(4)
    shared = _compiled(devices, penalty=PENALTY)
    ours, metrics = shared(devices.replicate(state), devices.shard(batch))
    ours, metrics = devices.unreplicate((ours, metrics))
    for name, value in alone.items():
        assert float(metrics[name]) == pytest.approx(float(value), rel=1e-5), name
    for after in (ours, padded):
        np.testing.assert_allclose(after.params["weight"], theirs.params["weight"], atol=1e-5)


def test_it_shrinks_the_jacobian(state, step):
    batch, weights = _batch(4), [state.params["weight"]]
    for _ in range(20):
        state, _ = step(state, batch)
        weights.append(state.params["weight"])
    first, last = (np.square(np.asarray(w)).sum() for w in (weights[0], weights[-1]))
    assert last < 0.7 * first


def test_without_a_penalty_there_is_none_and_nothing_is_drawn(state):
    step = make_train_step(MODEL, SCHEDULE, DESCENT)
    text = str(jax.make_jaxpr(step)(state, _batch(2)))
    assert "random_bits" not in text
    assert "threefry" not in text
    drawn = str(jax.make_jaxpr(make_train_step(MODEL, SCHEDULE, DESCENT, penalty=PENALTY))(
        state, _batch(2)))  # fmt: skip
    assert "random_bits" in drawn
