import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reproduction.paper import presets as paper_presets

import rsf_jax as rsf
from rsf_jax.cells import CELLS
from rsf_jax.config import build, config, presets
from rsf_jax.config import fields as settings
from rsf_jax.gradients import (
    BPTT,
    RBP,
    JacobianPenalty,
    LipschitzPenalty,
    Phantom,
    bptt,
    neumann,
)
from rsf_jax.ops import conv, norm


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


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_small_windows_have_the_papers_network(name):
    paper, small = rsf.get_config(f"{name}_s8f2"), rsf.get_config(f"{name}64_s8f2")
    assert small.dataset == f"t_pathfinder/{name}64"
    for field in (*config.MODEL_FIELDS, "slow_steps", "fast_steps", "norm_statistics"):
        assert getattr(small, field) == getattr(paper, field)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hard_s8f88", "8 slow and 88 fast steps"),
        ("hard_s0f0", "slow >= fast >= 1"),
        ("hard_s2f3", "slow >= fast >= 1"),
        ("hrd_s8f8", "did you mean 'hard_s8f8'"),
        ("quikstart", "did you mean 'quickstart'"),
        ("hard_ff9", "did you mean 'hard_ff8'"),
        ("hard_s8f8_clsm", "did you mean 'hard_s8f8_clstm'"),
        ("hard_s8f8_ff8", "unknown preset 'hard_s8f8_ff8'"),
        ("pathfinder14_crbp_n20", "did you mean 'pathfinder14_c_rbp_n20'"),
        ("pathfinder15_c_rbp_n20", "did you mean 'pathfinder25_c_rbp_n20'"),
        ("pathfinder14_bptt_n0", "unknown preset 'pathfinder14_bptt_n0'"),
        ("pathfinder14_bptt_n6_ff6", "unknown preset"),
        ("maze_s3f1", "unknown preset 'maze_s3f1': did you mean"),
        ("mazes_easy_s3f1", "unknown preset 'mazes_easy_s3f1'"),
        ("mazes_temporal12", "unknown preset 'mazes_temporal12'"),
        ("mazes_static16_bptt_n4", "did you mean 'mazes_static12_bptt_n20'"),
        ("hard_s8f8_", "did you mean 'hard_s8f8'"),
        ("medium_s8f8", "Presets are such as easy_s6f1, hard_s8f2_clstm_stateless, "),
        ("", "those that are registered; get_config tells all forms"),
    ],
)
def test_unknown_presets_are_named_with_what_is_allowed(name, message):
    with pytest.raises(rsf.InputError) as error:
        rsf.get_config(name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_examples_of_the_message_are_presets():
    for example in presets.EXAMPLES:
        assert rsf.get_config(example).name == example


def test_one_model_for_every_budget_has_presets():
    config = rsf.get_config("hard_mixed3")
    assert (config.slow_steps, config.fast_steps) == (3, 3)
    schedules = build.build_training_schedules(config)
    assert [str(s) for s in schedules] == ["s3f3", "s3f2", "s3f1", "s2f2", "s1f1"]
    assert build.build_training_schedules(config.replace(schedules="")) == (
        build.build_schedule(config),
    )


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
        ("validation_share", 1.0, "above 0 and below 1"),
        ("batch_size", 0, "at least 1"),
        ("max_minutes", -1.0, "at least 0"),
        ("norm_statistics", "instance", "sample, batch"),
        ("model", "gru", "hgru, clstm, dru, ff6"),
        ("model", "clsm", "did you mean 'clstm'"),
        ("conv_method", "winograd", "auto, fft, direct"),
        ("remat", "all", "none, step, sqrt"),
        ("gradient", "crbp", "did you mean 'c_rbp'"),
        ("neumann_terms", -1, "at least 0"),
        ("neumann_guard", "all", "sample, batch"),
        ("penalty_weight", -1.0, "at least 0"),
        ("penalty_bound", 1.0, "at least 0 and below 1"),
        ("phantom_damping", 0.0, "above 0 and at most 1"),
        ("jacobian_weight", -1.0, "at least 0, finite"),
        ("explosion", -2.0, "at least 0"),
        ("shrink", 0, "at least 1"),
        ("zoom", 0.5, "at least 1, finite"),
        ("color_jitter", 1.5, "at least 0 and at most 1"),
        ("class_balance", -0.1, "at least 0 and at most 1"),
        ("input_channels", -1, "at least 0"),
        ("classes", 256, "at most 255"),
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


@pytest.mark.parametrize("name", paper_presets())
def test_every_preset_of_the_paper_is_a_model(name):
    preset = rsf.get_config(name)
    assert preset.name == name
    model = rsf.build_model(preset)
    frames = jax.ShapeDtypeStruct((1, 1, 8, 8, 1), jnp.float32)
    assert jax.eval_shape(model.init, jax.random.key(0), frames)["params"]
    assert model.recurrent == (preset.model in CELLS)


def test_presets_of_other_models():
    config = rsf.get_config("hard_s8f4_clstm_stateless")
    assert (config.model, config.slow_steps, config.fast_steps) == ("clstm", 8, 4)
    assert not config.stateful
    config = rsf.get_config("easy_conv3dm")
    assert (config.model, config.channels, config.norm_statistics) == ("conv3dm", 30, "running")
    assert (config.slow_steps, config.fast_steps, config.epochs) == (1, 1, 100)
    config = rsf.get_config("quickstart_ff6")
    assert (config.name, config.model, config.kernel_size) == ("quickstart_ff6", "ff6", 9)


def test_presets_of_pathfinder():
    config = rsf.get_config("pathfinder14_c_rbp_n20")
    assert (config.dataset, config.gradient) == ("pathfinder/length14", "c_rbp")
    assert (config.slow_steps, config.fast_steps, config.model) == (20, 20, "hgru")
    assert (config.learning_rate, config.lr_schedule, config.batch_size) == (1e-3, "constant", 128)
    assert (config.epochs, config.focal_gamma, config.neumann_terms) == (20, 2.0, 15)
    assert (config.penalty_weight, config.penalty_bound, config.kernel_size) == (10.0, 0.9, 15)
    config = rsf.get_config("pathfinder_small6_one_step_n4_clstm")
    assert (config.dataset, config.model, config.slow_steps) == ("pathfinder/small6", "clstm", 4)


@pytest.mark.parametrize(
    ("name", "dataset", "model", "steps", "gradient"),
    [
        ("mazes_static12_c_rbp_n12", "static12", "hgru", (12, 12), "c_rbp"),
        ("mazes_static7_bptt_n6_clstm", "static7", "clstm", (6, 6), "bptt"),
        ("mazes_temporal12_s8f2", "temporal12", "hgru", (8, 2), "bptt"),
        ("mazes_hard12_mixed4", "hard12", "hgru", (4, 4), "bptt"),
        ("mazes_temporal12_conv3ds", "temporal12", "conv3ds", (1, 1), "bptt"),
    ],
)
def test_presets_of_mazes(name, dataset, model, steps, gradient):
    config = rsf.get_config(name)
    assert (config.name, config.dataset, config.model) == (name, f"mazes/{dataset}", model)
    assert (config.slow_steps, config.fast_steps) == steps
    assert (config.gradient, config.chunk_frames) == (gradient, 0)
    assert config.clip_norm == rsf.get_config("quickstart").clip_norm


@pytest.mark.parametrize(
    ("name", "dataset", "model", "steps", "updates"),
    [
        ("maze_quickstart", "static4", "hgru", (4, 1), 3000),
        ("maze_quickstart_clstm", "static4", "clstm", (4, 1), 3000),
        ("maze_quickstart_s6f2", "static4", "hgru", (6, 2), 3000),
        ("mazes_static7_live", "static7", "hgru", (8, 1), 2500),
        ("mazes_static12_live", "static12", "hgru", (12, 1), 2500),
        ("mazes_temporal12_live", "temporal12", "hgru", (12, 1), 2500),
        ("mazes_hard12_live_s8f2_clstm", "hard12", "clstm", (8, 2), 2500),
    ],
)
def test_presets_of_mazes_on_streams(name, dataset, model, steps, updates):
    config = rsf.get_config(name)
    assert (config.name, config.dataset, config.model) == (name, f"mazes/{dataset}", model)
    assert (config.slow_steps, config.fast_steps, config.updates) == (*steps, updates)
    assert (config.chunk_frames, config.kernel_size, config.noise) == (8, 5, 0.0)


@pytest.mark.parametrize("name", ["maze_quickstart_ff6", "mazes_hard12_live_ff6"])
def test_what_has_no_state_has_no_presets_on_streams(name):
    with pytest.raises(rsf.InputError, match="unknown preset"):
        rsf.get_config(name)


def test_configurations_name_estimators_with_their_settings():
    config = rsf.get_config("hard_s8f2").replace(
        neumann_terms=7, neumann_guard="batch", remat="sqrt", penalty_weight=2.0, penalty_bound=0.5
    )
    config = config.replace(phantom_damping=0.25, jacobian_weight=0.5, seed=3)
    for name, estimator in (
        ("bptt", BPTT("sqrt")),
        ("rbp", RBP(7, "batch")),
        ("one_step", RBP(0, "batch")),
        ("phantom", Phantom(7, 0.25)),
    ):
        plain, contractor, shrunk = (
            config.replace(gradient=prefix + name) for prefix in ("", "c_", "j_")
        )
        assert build.build_schedule(plain) == rsf.FixedSchedule(8, 2, estimator)
        assert build.training_schedule(plain) == rsf.FixedSchedule(8, 2)
        assert build.build_schedule(contractor) == rsf.FixedSchedule(8, 2, estimator)
        assert build.build_penalty(plain) is None
        assert build.build_penalty(contractor) == LipschitzPenalty(2.0, 0.5)
        assert build.build_schedule(shrunk) == rsf.FixedSchedule(8, 2, estimator)
        assert build.build_penalty(shrunk) == JacobianPenalty(0.5, seed=3)


def test_presets_of_equilibrium_models():
    config = rsf.get_config("quickstart_streamdeq")
    assert (config.gradient, config.slow_steps, config.fast_steps) == ("c_rbp", 12, 12)
    assert (config.stateful, config.model, config.channels) == (False, "hgru", 12)
    config = rsf.get_config("hard_deq_clstm")
    assert (config.name, config.stateful, config.model) == ("hard_deq_clstm", True, "clstm")
    for name in ("camvid_deq", "quickstart_deq_ff6", "quickstart_live_deq", "easy_streamdeq_dru"):
        with pytest.raises(rsf.InputError, match="unknown preset"):
            rsf.get_config(name)
    with pytest.raises(rsf.InputError, match="did you mean 'quickstart_streamdeq'"):
        rsf.get_config("quickstart_stremdeq")


def test_settings_that_a_model_cannot_have_are_named():
    with pytest.raises(rsf.InputError, match="norm_statistics is 'sample': it must be running or"):
        rsf.get_config("hard_s8f8").replace(model="ff6")
    with pytest.raises(rsf.InputError, match="slow_steps is 3: it must be 1: model ff8 has no"):
        rsf.get_config("hard_ff8").replace(slow_steps=3)
    with pytest.raises(rsf.InputError, match="'running': it must be sample or batch for model hg"):
        rsf.get_config("hard_s8f8").replace(norm_statistics="running")
    with pytest.raises(rsf.InputError, match="gradient is 'rbp': it must be bptt for model ff8"):
        rsf.get_config("hard_ff8").replace(gradient="rbp")
    with pytest.raises(rsf.InputError, match="diagnostics is True: it must be false for model ff8"):
        rsf.get_config("hard_ff8").replace(diagnostics=True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gradient": "c_rbp"}, "1 unless a recurrence is trained by bptt"),
        ({"gradient": "one_step"}, "1 unless a recurrence is trained by bptt"),
        ({"stateful": False}, "1 where no state is carried"),
    ],
)
def test_gradients_across_frames_need_a_state_and_bptt(changes, says):
    config = rsf.get_config("quickstart").replace(gradient_frames=4)
    assert config.replace(gradient="c_bptt").gradient_frames == 4
    with pytest.raises(rsf.InputError, match=f"config.gradient_frames is 4: it must be {says}"):
        config.replace(**changes)


