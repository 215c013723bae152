"""Policies and metrics of users' own, by name."""

import json
import re
from pathlib import Path

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax.config.registry import load_cells
from rsf_jax.policies import METRICS, POLICIES, from_spec, policy_name, to_spec
from tests.policies import own

pytestmark = pytest.mark.usefixtures("registry")


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("countdown:0.5", own.Countdown(0.5)),
        ("countdown:0.5:max_steps=12", own.Countdown(0.5, 12)),
        ("countdown:0.5:max_steps=3:eager=True", own.Countdown(0.5, 3, True)),
        ("largest:0.5:12", rsf.DistanceHalting(own.largest, 0.5, 12)),
        ("largest:rtol=0.1:4", rsf.DistanceHalting(own.largest, 1e-9, 4, rtol=0.1)),
    ],
)
def test_what_is_registered_has_a_text_and_a_spec(text, policy):
    own.register()
    assert rsf.parse_policy(text) == policy
    assert policy_name(policy) == text
    spec = json.loads(json.dumps(to_spec(policy)))
    assert from_spec(spec) == policy
    assert spec["kind"] == ("countdown" if text.startswith("c") else "halting")


def test_arguments_are_given_in_order_or_by_name():
    own.register()
    wanted = own.Countdown(0.25, 9, True)
    for text in ("0.25:9:true", "0.25:9:eager=true", "rate=0.25:eager=True:max_steps=9"):
        assert rsf.parse_policy(f"countdown:{text}") == wanted


