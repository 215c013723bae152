import jax
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.training.state import (
    build_optimizer,
    create_state,
    learning_rate_schedule,
    total_updates,
)


def test_the_papers_schedule_decays_by_three_tenths_every_25_epochs():
    rate = learning_rate_schedule(rsf.get_config("hard_s8f8"), updates_per_epoch=720)
    for epoch, expected in ((0, 1e-3), (24.9, 1e-3), (25, 7e-4), (50, 4.9e-4), (99, 3.43e-4)):
        assert float(rate(round(epoch * 720))) == pytest.approx(expected)


def test_cosine_rises_and_ends_at_zero():
    config = rsf.get_config("quickstart").replace(
        lr_schedule="cosine", learning_rate=0.01, warmup_steps=10, epochs=2
    )
    rate = learning_rate_schedule(config, updates_per_epoch=50)
    assert 0 < float(rate(0)) < float(rate(5)) < 0.01
    assert float(rate(10)) == pytest.approx(0.01)
    assert float(rate(100)) == pytest.approx(0, abs=1e-9)


def test_a_number_of_updates_takes_the_place_of_epochs():
    config = rsf.get_config("quickstart").replace(epochs=3, updates=40, warmup_steps=10)
    assert total_updates(config, 50) == 40
    assert total_updates(config.replace(updates=0), 50) == 150
    rate = learning_rate_schedule(config, updates_per_epoch=50)
    assert float(rate(10)) == pytest.approx(config.learning_rate)
    assert float(rate(40)) == pytest.approx(0, abs=1e-9)


def test_constant_stays():
    config = rsf.get_config("quickstart").replace(lr_schedule="constant", warmup_steps=0)
    assert float(learning_rate_schedule(config, 5)(1000)) == pytest.approx(config.learning_rate)


def test_clipping_bounds_the_gradient_and_its_absence_does_not():
    config = rsf.get_config("quickstart").replace(warmup_steps=0)
    gradients = {"w": np.full(4, 100.0, np.float32)}
    moments = {}
    for clip in (0.0, 1.0):
        optimizer = build_optimizer(config.replace(clip_norm=clip), 10)
        _, state = optimizer.update(gradients, optimizer.init(gradients))
        moments[clip] = float(np.linalg.norm(jax.tree.leaves(state)[1]))
    assert moments[1.0] == pytest.approx(0.1, rel=1e-5)
    assert moments[0.0] == pytest.approx(20.0, rel=1e-5)


def test_the_start_is_a_function_of_the_seed():
    config = rsf.get_config("quickstart").replace(channels=3, kernel_size=3)
    model, optimizer = rsf.build_model(config), build_optimizer(config, 10)
    one, same, other = (
        create_state(model, optimizer, seed, (8, 8)).params["cell"]["excitation"]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01
