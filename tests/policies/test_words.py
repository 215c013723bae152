"""Policies in words."""

import library_policies
import pytest

from rsf_jax.policies import spec_of
from rsf_jax.policies.words import in_words

WORDS = {
    "s6f1": "6 recurrent steps on a video's first frame, 1 on each later one",
    "s1f1": "1 recurrent step on every frame",
    "s3f3": "3 recurrent steps on every frame",
    "l2:0.8:12": "recurrent steps until one moves the hidden state less than 0.8 times as far as "
    "the one before (Euclidean distance), at most 12",
    "pattern:rtol=0.2:7:min_first_steps=3": "recurrent steps until one moves the hidden state by "
    "at most 0.2 of its own size (Euclidean distance, each channel's mean taken off), at most 7, "
    "at least 3 on a video's first frame",
    "gate:0.0023:0.046+s3f1": "no step where at most 0.23 % of the pixels have changed, a fresh "
    "state where more than 4.6 % have; otherwise 3 recurrent steps on a video's first frame, 1 on "
    "each later one",
    "refresh:64+s1f1": "a fresh state every 64 frames; otherwise 1 recurrent step on every frame",
    "anderson:5+s6f6": "each step from a mix of what the last 6 steps have reached (Anderson "
    "acceleration); otherwise 6 recurrent steps on every frame",
    "readout:flips:0.002:12": "recurrent steps until at most 0.2 % of the pixels change their "
    "class, at most 12",
    "readout:entropy:0.1:6:min_first_steps=3:share=0.25": "recurrent steps until the classes of "
    "the 25 % least certain pixels have at most 10 % of the entropy that they could have, at most "
    "6, at least 3 on a video's first frame",
    "readout:news:0.002:12": "recurrent steps until at most 0.2 % of the pixels change to a class "
    "that they have not had in the frame, at most 12",
    "l1:0.8:12:min_steps=4": "recurrent steps until one moves the hidden state less than 0.8 times "
    "as far as the one before (the sum of absolute differences), at most 12, at least 4",
    "ponder:0.5:12:min_steps=2:min_first_steps=3": "recurrent steps until the learned probability "
    "of having halted is 50 %, at most 12, at least 2, at least 3 on a video's first frame",
    "readout:change:0.01:6": "recurrent steps until at most 1 % of a pixel's class probability, on "
    "average, goes to other classes, at most 6",
    "ponder:0.5:12": "recurrent steps until the learned probability of having halted is 50 %, at "
    "most 12",
    "act:0.01:12:min_first_steps=3": "recurrent steps until learned scores add up to all but 1 %, "
    "at most 12, at least 3 on a video's first frame, and their mean state by these scores",
    "mine:1:2": "mine, a policy of one's own",
}


@pytest.mark.parametrize("text", WORDS)
def test_every_kind_has_words(text):
    assert in_words(spec_of(text)) == WORDS[text]


@pytest.mark.parametrize("text", library_policies.one_of_each())
def test_no_kind_of_the_library_is_taken_for_one_of_ones_own(text):
    assert "of one's own" not in in_words(spec_of(text))


def test_both_ways_of_halting_are_told():
    found = in_words(spec_of("l1:0.8:12:rtol=0.001"))
    assert "less than 0.8 times as far as the one before or moves" in found
    assert "at most 0.001 of its own size" in found


def test_numbers_of_samples_and_specs_that_lack_something_can_be_told():
    spec = spec_of("l2:0.8:12")
    assert "less than [0.1, 0.2] times" in in_words(spec | {"threshold": [0.1, 0.2]})
    del spec["metric"]
    assert in_words(spec) == "halting, a policy of one's own"
