"""Whole videos, single frames, and what must not matter: batch-mates and preparation."""

import inspect
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from configs import tiny_config
from jax import lax

import rsf_jax as rsf
from rsf_jax import unroll

SCHEDULE = rsf.FixedSchedule(3, 1)


@pytest.fixture(scope="module")
def model():
    config = tiny_config()
    return rsf.build_model(config)


@pytest.fixture(scope="module")
def frames():
    return jax.random.uniform(jax.random.key(0), (3, 4, 12, 10, 1))


@pytest.fixture(scope="module")
def variables(model, frames):
    return jax.jit(model.init)(jax.random.key(1), frames)


def _stream(model, variables, frames, schedule, **options):
    state = model.initial_state(len(frames), frames.shape[2:4])
    outputs = []
    for t in range(frames.shape[1]):
        state, out = rsf.run_frame(model, variables, state, frames[:, t], schedule, **options)
        outputs.append(out)
    return state, outputs


@pytest.mark.parametrize("stateful", [True, False])
def test_frame_by_frame_is_the_whole_video(model, variables, frames, stateful):
    options = {"stateful": stateful, "record_states": True}
    video = rsf.run_video(model, variables, frames, SCHEDULE, **options)
    state, outputs = _stream(model, variables, frames, SCHEDULE, **options)
    for t, out in enumerate(outputs):
        np.testing.assert_allclose(out.logits, video.logits[:, t], atol=1e-4)
        np.testing.assert_array_equal(out.steps, video.steps[:, t])
        np.testing.assert_allclose(out.states, video.states[:, t], atol=1e-4)
    np.testing.assert_array_equal(state.frame_index, [4, 4, 4])


@pytest.mark.parametrize("kind", ["hgru", "clstm", "ff6", "conv3ds"])
def test_bytes_are_frames_in_every_call(kind):
    once = {"norm_statistics": "running", "slow_steps": 1} if kind in ("ff6", "conv3ds") else {}
    model = rsf.build_model(tiny_config(model=kind, **once))
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 12, 10, 1)).astype(np.uint8)
    policy = rsf.FixedSchedule(1, 1)
    variables = jax.jit(model.init)(jax.random.key(1), frames)
    state = model.initial_state(2, (12, 10))

    def calls(x):
        yield jax.jit(model.init)(jax.random.key(1), x)
        yield rsf.run_video(model, variables, x, policy, record_states=True)
        yield model.apply(variables, x, policy)
        yield rsf.run_frame(model, variables, state, x[:, 0], policy)
        yield rsf.run_frame(model, variables, state, jnp.asarray(x[:, 0]), policy, first=True)

    for found, expected in zip(calls(frames), calls(np.float32(frames) / 255), strict=True):
        chex.assert_trees_all_close(found, expected, atol=1e-4)


def test_shapes_and_steps(model, variables, frames):
    out = rsf.run_video(model, variables, frames, SCHEDULE, record_states=True)
    assert out.logits.shape == (3, 4, 12, 10, 2)
    assert out.states.shape == (3, 4, 3, 12, 10, 3)
    np.testing.assert_array_equal(out.steps, [[3, 1, 1, 1]] * 3)
    # A later frame takes one step: the other entries repeat it.
    np.testing.assert_array_equal(out.states[:, 1, 0], out.states[:, 1, 2])


def test_stateless_frames_do_not_see_each_other(model, variables, frames):
    uniform = rsf.FixedSchedule(2, 2)
    swapped = frames[:, ::-1]
    ours = rsf.run_video(model, variables, frames, uniform, stateful=False).logits
    theirs = rsf.run_video(model, variables, swapped, uniform, stateful=False).logits
    np.testing.assert_allclose(ours, theirs[:, ::-1], atol=1e-4)
    stateful = rsf.run_video(model, variables, frames, uniform).logits
    assert np.abs(stateful[:, 1:] - ours[:, 1:]).max() > 1e-3
    np.testing.assert_allclose(stateful[:, 0], ours[:, 0], atol=1e-4)


def test_a_video_does_not_depend_on_its_batch_mates(model, variables, frames):
    together = rsf.run_video(model, variables, frames, SCHEDULE).logits
    for i in range(3):
        alone = rsf.run_video(model, variables, frames[i : i + 1], SCHEDULE).logits
        np.testing.assert_allclose(alone[0], together[i], atol=1e-4)


