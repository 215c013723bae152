"""What is analyzed may be written to again at once, as a camera's buffer is."""

import jax
import numpy as np
import pytest
from recurrences import TinyModel

import rsf_jax as rsf
from rsf_jax.analysis import follow_frame, measure_changes, reaction_times, step_distances

SHAPE = (2, 6, 48, 64, 1)
_POLICY = rsf.FixedSchedule(3, 2)


def _aligned(values):
    """A copy where JAX would read it in place."""
    raw = np.empty(values.nbytes + 64, np.uint8)
    first = -raw.ctypes.data % 64
    found = raw[first : first + values.nbytes].view(values.dtype).reshape(values.shape)
    found[:] = values
    return found


@pytest.mark.parametrize(
    "measure",
    [
        lambda model, variables, x: measure_changes(model, variables, x, _POLICY).hidden,
        lambda model, variables, x: step_distances(model, variables, x, 30),
        lambda model, variables, x: follow_frame(model, variables, x[:1, 0], 300).states,
        lambda model, variables, x: reaction_times(model, variables, x, 30).xi,
    ],
    ids=["changes", "distances", "states", "reactions"],
)
def test_frames_may_be_written_to_again(measure):
    model, frames = TinyModel(), np.random.default_rng(0).random(SHAPE, np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    expected = np.asarray(measure(model, variables, frames))
    for _ in range(10):
        buffer = _aligned(frames)
        found = measure(model, variables, buffer)
        buffer[:] = 0
        np.testing.assert_array_equal(found, expected)
