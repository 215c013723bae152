"""Networks that grow: the same outputs at first, in which everything can be trained."""

import jax
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax.cells import CELLS
from rsf_jax.data.dataset import open_dataset
from rsf_jax.trained.growing import check_growth, grow
from rsf_jax.training.loop import train

SMALL = tiny_config()
FRAMES = np.random.default_rng(0).random((2, 3, 12, 10, 1), np.float32)


def _of(model, **changes):
    return SMALL.replace(
        model=model,
        norm_statistics="running" if model.startswith("ff") else "sample",
        slow_steps=2 if model in CELLS else 1,
        **changes,
    )


def _begin(config, seed):
    """A model and weights that differ in every number from those of another seed."""
    model = rsf.build_model(config)
    variables = jax.jit(model.init)(jax.random.key(seed), FRAMES)
    rng = np.random.default_rng(seed)
    return model, jax.tree.map(
        lambda x: np.asarray(x + rng.uniform(0, 0.1, x.shape).astype(x.dtype)), variables
    )


def _run(config, model, variables):
    schedule = rsf.FixedSchedule(config.slow_steps, config.fast_steps)
    return rsf.run_video(model, variables, FRAMES, schedule).logits


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("hgru", {"channels": 5, "kernel_size": 7}),
        ("hgru", {"kernel_size": 5}),
        ("ffres6", {"channels": 4, "kernel_size": 5}),
        ("clstm", {"kernel_size": 7}),
    ],
)
def test_a_grown_network_computes_what_the_small_one_does(model, changes):
    small, large = _of(model), _of(model, **changes)
    check_growth(small, large)
    before, weights = _begin(small, 1)
    after, fresh = _begin(large, 2)
    grown = grow(weights, fresh)
    jax.tree.map(lambda x, y: np.testing.assert_equal(x.shape, y.shape), grown, dict(fresh))
    assert np.ptp(_run(small, before, weights)) > 0.01
    np.testing.assert_allclose(
        _run(large, after, grown), _run(small, before, weights), atol=1e-5, rtol=1e-4
    )


def test_new_channels_begin_as_they_would_by_themselves():
    _, weights = _begin(SMALL, 1)
    _, fresh = _begin(SMALL.replace(channels=5, kernel_size=5), 2)
    cell, begun = (x["params"]["cell"] for x in (grow(weights, fresh), fresh))
    np.testing.assert_array_equal(cell["excitation"][..., 3:], begun["excitation"][..., 3:])
    np.testing.assert_array_equal(cell["gate1_bias"][3:], begun["gate1_bias"][3:])
    assert not cell["excitation"][:, :, 3:, :3].any()
    assert not cell["gate1"][3:, :3].any()
    middle = cell["excitation"][1:4, 1:4, :3, :3]
    np.testing.assert_array_equal(middle, weights["params"]["cell"]["excitation"])


def test_equal_networks_are_left_as_they_are():
    check_growth(SMALL, SMALL)
    _, weights = _begin(SMALL, 1)
    _, fresh = _begin(SMALL, 2)
    jax.tree.map(np.testing.assert_array_equal, grow(weights, fresh), dict(weights))


@pytest.mark.parametrize(
    ("there", "here", "says"),
    [
        (_of("hgru"), _of("hgru", channels=2), "channels=3 there, 2 here: networks grow"),
        (_of("hgru"), _of("clstm"), "model='hgru' there, 'clstm' here, cannot be made of it"),
        (_of("clstm"), _of("clstm", channels=4), "channels=3 there, 4 here, cannot be made of it"),
        (_of("hgru"), _of("hgru", classes=3), "classes=2 there, 3 here, cannot be made of it"),
        (_of("clstm", kernel_size=5), _of("clstm"), "kernel_size=5 there, 3 here: networks grow"),
    ],
)
def test_what_cannot_grow_is_told(there, here, says):
    with pytest.raises(rsf.InputError, match=f"weights of a {there.model} cannot be begun") as e:
        check_growth(there, here)
    assert says in str(e.value)


@pytest.mark.slow
def test_training_begins_with_grown_weights(run, tmp_path, capsys):
    config, workdir = run
    larger = config.replace(channels=5, kernel_size=5, init_from=str(workdir), updates=1)
    train(larger, open_dataset(larger), tmp_path / "larger")
    assert f"Begins with the weights of update 5 in {workdir}" in capsys.readouterr().out
    smaller = config.replace(channels=3, init_from=str(workdir), updates=1)
    with pytest.raises(rsf.InputError, match=r"channels=4 there, 3 here: networks grow"):
        train(smaller, open_dataset(smaller), tmp_path / "smaller")
