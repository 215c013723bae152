import jax.numpy as jnp
import numpy as np
import pytest

from rsf_jax.metrics import foreground_iou


def _mask(*pixels):
    return jnp.zeros((3, 3), bool).at[tuple(np.array(pixels, int).reshape(-1, 2).T)].set(True)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (_mask((0, 0), (0, 1)), _mask((0, 1), (0, 2)), 1 / 3),
        (_mask((0, 0)), _mask((0, 0)), 1.0),
        (_mask((0, 0)), _mask((2, 2)), 0.0),
        (_mask(), _mask((2, 2)), 0.0),
        (_mask(), _mask(), 1.0),
    ],
)
def test_iou_of_one_image(predicted, truth, expected):
    assert foreground_iou(predicted, truth) == pytest.approx(expected)


def test_every_image_has_its_own():
    predicted = jnp.stack([_mask((0, 0)), _mask((1, 1))])
    truth = jnp.stack([_mask((0, 0)), _mask((1, 1), (1, 2))])
    np.testing.assert_allclose(foreground_iou(predicted, truth), [1, 0.5])
