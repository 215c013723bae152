import dataclasses

import pytest

import rsf_jax as rsf
from rsf_jax.cells import CELLS


def test_the_papers_recipe_is_the_default():
    config = rsf.get_config("hard_s8f2")
    assert (config.dataset, config.slow_steps, config.fast_steps) == ("t_pathfinder/hard", 8, 2)
    assert (config.channels, config.kernel_size, config.stateful) == (25, 15, True)
    assert (config.learning_rate, config.lr_decay, config.lr_decay_epochs) == (1e-3, 0.7, 25)
    assert (config.epochs, config.batch_size, config.focal_gamma) == (100, 10, 2.0)
    assert (config.lr_schedule, config.validation_share) == ("steps", 0.1)


def test_preset_names_say_what_they_are():
    config = rsf.get_config("easy_s6f1_stateless")
    assert config.name == "easy_s6f1_stateless"
    assert (config.dataset, config.slow_steps, config.fast_steps) == ("t_pathfinder/easy", 6, 1)
    assert not config.stateful


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hard_s8f88", "8 slow and 88 fast steps"),
        ("hard_s0f0", "slow >= fast >= 1"),
        ("hard_s2f3", "slow >= fast >= 1"),
        ("hrd_s8f8", "did you mean 'hard_s8f8'"),
        ("quikstart", "did you mean 'quickstart'"),
        ("hard_s8f8_", "did you mean 'hard_s8f8'"),
        ("medium_s8f8", "Presets are quickstart and"),
        ("", "Presets are quickstart and"),
    ],
)
def test_unknown_presets_are_named_with_what_is_allowed(name, message):
    with pytest.raises(rsf.InputError) as error:
        rsf.get_config(name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("slow_steps", 0, "at least 1"),
        ("fast_steps", -1, "at least 1"),
        ("kernel_size", 4, "odd"),
        ("classes", 1, "at least 2"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("inf"), "finite"),
        ("learning_rate", float("nan"), "above 0"),
        ("validation_share", 1.0, "between 0 and 1"),
        ("batch_size", 0, "at least 1"),
        ("max_minutes", -1.0, "at least 0"),
        ("norm_statistics", "instance", "sample, batch"),
        ("cell", "gru", "hgru"),
        ("conv_method", "winograd", "auto, fft, direct"),
        ("remat", "all", "none, step, sqrt"),
        ("channels", 2.5, "int is needed"),
        ("stateful", 1, "bool is needed"),
        ("batch_size", True, "int is needed"),
        ("learning_rate", "fast", "float is needed"),
    ],
)
def test_every_bad_value_is_named_with_what_is_allowed(field, value, allowed):
    with pytest.raises(rsf.InputError) as error:
        rsf.get_config("quickstart").replace(**{field: value})
    assert f"config.{field} is {value!r}" in str(error.value)
    assert allowed in str(error.value)


def test_every_field_has_a_comment_for_help():
    for field in dataclasses.fields(rsf.Config):
        assert field.metadata["comment"], field.name


def test_every_cell_can_be_chosen():
    cell = next(f for f in dataclasses.fields(rsf.Config) if f.name == "cell")
    assert set(cell.metadata["choices"]) == set(CELLS)
