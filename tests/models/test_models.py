import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.models.base import checked_frame_shape

EASY = [(6, 6), (4, 4), (2, 2), (1, 1), (6, 1)]
HARD = [(8, 8), (8, 6), (8, 4), (8, 2), (8, 1), (6, 6), (4, 4), (3, 3), (10, 10), (12, 12)]
PUBLISHED = [f"easy_s{s}f{f}" for s, f in EASY] + [f"hard_s{s}f{f}" for s, f in HARD]


@pytest.mark.parametrize("stateless", ["", "_stateless"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_preset_of_the_paper_has_the_published_number_of_parameters(name, stateless):
    model = rsf.build_model(rsf.get_config(name + stateless))
    frames = jax.ShapeDtypeStruct((1, 2, 16, 16, 1), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), frames)
    assert rsf.count_parameters(variables) == 284_227


def test_the_start_is_the_published_one():
    model = rsf.build_model(rsf.get_config("hard_s8f8"))
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1, 8, 8, 1)))["params"]
    from rsf_jax.models.gabor import gabor_filters

    np.testing.assert_array_equal(params["stem"]["kernel"], gabor_filters())
    assert np.abs(params["stem"]["bias"]).max() <= 1 / 7
    np.testing.assert_allclose(params["output"]["conv"]["bias"], np.log(99), rtol=1e-6)


def test_the_first_state_is_zero_and_has_seen_no_frame():
    model = rsf.build_model(rsf.get_config("hard_s8f8"))
    state = model.initial_state(3, (8, 9))
    assert state.carry.shape == (3, 25, 8, 9)
    assert not state.carry.any()
    np.testing.assert_array_equal(state.frame_index, [0, 0, 0])


def test_sizes_of_numpy_are_sizes():
    found = checked_frame_shape(np.array([8, 9]))
    assert found == (8, 9)
    assert [type(side) for side in found] == [int, int]
    for wrong in ((8,), (8, 9, 1), (8, 0), (8.0, 9), "89", None, (True, 9)):
        with pytest.raises(rsf.InputError, match="frame_shape is"):
            checked_frame_shape(wrong)