@pytest.mark.parametrize(
    ("bounds", "good", "bad", "words"),
    [
        ({"least": 1}, [1, 9], [0, -1, float("nan")], "at least 1"),
        ({"above": 0, "finite": True}, [0.1], [0, float("inf")], "above 0, finite"),
        ({"least": 0, "most": 1}, [0, 1], [-0.1, 1.1], "at least 0 and at most 1"),
        ({"above": 0, "below": 1}, [0.5], [0, 1], "above 0 and below 1"),
        ({"least": 1, "odd": True}, [1, 3], [2, -1], "odd and at least 1"),
        ({"least": 2, "or_zero": True}, [0, 2], [1, -2], "at least 2, or 0"),
    ],
)
def test_what_is_known_of_a_setting_stands_at_its_field(bounds, good, bad, words):
    @dataclasses.dataclass
    class Mine:
        size: float = settings.setting(3.0, "text", weights=True, resume=settings.FREE, **bounds)
        kind: str = settings.setting("a", "text", choices=("a", "b"))

    size, kind = dataclasses.fields(Mine)
    assert [settings.checked_value(size, value) for value in good] == good
    for value in bad:
        with pytest.raises(rsf.InputError) as error:
            settings.checked_value(size, value)
        assert str(error.value) == f"config.size is {value!r}: it must be {words}"
    with pytest.raises(rsf.InputError, match=r"config\.kind is 'c': choose one of a, b"):
        settings.checked_value(kind, "c")
    assert settings.names_where(Mine, weights=True) == ("size",)
    assert settings.names_where(Mine, resume=settings.FIXED) == ("kind",)