def test_streams_that_began_at_different_times_share_a_batch(model, variables, frames):
    pair = frames[:2]
    _, alone = _stream(model, variables, pair, SCHEDULE)
    state, _ = rsf.run_frame(
        model, variables, model.initial_state(2, (12, 10)), pair[:, 0], SCHEDULE
    )
    # The second stream starts anew while the first one goes on.
    fresh = model.initial_state(2, (12, 10))
    mixed = jax.tree.map(lambda old, new: jnp.stack([old[0], new[1]]), state, fresh)
    frame = jnp.stack([pair[0, 1], pair[1, 0]])
    _, out = rsf.run_frame(model, variables, mixed, frame, SCHEDULE)
    np.testing.assert_array_equal(out.steps, [1, 3])
    np.testing.assert_allclose(out.logits[0], alone[1].logits[0], atol=1e-4)
    np.testing.assert_allclose(out.logits[1], alone[0].logits[1], atol=1e-4)


@pytest.mark.parametrize("method", ["auto", "fft", "direct"])
def test_prepared_variables_give_the_same(frames, method):
    config = rsf.get_config("quickstart").replace(channels=3, kernel_size=5, conv_method=method)
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(jax.random.key(1), frames)
    prepared = rsf.prepare(model, variables, (12, 10))
    assert ("spectra" in prepared.variables) == (method != "direct")
    ours = rsf.run_video(model, prepared, frames, SCHEDULE).logits
    theirs = rsf.run_video(model, variables, frames, SCHEDULE).logits
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_gradients_stop_at_frame_boundaries(model, variables, frames):
    def last_frame(frames):
        return rsf.run_video(model, variables, frames, SCHEDULE).logits[:, -1].sum()

    gradient = jax.grad(last_frame)(frames)
    assert not gradient[:, :-1].any()
    assert gradient[:, -1].any()


def test_videos_and_streams_compile_once(model, variables, frames):
    chex.clear_trace_counter()
    traced = jax.jit(chex.assert_max_traces(unroll.advance, n=1))
    prepared = rsf.prepare(model, variables, (12, 10))
    state = model.initial_state(3, (12, 10))
    for t in range(4):
        first = state.frame_index == 0
        state, _ = traced(prepared, state, frames[:, t], SCHEDULE, first=first)
    rsf.run_video(model, prepared, frames, SCHEDULE)
    rsf.run_frame(model, prepared, model.initial_state(3, (12, 10)), frames[:, 0], SCHEDULE)
    with compilations() as compiled:
        for _ in range(2):
            _stream(model, prepared, frames, SCHEDULE)
            rsf.run_video(model, prepared, frames, SCHEDULE)
    assert not compiled


HALTING = rsf.DistanceHalting(threshold=0.8, max_steps=9)


@pytest.mark.parametrize(
    ("cell", "metric", "steps", "tolerance"),
    [
        ("hgru", "l1", 4, 0),
        ("hgru", "l2", 7, 0),
        # XLA takes a loop of one step apart, and joins the cLSTM's gates in another order.
        ("hgru", "l2", 1, 1e-5),
        ("clstm", "l1", 1, 1e-5),
        ("clstm", "l2", 4, 1e-5),
    ],
)
def test_halting_that_never_fires_is_the_schedule(frames, cell, metric, steps, tolerance):
    config = tiny_config(model=cell)
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(jax.random.key(1), frames)
    never = rsf.DistanceHalting(metric, threshold=1e-30, max_steps=steps)
    ours = rsf.run_video(model, variables, frames, never, record_states=True)
    theirs = rsf.run_video(
        model, variables, frames, rsf.FixedSchedule(steps, steps), record_states=True
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=tolerance), ours, theirs)


def _closest_to_threshold(states, policy):
    """How near any ratio that decided came to the threshold, for each sample, [B]."""
    h = np.asarray(states, np.float64)
    start = np.concatenate([np.zeros_like(h[:, :1, -1:]), h[:, :-1, -1:]], axis=1)
    moved = np.sqrt(np.square(np.diff(h, axis=2, prepend=start)).sum((3, 4, 5)))
    ratios = moved[:, :, 1:] / (moved[:, :, :-1] + 1e-8)
    return np.abs(ratios - policy.threshold).min((1, 2))


