"""The halting head: what it sees, that it is there only if asked for, and that it travels."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config, untrained

import rsf_jax as rsf
from rsf_jax.config.cost import cost
from rsf_jax.models.halting_head import HaltingHead, movement
from rsf_jax.pretrained import model_card
from rsf_jax.trained.growing import check_growth, grow

SIZE = (8, 9)
KEY = jax.random.key(0)


def _variables(config):
    frames = jnp.zeros((1, 1, *SIZE, config.input_channels))
    return jax.jit(rsf.build_model(config).init)(KEY, frames)


def _states(count=3, channels=4):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, count, channels, 5, 6)).astype(np.float32)


def _relative(before, after):
    size = (np.square(before).sum((1, 2, 3)) + np.square(after).sum((1, 2, 3))) / 2
    moved = np.square(after - before).sum((1, 2, 3))
    return 1 + np.log10(moved / np.where(size > 0, size, 1) + 1e-6) / 3


def _by_hand(params, before, after):
    mean, deviation = (f(after, (2, 3), keepdims=True) for f in (np.mean, np.std))
    normal = (after - mean) / np.sqrt(deviation**2 + 1e-3)
    content = np.einsum("bchw,cf->bfhw", normal, params["kernel"])
    content = np.maximum(content + params["bias"][None, :, None, None], 0).mean((2, 3))
    patterns = (x - x.mean((2, 3), keepdims=True) for x in (before, after))
    moved = np.stack([_relative(before, after), _relative(*patterns)], 1)
    seen = np.concatenate([content, moved], 1)
    hidden = np.maximum(seen @ params["dense"]["kernel"] + params["dense"]["bias"][None], 0)
    return (hidden @ params["out"]["kernel"] + params["out"]["bias"][None])[:, 0]


def test_it_is_what_its_equations_say():
    before, after = _states()
    head = HaltingHead(0.3)
    params = head.init(jax.random.key(0), before, after)["params"]
    at_first = head.apply({"params": params}, before, after)
    np.testing.assert_allclose(jax.nn.sigmoid(at_first), 0.3, rtol=1e-5)
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), params)
    found = head.apply({"params": params}, before, after)
    np.testing.assert_allclose(found, _by_hand(params, before, after), rtol=1e-4, atol=1e-4)
    assert np.ptp(found) > 0.1


def test_movement_is_told_in_decades_of_the_size():
    _, after = _states()
    zeros = jnp.zeros_like(after)
    still, leap = movement(after, after), movement(zeros, after)
    np.testing.assert_allclose(still, -1, atol=1e-5)
    np.testing.assert_allclose(leap, 1 + np.log10(2) / 3, atol=1e-5)
    np.testing.assert_allclose(movement(zeros, zeros), -1, atol=1e-5)
    np.testing.assert_allclose(movement(after, 1.001 * after), 1 - 2, atol=0.11)
    drift = movement(after, after + 1)
    assert (drift[:, 0] > 0.5).all()
    np.testing.assert_allclose(drift[:, 1], -1, atol=1e-3)
    gradient = jax.grad(lambda x: movement(x, after).sum())(after)
    assert np.isfinite(gradient).all()


def test_weights_are_those_of_the_model_without_it():
    plain, headed = (_variables(tiny_config(halting_head=head)) for head in ("", "ponder"))
    rest = {name: part for name, part in headed["params"].items() if name != "halting"}
    jax.tree.map(np.testing.assert_array_equal, rest, dict(plain["params"]))


@pytest.mark.parametrize("model", ["clstm", "dru"])
def test_every_recurrent_network_has_it_if_it_is_asked_for(model):
    config = tiny_config(model=model, input_channels=3)
    frames = jax.ShapeDtypeStruct((1, 1, 16, 17, 3), jnp.float32)
    plain, headed = (
        jax.eval_shape(rsf.build_model(config.replace(halting_head=head)).init, KEY, frames)
        for head in ("", "act")
    )
    rest = {name: part for name, part in headed["params"].items() if name != "halting"}
    assert rest == dict(plain["params"])
    assert set(headed["params"]["halting"]) == {"kernel", "bias", "dense", "out"}


def test_a_fixed_schedule_does_not_see_it():
    config = tiny_config()
    plain, headed = (untrained(SIZE, halting_head=head) for head in ("", "ponder"))
    frames = np.random.default_rng(0).random((2, 2, *SIZE, 1), np.float32)
    schedule = rsf.FixedSchedule(2, 1)
    out, same = (trained.run(frames, schedule) for trained in (plain, headed))
    np.testing.assert_array_equal(out.logits, same.logits)
    assert str(plain.schedule) == f"s{config.slow_steps}f{config.fast_steps}"
    assert str(headed.schedule) == f"ponder:0.5:{config.slow_steps}"


def test_it_travels_with_published_names_and_cards(tmp_path):
    trained = untrained(SIZE, halting_head="ponder")
    tensors = rsf.interop.to_torch(trained.variables, trained.config)
    assert {name for name in tensors if name.startswith("halting.")} == {
        f"halting.{name}"
        for name in ("kernel", "bias", "dense.kernel", "dense.bias", "out.kernel", "out.bias")
    }
    back = rsf.interop.to_flax(tensors, trained.config)
    jax.tree.map(np.testing.assert_array_equal, dict(back), dict(trained.variables))
    with pytest.raises(rsf.InputError, match=r"halting\.bias is unknown"):
        rsf.interop.to_flax(tensors, trained.config.replace(halting_head=""))
    model, _ = rsf.interop.load_published(tensors, halting_head="ponder")
    assert model.halting_head == "ponder"
    told = json.loads(json.dumps(dataclasses.asdict(trained.config)))
    assert rsf.build_model(rsf.Config(**told)) == trained.model
    assert model_card is not None


def test_training_may_begin_with_weights_without_one():
    there = tiny_config()
    here = there.replace(halting_head="ponder")
    check_growth(there, here)
    weights, fresh = _variables(there), _variables(here)
    weights = jax.tree.map(lambda x: x + 1, weights)
    grown = grow(weights, fresh)
    jax.tree.map(
        np.testing.assert_array_equal, grown["params"]["halting"], fresh["params"]["halting"]
    )
    del grown["params"]["halting"]
    jax.tree.map(np.testing.assert_array_equal, grown, dict(weights))
    for other in (there, here.replace(halting_head="act")):
        with pytest.raises(rsf.InputError, match="halting_head='ponder' there"):
            check_growth(here, other)


def test_its_cost_is_a_small_part_of_a_step():
    plain, headed = (cost(tiny_config(halting_head=head), (32, 32)) for head in ("", "ponder"))
    assert headed.parameters - plain.parameters == 3 * 16 + 16 + 18 * 16 + 16 + 16 + 1
    more = headed.per_step - plain.per_step
    assert more == 32 * 32 * 3 * 16 + 18 * 16 + 16


BAD = [
    ({"halting_head": "pondering"}, "config.halting_head is 'pondering': it must be ponder"),
    ({"halting_head": "ponder", "model": "ff6"}, "no place for a head"),
    ({"halting_head": "ponder", "gradient": "rbp"}, "empty unless training is by bptt"),
    ({"halting_head": "ponder", "step_decay": 0.4}, "config.step_decay is 0.4: it must be 0"),
    ({"ponder_prior": 1.0}, "config.ponder_prior is 1.0: it must be above 0 and below 1"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    single = {"slow_steps": 1, "fast_steps": 1, "norm_statistics": "running"}
    changes = changes | (single if changes.get("model") == "ff6" else {})
    with pytest.raises(rsf.InputError) as error:
        tiny_config(**changes)
    assert message in str(error.value)


def test_a_model_says_what_its_head_must_be():
    cell = rsf.build_model(tiny_config()).cell
    with pytest.raises(rsf.InputError, match="halting_head is 'stop': choose one of ponder, act"):
        rsf.RecurrentModel(cell, halting_head="stop")
    with pytest.raises(rsf.InputError, match="ponder_prior is 0"):
        rsf.RecurrentModel(cell, halting_head="ponder", ponder_prior=0.0)


@pytest.mark.parametrize(
    ("name", "schedule"),
    [("quickstart_ponder", (3, 3)), ("quickstart_ponder6", (6, 6)), ("camvid_ponder2", (2, 2))],
)
def test_presets_have_it_on_every_frame(name, schedule):
    config = rsf.get_config(name)
    assert config.halting_head == "ponder"
    assert (config.slow_steps, config.fast_steps) == schedule
    assert (config.name, config.step_decay) == (name, 0.0)