def test_what_settings_say_of_themselves():
    assert set(config.OF_THE_DATASET) == {"input_channels", "classes"}
    assert {"model", "options", "channels", "kernel_size"} <= set(config.MODEL_FIELDS)
    assert {"save_every", "init_from", "devices"} <= set(config.FREE_ON_RESUME)
    assert not {"updates", "seed", *config.MODEL_FIELDS} & set(config.FREE_ON_RESUME)
    constant = rsf.Config(lr_schedule="constant")
    free = config.free_on_resume(constant)
    assert set(free) - set(config.FREE_ON_RESUME) == {"epochs", "updates"}
    cosine = constant.replace(lr_schedule="cosine")
    assert config.free_on_resume(cosine) == config.FREE_ON_RESUME


def test_choices_are_those_of_what_they_are_made_for():
    choices = {field.name: field.metadata["choices"] for field in dataclasses.fields(rsf.Config)}
    assert choices["conv_method"] is conv.METHODS
    assert choices["remat"] is bptt.REMAT
    assert choices["neumann_guard"] is neumann.GUARDS
    assert set(choices["norm_statistics"]) == {*norm.STATISTICS, *norm.RUNNING_STATISTICS}


def test_numbers_of_numpy_are_numbers():
    config = rsf.Config(channels=np.int64(12), learning_rate=np.float64(0.5), augment=np.bool_(0))
    assert (config.channels, config.learning_rate, config.augment) == (12, 0.5, False)
    assert type(config.channels) is int
    assert rsf.FixedSchedule(np.int64(3), np.int32(1)) == rsf.FixedSchedule(3, 1)
    assert rsf.DistanceHalting(max_steps=np.int64(3)) == rsf.DistanceHalting(max_steps=3)
