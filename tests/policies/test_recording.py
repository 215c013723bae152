"""What is kept of a trajectory, against the whole of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf

POLICIES = [rsf.FixedSchedule(4, 2), rsf.DistanceHalting(threshold=0.8, max_steps=4)]


@pytest.fixture(scope="module")
def video():
    config = tiny_config()
    model = rsf.build_model(config)
    frames = jax.random.uniform(jax.random.key(0), (2, 5, 9, 8, 1))
    return model, jax.jit(model.init)(jax.random.key(1), frames), frames


def _mean(h):
    return h.mean((1, 2))


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("steps", [None, (1, 3)])
@pytest.mark.parametrize("frames_kept", [None, (0, 3)])
def test_a_part_is_that_part_of_the_whole(video, policy, steps, frames_kept):
    whole = rsf.run_video(*video, policy, record_states=True)
    assert whole.states.shape == (2, 5, 4, 9, 8, 3)
    part = rsf.run_video(
        *video, policy, record_states=rsf.Recording(frames_kept, steps, projection=_mean)
    )
    expected = whole.states[:, frames_kept or slice(None)].mean((3, 4))
    expected = expected[:, :, [n - 1 for n in steps or (1, 2, 3, 4)]]
    np.testing.assert_allclose(part.states, expected, atol=1e-5)
    np.testing.assert_array_equal(part.steps, whole.steps)
    np.testing.assert_allclose(part.logits, whole.logits, atol=1e-5)


def test_states_past_the_steps_spent_repeat_the_last(video):
    out = rsf.run_video(*video, POLICIES[1], record_states=True)
    assert len(np.unique(out.steps)) > 1
    for b, t in np.ndindex(*out.steps.shape):
        spent = out.states[b, t, out.steps[b, t] - 1 :]
        np.testing.assert_array_equal(spent, jnp.broadcast_to(spent[:1], spent.shape))


def test_half_precision(video):
    whole = rsf.run_video(*video, POLICIES[0], record_states=True).states
    half = rsf.run_video(*video, POLICIES[0], record_states=rsf.Recording(dtype="float16")).states
    assert half.dtype == jnp.float16
    np.testing.assert_allclose(half, whole, rtol=1e-3)


def test_a_live_frame_is_recorded_too(video):
    model, variables, frames = video
    state = model.initial_state(2, (9, 8))
    recording = rsf.Recording(steps=(2,), projection=_mean)
    whole = rsf.run_video(model, variables, frames, POLICIES[0], record_states=True).states
    _, out = rsf.run_frame(
        model, variables, state, frames[:, 0], POLICIES[0], record_states=recording
    )
    np.testing.assert_allclose(out.states[:, 0], whole[:, 0, 1].mean((1, 2)), atol=1e-5)
    with pytest.raises(rsf.InputError, match="cannot choose frames"):
        rsf.run_frame(
            model,
            variables,
            state,
            frames[:, 0],
            POLICIES[0],
            record_states=rsf.Recording(frames=(0,)),
        )


def test_what_is_left_out_is_never_stored():
    config = tiny_config(channels=4)
    model = rsf.build_model(config)
    frames = jnp.zeros((1, 20, 32, 32, 1))
    variables = jax.jit(model.init)(jax.random.key(0), frames[:, :1])

    def temporary(recording):
        def run(frames):
            policy = rsf.FixedSchedule(6, 6)
            return rsf.run_video(model, variables, frames, policy, record_states=recording).states

        return jax.jit(run).lower(frames).compile().memory_analysis()

    everything = 20 * 6 * 32 * 32 * 4 * 4  # bytes
    assert temporary(rsf.Recording()).output_size_in_bytes == everything
    part = temporary(rsf.Recording(frames=(19,), projection=_mean))
    assert part.output_size_in_bytes == 6 * 4 * 4
    nothing = temporary(rsf.Recording(frames=(19,), steps=(6,), projection=_mean))
    assert part.temp_size_in_bytes < nothing.temp_size_in_bytes + everything / 20


BAD = [
    ({"frames": (1, 0)}, r"frames to record are \(1, 0\): ascending whole numbers from 0 on"),
    ({"frames": ()}, "frames to record are"),
    ({"frames": (-1,)}, "frames to record are"),
    ({"steps": (0, 1)}, r"steps to record are \(0, 1\): ascending whole numbers from 1 on"),
    ({"steps": (1.0,)}, "steps to record are"),
    ({"dtype": "float64"}, "dtype is 'float64': choose one of float32"),
    ({"projection": "mean"}, "projection is 'mean': a function is needed"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(rsf.InputError, match=message):
        rsf.Recording(**settings)


def test_positions_that_do_not_exist_are_named(video):
    with pytest.raises(rsf.InputError, match="frames to record reach 5: there are 0 to 4 here"):
        rsf.run_video(*video, POLICIES[0], record_states=rsf.Recording(frames=(5,)))
    with pytest.raises(rsf.InputError, match="steps to record reach 5: there are 1 to 4 here"):
        rsf.run_video(*video, POLICIES[0], record_states=rsf.Recording(steps=(5,)))
