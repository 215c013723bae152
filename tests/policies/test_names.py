"""Policies as launchers write them."""

import re

import jax
import pytest

import rsf_jax as rsf
from rsf_jax.policies import NEVER, file_suffix, names, policy_name, renamed

POLICIES = {
    "s8f2": rsf.FixedSchedule(8, 2),
    "l2:1.0:12": rsf.DistanceHalting("l2", 1.0, 12),
    "l1:0.85:7:min_steps=3:min_first_steps=5:rtol=0.0001:epsilon=0.001": rsf.DistanceHalting(
        "l1", 0.85, 7, min_steps=3, min_first_steps=5, rtol=1e-4, epsilon=1e-3
    ),
    "pattern:rtol=0.2:12": rsf.DistanceHalting("pattern", NEVER, 12, rtol=0.2),
    "l2:rtol=0.1:9:min_first_steps=3": rsf.DistanceHalting(
        "l2", NEVER, 9, min_first_steps=3, rtol=0.1
    ),
    "l2:rtol=0.0:3": rsf.DistanceHalting("l2", NEVER, 3),
}


@pytest.mark.parametrize("text", POLICIES)
def test_policies_can_be_named(text):
    policy = rsf.parse_policy(text)
    assert policy == POLICIES[text]
    assert str(policy) == policy_name(policy) == text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pattern:1e-09:12:rtol=0.2", "pattern:rtol=0.2:12"),
        ("pattern:1e-9:12:rtol=0.2", "pattern:rtol=0.2:12"),
        ("l2:1e-09:9:min_first_steps=3:rtol=0.1", "l2:rtol=0.1:9:min_first_steps=3"),
    ],
)
def test_texts_of_earlier_versions_stand_for_the_same_policies(old, new):
    assert rsf.parse_policy(old) == rsf.parse_policy(new)
    assert renamed(old) == new
    # Tests of a run are found under the names that their files have had.
    old_suffix = old.replace("1e-9", "1e-09").replace(":", "_").replace("=", "_")
    assert file_suffix(rsf.parse_policy(new)) == old_suffix


def test_texts_that_nobody_knows_stay_as_they_are():
    assert renamed("mine:0.5:12") == "mine:0.5:12"


def test_messages_name_every_kind_that_help_names():
    kinds = set(re.findall(r"([a-z]+):[A-Z]", names.GRAMMAR))
    assert kinds == set(re.findall(r"([a-z]+):[A-Z]", names.FORMS))
    assert len(names.FORMS) < 500


def test_numbers_are_kept_to_the_bit():
    threshold = 0.1 + 0.2
    named = rsf.parse_policy(str(rsf.DistanceHalting(threshold=threshold)))
    assert named.threshold == threshold
    assert rsf.parse_policy("l2:1:12") == rsf.parse_policy("l2:1.0:12")


UNKNOWN = {
    "s0f1": "slow steps must be a whole number of at least 1",
    "8,2": "'8,2' is unknown: write s{S}f{F}",
    "s8": "unknown",
    "s8f2x": "unknown",
    "": "unknown",
    "l2": "unknown: write",
    "l2:1.0": "unknown: write",
    "l3:1.0:12": "metric 'l3' is none of l1, l2, pattern",
    "l2:one:12": "unknown: write",
    "l2:1.0:12.5": "unknown: write",
    "l2:1.0:12:rtol": "unknown: write",
    "l2:1.0:12:slack=2": "unknown: write",
    "l2:12": "unknown: write",
    "l2:rtol=0.1": "unknown: write",
    "l2:rtol=0.1:0.8:12": "unknown: write",
    "l2:rtol=0.1:12:rtol=0.2": "rtol is given twice",
    "l2:min_steps=2:12": "unknown: write",
    "patern:rtol=0.1:12": "; did you mean 'pattern'?",
    "l2:nan:12": "threshold is nan: a finite number above 0",
    "l2:0:12": "threshold is 0",
    "l2:-1:12": "threshold is -1",
    "l2:1.0:0": "max_steps is 0",
    "l2:1.0:3:min_steps=4": "max_steps is 3, below min_steps 4",
    "l2: 1.0:12": "unknown: write",
    "readout:flips:0.002: 12": "max_steps is ' 12': int is needed",
    "readout:flips:0.002:1_2": "max_steps is '1_2'",
    "readout:flips:\u0660.\u0665:12": "threshold is '\u0660.\u0665': float is needed",
    "refresh: 6_4+s1f1": "is ' 6_4'",
    "refresh:9+" * 9 + "s1f1": "9 policies are around the last: 8 at most",
}


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_no_policy_is_refused_in_one_line(text):
    with pytest.raises(rsf.InputError) as error:
        rsf.parse_policy(text)
    assert UNKNOWN[text] in str(error.value)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_text_ends_with_its_line():
    with pytest.raises(rsf.InputError, match=r"max_steps is '12\\n': int is needed"):
        rsf.parse_policy("act:.1:12\n")


def test_texts_are_read_up_to_a_length_and_depth():
    """Compiled programs grow with each policy around another."""
    assert rsf.parse_policy("refresh:9+" * 8 + "s1f1").max_steps == 1
    with pytest.raises(rsf.InputError, match="has 30004 characters: up to 1000") as error:
        rsf.parse_policy("refresh:1+" * 3000 + "s1f1")
    assert len(str(error.value)) < 200


def test_files_are_named_without_characters_that_file_systems_refuse():
    assert file_suffix(rsf.parse_policy("l2:1.0:12:rtol=0.001")) == "l2_1.0_12_rtol_0.001"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("l2:0.8:4", "l2:...:4:rtol=...:epsilon=..."),
        ("refresh:4+readout:flips:0.1:4", "refresh:...+readout:flips:...:4:share=..."),
    ],
)
def test_of_what_is_traced_nothing_is_told(text, told):
    said = []
    jax.jit(lambda policy: said.append(str(policy)))(rsf.parse_policy(text))
    assert said == [told]
