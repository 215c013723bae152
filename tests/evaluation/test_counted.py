"""Schedules that compile once."""

import jax
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.evaluation.counted import Counted, counted


@pytest.fixture(scope="module")
def small():
    model = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, kernel_size=3))
    frames = np.random.default_rng(0).random((2, 3, 6, 5, 1), np.float32)
    return model, model.init(jax.random.key(0), frames), frames


@pytest.mark.parametrize("text", ["s3f3", "s4f2", "anderson:2+s4f4", "gate:0.1:0.4+s3f1"])
def test_it_is_the_schedule(small, text):
    model, variables, frames = small
    policy = rsf.parse_policy(text)
    told = rsf.run_video(model, variables, frames, policy)
    found = rsf.run_video(model, variables, frames, counted(policy, 6))
    np.testing.assert_array_equal(found.steps, told.steps)
    np.testing.assert_allclose(found.logits, told.logits, rtol=1e-5, atol=1e-6)


def test_numbers_of_steps_share_a_program():
    first, second = (counted(rsf.parse_policy(text), 9) for text in ("s3f3", "s5f5"))
    assert jax.tree.structure(first) == jax.tree.structure(second)
    assert isinstance(first, Counted)
    assert counted(rsf.parse_policy("s12f3"), 9) == rsf.FixedSchedule(12, 3)
    halting = rsf.parse_policy("l2:1.0:12")
    assert counted(halting, 9) is halting