def test_each_sample_halts_as_it_would_alone(model, variables):
    # Of different contrast: their states settle in different frames.
    contrast = jnp.linspace(0.05, 1, 6).reshape(6, 1, 1, 1, 1)
    frames = contrast * jax.random.bernoulli(jax.random.key(2), shape=(6, 5, 12, 10, 1))
    together = rsf.run_video(model, variables, frames, HALTING, record_states=True)
    assert len(np.unique(together.steps, axis=0)) > 2
    clear = _closest_to_threshold(together.states, HALTING) > 1e-4
    assert clear.sum() >= 4
    for i in np.flatnonzero(clear):
        alone = rsf.run_video(model, variables, frames[i : i + 1], HALTING, record_states=True)
        np.testing.assert_array_equal(alone.steps[0], together.steps[i])
        np.testing.assert_allclose(alone.states[0], together.states[i], atol=1e-4)
        np.testing.assert_allclose(alone.logits[0], together.logits[i], atol=1e-4)


def test_halting_frame_by_frame_is_the_whole_video(model, variables, frames):
    video = rsf.run_video(model, variables, frames, HALTING)
    _, outputs = _stream(model, variables, frames, HALTING)
    np.testing.assert_array_equal(np.stack([out.steps for out in outputs], 1), video.steps)
    logits = np.stack([out.logits for out in outputs], 1)
    np.testing.assert_allclose(logits, video.logits, atol=1e-4)


def test_a_halted_sample_keeps_the_readout_of_its_last_step(model, variables, frames):
    out = rsf.run_video(model, variables, frames, HALTING, record_states=True)
    last = jnp.moveaxis(out.states[:, :, -1], -1, 2)
    for t in range(frames.shape[1]):
        logits = model.apply(variables, last[:, t], method="readout")
        np.testing.assert_allclose(out.logits[:, t], logits, atol=1e-5)


def test_sweeping_thresholds_compiles_once(model, variables, frames):
    rsf.run_video(model, variables, frames, HALTING)
    with compilations() as compiled:
        sweep = [
            rsf.run_video(model, variables, frames, HALTING.replace(threshold=t, rtol=r))
            for t in (0.3, 0.9, 2)
            for r in (0, 1e-3)
        ]
    assert not compiled
    assert len({tuple(out.steps.ravel().tolist()) for out in sweep}) > 1


