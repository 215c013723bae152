"""Policies as files keep them."""

import json

import flax.struct
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.policies import check_registered, entry, from_spec, read_policy, renewed, to_spec
from tests.policies import own

SPECS = {
    "s8f2": {"kind": "schedule", "slow_steps": 8, "fast_steps": 2},
    "pattern:rtol=0.2:12": {
        "kind": "halting",
        "metric": "pattern",
        "threshold": 1e-9,
        "max_steps": 12,
        "min_steps": 1,
        "min_first_steps": 1,
        "epsilon": 1e-8,
        "rtol": 0.2,
    },
}


@pytest.mark.parametrize("text", SPECS)
def test_a_file_has_kind_and_numbers_beside_the_text(text):
    policy = rsf.parse_policy(text)
    written = json.loads(json.dumps(entry(policy, "reference")))
    assert written == {"reference": text, "reference_spec": SPECS[text]}
    assert read_policy(written, "reference") == from_spec(SPECS[text]) == policy


def test_how_a_schedule_is_differentiated_is_no_part_of_it():
    assert to_spec(rsf.FixedSchedule(8, 2, rsf.policies.schedule.BPTT("step"))) == SPECS["s8f2"]


def test_values_for_each_sample_are_kept():
    policy = rsf.DistanceHalting("l1", np.array([0.5, 0.25]), 4)
    spec = json.loads(json.dumps(to_spec(policy)))
    assert spec["threshold"] == [0.5, 0.25]
    assert from_spec(spec) == policy


def test_files_of_earlier_versions_have_texts_alone():
    old = {"policy": "pattern:1e-09:12:rtol=0.2", "miou": 0.5}
    assert read_policy(old) == rsf.parse_policy("pattern:rtol=0.2:12")
    text = "pattern:rtol=0.2:12"
    assert renewed(old) == {"policy": text, "policy_spec": SPECS[text], "miou": 0.5}
    assert renewed(renewed(old)) == renewed(old)


@pytest.mark.parametrize("text", ["mine:0.5:12", "mine(threshold=Array(0.5), max_steps=12)"])
def test_what_is_not_known_can_be_shown(text):
    assert renewed({"policy": text}) == {"policy": text, "policy_spec": {"kind": "mine"}}
    assert renewed({"policy": text, "policy_spec": []})["policy_spec"] == {"kind": "mine"}


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    "values",
    [
        {"rate": None},
        {"rate": float("inf")},
        {"mode": "x:y"},
        {"mode": "x+y"},
        {"mode": ""},
        {"mode": "5"},
        {"mode": 5},
    ],
    ids=str,
)
def test_what_no_text_can_carry_is_read_from_the_spec(values):
    @rsf.register_policy("moody")
    @flax.struct.dataclass
    class Moody(own.Countdown):
        rate: float | None = 0.5
        mode: int | str = flax.struct.field(pytree_node=False, default="calm")

    policy = Moody(**values)
    written = json.loads(json.dumps(entry(policy)))
    found = read_policy(written)
    assert found == policy
    assert type(found.mode) is type(policy.mode)
    with pytest.raises(rsf.InputError, match="one of them is wrong"):
        read_policy(written | {"policy": "moody:0.25"})


def test_text_and_spec_are_of_one_policy():
    with pytest.raises(rsf.InputError, match=r"policy is 's3f3', policy_spec says .* is wrong"):
        read_policy({"policy": "s3f3", "policy_spec": SPECS["s8f2"]})


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"kind": "haltin"},
            "kind 'haltin' is none of schedule, halting, gate, .*; did you mean 'halting'",
        ),
        ({}, "kind None is none of"),
        ([], "describes no policy"),
        ({"kind": "schedule", "slow_steps": 0, "fast_steps": 1}, "slow steps must be"),
        ({"kind": "schedule", "slow_steps": 1}, "missing 1 required"),
        ({"kind": "halting", "color": 1}, "unexpected keyword"),
        ({"kind": "halting", "metric": "l3"}, "metric is 'l3': choose one of l1, l2"),
    ],
)
def test_what_is_no_spec_is_told(spec, message):
    with pytest.raises(rsf.InputError, match=message):
        from_spec(spec)


def test_what_is_not_registered_is_described_by_its_class():
    @flax.struct.dataclass
    class Mine(own.Countdown):
        pass

    spec = to_spec(Mine(0.5))
    assert spec.pop("kind").endswith("Mine")
    assert spec == {"rate": 0.5, "max_steps": 6, "eager": False}


@pytest.mark.usefixtures("registry")
def test_a_users_policy_that_is_not_there_is_no_damage():
    own.register()
    found = [entry(own.Countdown(0.5)), entry(rsf.DistanceHalting("largest", 0.5, 3))]
    for values in found:
        check_registered(values)
    del rsf.policies.POLICIES["countdown"], rsf.policies.METRICS["largest"]
    for values, message in zip(found, ("'countdown' is none of", "metric 'largest', which is no")):
        with pytest.raises(rsf.InputError, match=message):
            check_registered(values)
    check_registered({"policy": "mine:0.5"})
