import pytest

import rsf_jax as rsf
from rsf_jax.config.cost import cost

PIXELS = 32 * 40
SHAPE = (32, 40)


def _cost(name):
    return cost(rsf.get_config(name), SHAPE, 6)


@pytest.mark.parametrize(
    ("name", "per_step", "per_frame"),
    [
        # Two 15x15 and two 1x1 convolutions a step; 7x7 stem and 1x1 readout a frame.
        ("easy_s6f1", 625 * (2 * 225 + 2), 25 * 49 + 50),
        # Four gates a step, and the input's part of them a frame.
        ("easy_s6f1_clstm", 4 * 625 * 225, 4 * 625 * 225 + 25 * 49 + 50),
        ("easy_ff8", 8 * 625 * 225, 25 * 49 + 50),
        ("easy_conv3ds", 3 * 2 * 625 * 225, 25 * 49 + 50),
    ],
)
def test_multiply_adds_are_those_of_the_equations(name, per_step, per_frame):
    found = _cost(name)
    assert found.per_step == per_step * PIXELS
    assert found.per_frame == per_frame * PIXELS
    steps = 6 + 5 if "s6f1" in name else 6
    assert found.per_video == steps * found.per_step + 6 * found.per_frame


def test_parameters_are_counted():
    assert _cost("easy_s6f1").parameters == 284_227


def test_the_method_of_convolution_changes_nothing():
    config = rsf.get_config("easy_s6f1")
    assert cost(config.replace(conv_method="fft"), SHAPE) == cost(config, SHAPE)