BAD_FRAMES = [
    (np.zeros((3, 12, 10, 1), np.float32), r"shape \[3, 12, 10, 1\]: \[B, T, H, W, 1\] is needed"),
    (np.zeros((3, 4, 12, 10, 3), np.float32), "one gray channel"),
    (np.zeros((3, 0, 12, 10, 1), np.float32), "non-empty"),
    (np.zeros((3, 4, 12, 10, 1), np.uint16), "uint16: float32 in 0..1 or uint8 in 0..255 is"),
    (np.zeros((3, 4, 12, 10, 1), np.float64), "float64: float32 in 0..1 or uint8"),
    (np.full((3, 4, 12, 10, 1), np.nan, np.float32), "NaN"),
    (np.full((3, 4, 12, 10, 1), 255, np.float32), r"between 255 and 255: .* in 0\.\.1"),
    (np.full((3, 4, 12, 10, 1), -0.5, np.float32), r"between -0\.5 and -0\.5"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_FRAMES)
def test_bad_frames_are_named(model, variables, bad, message):
    # Unwrapped, as users have them: the tests' type checker would speak first.
    run_video, run_frame = inspect.unwrap(rsf.run_video), inspect.unwrap(rsf.run_frame)
    with pytest.raises(rsf.InputError, match=message) as error:
        run_video(model, variables, bad, SCHEDULE)
    assert "\n" not in str(error.value)
    if bad.ndim == 5 and bad.size:
        state = model.initial_state(3, (12, 10))
        with pytest.raises(rsf.InputError):
            run_frame(model, variables, state, bad[:, 0], SCHEDULE)


def test_a_state_of_another_batch_or_size_is_an_error_and_not_a_broadcast(model, variables, frames):
    for state in (model.initial_state(1, (12, 10)), model.initial_state(3, (12, 11))):
        with pytest.raises(rsf.InputError, match=r"start from model\.initial_state\(3, \(12, 10\)"):
            rsf.run_frame(model, variables, state, frames[:, 0], SCHEDULE)


def test_preparation_for_another_size_is_an_error(model, variables, frames):
    prepared = rsf.prepare(model, variables, (16, 16))
    with pytest.raises(rsf.InputError, match=r"prepared for frames of 16x16 .* have 12x10"):
        rsf.run_video(model, prepared, frames, SCHEDULE)


POLICIES = [SCHEDULE, rsf.DistanceHalting("l2", 1.0, 4)]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_a_model_is_applied_to_the_whole_video(model, variables, frames, policy):
    expected = rsf.run_video(model, variables, frames, policy).logits
    np.testing.assert_allclose(model.apply(variables, frames, policy), expected, atol=1e-6)
    jitted = jax.jit(model.apply)(variables, frames, policy)
    np.testing.assert_allclose(jitted, expected, atol=1e-4)


def test_a_video_without_a_policy_is_no_single_step(model, variables, frames):
    with pytest.raises(rsf.InputError, match="applied to a video under a policy: give one"):
        model.apply(variables, frames)


@jax.jit
def _late(tree):
    """The same values, after a while: what is computed with them has to wait."""
    busy = lax.fori_loop(0, 50, lambda _, x: jnp.tanh(x @ x), 0.5 * jnp.eye(500)).sum()
    return jax.tree.map(lambda x: jnp.where(busy < 0, jnp.nan, x), tree)


def _in_place(array):
    """A copy at an address from which JAX reads on a CPU without copying."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def test_arrays_of_the_caller_are_not_read_once_a_call_has_returned(model, variables, frames):
    """A camera's buffer is written to again while JAX computes."""
    state = model.initial_state(3, (12, 10))
    state, _ = rsf.run_frame(model, variables, state, frames[:, 0], SCHEDULE)
    expected = (
        rsf.run_video(model, variables, frames, SCHEDULE),
        rsf.run_frame(model, variables, state, frames[:, 1], SCHEDULE),
    )
    video, state, frame = jax.tree.map(_in_place, (frames, state, frames[:, 1]))
    late = _late(variables)
    found = (
        rsf.run_video(model, late, video, SCHEDULE),
        rsf.run_frame(model, late, state, frame, SCHEDULE),
    )
    for ours in (video, frame, *jax.tree.leaves(state)):
        ours[...] = 0
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_numbers_of_any_kind_compile_one_program(model, variables, frames):
    kinds = [0.5, 1, np.float32(0.5), np.float64(0.5), jnp.float32(0.5), np.array(0.5)]
    policies = [rsf.DistanceHalting(threshold=t, max_steps=3) for t in kinds]
    rsf.run_video(model, variables, frames, policies[0])
    with compilations() as compiled:
        for policy in policies:
            rsf.run_video(model, variables, frames, policy)
    assert not compiled


def test_nothing_is_transferred_or_promoted_unasked(model, variables, frames):
    variables, state = jax.device_put((variables, model.initial_state(3, (12, 10))))
    frame = frames[:, 0]
    with jax.numpy_dtype_promotion("strict"), jax.transfer_guard("disallow"):
        rsf.run_video(model, variables, frames, HALTING.replace(max_steps=4))
        rsf.run_frame(model, variables, state, frame, HALTING.replace(max_steps=4))


def test_a_live_frame_does_not_trace_its_first_state_anew(model, variables, frames, monkeypatch):
    state = model.initial_state(3, (12, 10))
    state, _ = rsf.run_frame(model, variables, state, frames[:, 0], SCHEDULE)

    def traced(*_):
        raise AssertionError("traced")

    monkeypatch.setattr(type(model), "initial_state", traced)
    rsf.run_frame(model, variables, state, frames[:, 1], SCHEDULE)


def test_a_live_frame_does_not_make_its_schedule_anew(model, variables, frames, monkeypatch):
    state, schedule = model.initial_state(3, (12, 10)), rsf.FixedSchedule(slow=3, fast=2)
    state, _ = rsf.run_frame(model, variables, state, frames[:, 0], schedule)

    def checked(*_):
        raise AssertionError("checked")

    monkeypatch.setattr(rsf.FixedSchedule, "__post_init__", checked)
    rsf.run_frame(model, variables, state, frames[:, 1], schedule)