WRONG = {
    "countdown": "rate is missing: the arguments are rate:[max_steps]:[eager]",
    "countdown:0.5:9:true:1": "'1' has no place: the arguments are rate",
    "countdown:rate=0.5:9": "'9' has no place",
    "countdown:0.5:max_step=9": "'max_step' is none of rate, max_steps, eager; did you mean 'max_s",
    "countdown:0.5:rate=0.6": "rate is given twice",
    "countdown:fast": "rate is 'fast': float is needed",
    "countdown:0.5:1.5": "max_steps is '1.5': int is needed",
    "countdwn:0.5:9": "countdown; did you mean 'countdown'?",
    "largst:0.5:9": "did you mean 'largest'?",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_arguments_are_told_in_one_line(text):
    own.register()
    with pytest.raises(rsf.InputError) as error:
        rsf.parse_policy(text)
    assert WRONG[text] in str(error.value)
    assert repr(text) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_may_be_none_is_read_as_such():
    @rsf.register_policy("patient")
    @flax.struct.dataclass
    class Patient(own.Countdown):
        rate: float | None = 0.5

    assert rsf.parse_policy("patient:rate=None") == Patient(rate=None)
    assert policy_name(Patient(rate=None)) == "patient:rate=None"
    with pytest.raises(rsf.InputError, match="rate is 'slow': float or None is needed"):
        rsf.parse_policy("patient:slow")


def test_a_function_makes_policies_that_are_known():
    rsf.register_policy("twice", lambda count: rsf.FixedSchedule(int(2 * count), int(count)))
    assert rsf.parse_policy("twice:3") == rsf.FixedSchedule(6, 3)
    rsf.register_policy("nothing", lambda: None)
    with pytest.raises(rsf.InputError, match="None was made, which is no step policy"):
        rsf.parse_policy("nothing")
    with pytest.raises(rsf.InputError, match="policy 'twice:nan': ValueError: cannot convert"):
        rsf.parse_policy("twice:nan")


def test_rules_run_under_their_names_and_thresholds_share_a_program():
    own.register()
    config = tiny_config(channels=2)
    model = rsf.build_model(config)
    frames = np.random.default_rng(0).random((2, 2, 8, 9, 1), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    traced = []

    @jax.jit
    def steps(policy):
        traced.append(type(policy))
        return rsf.run_video(model, variables, frames, policy).steps

    for name in ("countdown:{}:max_steps=9", "largest:{}:9"):
        strict, loose = (rsf.parse_policy(name.format(x)) for x in (1e-6, 1e6))
        assert steps(strict).max() == 9
        assert steps(loose).max() <= 2
    assert traced == [own.Countdown, rsf.DistanceHalting]
    by_name = rsf.run_video(model, variables, frames, rsf.DistanceHalting("largest", 0.9, 9))
    by_function = rsf.run_video(model, variables, frames, rsf.DistanceHalting(own.largest, 0.9, 9))
    np.testing.assert_array_equal(by_name.steps, by_function.steps)


def test_a_name_gets_another_function_and_what_was_compiled_is_not_used():
    def define(scale):
        @rsf.register_metric("mine")
        def mine(a, b):
            return scale * jnp.ones(a.shape[0]) * (1 if scale else 0)

        return rsf.DistanceHalting("mine", 0.5, 4)

    model = rsf.build_model(tiny_config(channels=2))
    frames = np.zeros((1, 1, 8, 8, 1), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    moving, still = define(1.0), define(0.0)
    assert rsf.run_video(model, variables, frames, moving).steps.item() == 4
    assert rsf.run_video(model, variables, frames, still).steps.item() == 1
    # The one before goes on as it was, without a name that would stand for the other.
    assert (policy_name(still), policy_name(moving)) == ("mine:0.5:4", f"{__name__}.mine:0.5:4")


def test_the_same_class_again_takes_the_place_of_the_first():
    def define():
        @rsf.register_policy("mine")
        @flax.struct.dataclass
        class Mine(own.Countdown):
            pass

        return Mine

    first, second = define(), define()
    assert first is not second
    assert POLICIES["mine"] is second


@pytest.mark.parametrize("name", ["l2", "schedule", "halting"])
def test_names_of_the_library_are_refused(name):
    with pytest.raises(rsf.InputError, match=f"policy name '{name}' is one of this library"):
        rsf.register_policy(name, own.Countdown)
    with pytest.raises(rsf.InputError, match=f"metric name '{name}' is one of this library"):
        rsf.register_metric(name, own.largest)


@pytest.mark.parametrize("name", ["", "Mine", "a:b", "a=b", "a,b", "s8f2", "calibrated", "a-b"])
def test_names_that_texts_cannot_carry(name):
    with pytest.raises(rsf.InputError, match="cannot name a policy: use lower-case"):
        rsf.register_policy(name)
    with pytest.raises(rsf.InputError, match="cannot name a metric: use lower-case"):
        rsf.register_metric(name)


def test_a_name_stands_for_one_thing():
    own.register()
    for register in (rsf.register_policy, rsf.register_metric):
        for name in ("countdown", "largest"):
            with pytest.raises(rsf.InputError, match=f"name '{name}' is taken by tests.pol"):
                register(name, lambda: None)


def test_what_is_no_policy_is_not_registered():
    @flax.struct.dataclass
    class Kind(own.Countdown):
        kind: str = ""

    class Late(own.Countdown):
        """The decorators are in the wrong order."""

    register = rsf.register_policy("mine")
    for wrong, message in (
        (own.Countdown(0.5), "give its class"),
        (dict, "has no method unroll"),
        (Late, "is no dataclass: put @flax.struct.dataclass between"),
        (Kind, "call that field otherwise"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            register(wrong)
    with pytest.raises(rsf.InputError, match="a function of two feature maps is needed"):
        rsf.register_metric("mine", "l2")
    assert "mine" not in POLICIES
    assert "mine" not in METRICS


def test_the_example_of_the_documentation_runs():
    page = (Path(__file__).parents[2] / "docs" / "guides" / "own-policy.md").read_text()
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "largest" in c)
    exec(code, {"__name__": "example"})
    model = rsf.build_model(tiny_config(channels=2))
    frames = np.zeros((1, 2, 8, 8, 1), np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), frames)
    for text in ("settled:0.01:7", "largest:0.5:12", "largest:rtol=0.1:12"):
        assert f"{text}" in page
        policy = rsf.parse_policy(text)
        assert policy_name(policy) == text
        steps = rsf.run_video(model, variables, frames, policy).steps
        assert 1 <= steps.max() <= policy.max_steps
    spec = '{"kind": "settled", "below": 0.01, "max_steps": 7}'
    assert to_spec(rsf.parse_policy("settled:0.01:7")) == json.loads(spec)
    assert spec in page


def test_a_file_registers_policies_and_metrics(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import rsf_jax as rsf\n"
        "from tests.policies.own import Countdown, largest\n"
        "rsf.register_policy('countdown', Countdown)\n"
    )
    load_cells(path)
    assert rsf.parse_policy("countdown:0.5") == own.Countdown(0.5)
    other = path.read_text().replace("policy('countdown', Countdown", "metric('largest', largest")
    path.write_text(other)
    load_cells(path)
    assert METRICS["largest"] is own.largest
