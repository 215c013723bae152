"""Lengths and targets against the rules, with chi-square tests on fixed seeds."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from t_pathfinder.plan import draw_plan
from t_pathfinder.settings import GrowthRule
from t_pathfinder.subsets import SUBSETS

VIDEOS = 4000
SEED = 11
EASY, HARD = (SUBSETS[name].settings.rule for name in ("easy", "hard"))
ACCEPT = 1e-4  # p-values of a correct rule are above this; seeds are fixed, so no flakiness
REJECT = 1e-9  # and those of a wrong rule below this


def plans(rule: GrowthRule, videos: int = VIDEOS) -> tuple[np.ndarray, np.ndarray]:
    """Lengths [V, T, contours] and targets [V, T]."""
    drawn = [draw_plan(rule, SEED, index) for index in range(videos)]
    return np.stack([p.lengths for p in drawn]), np.stack([p.target for p in drawn])


def uniform_p(values: np.ndarray, least: int, most: int) -> float:
    if values.min() < least or values.max() > most:
        return 0.0
    return stats.chisquare(np.bincount(values - least, minlength=most - least + 1)).pvalue


def rate_p(grown: np.ndarray, probability: float) -> float:
    observed = np.array([grown.sum(), grown.size - grown.sum()])
    expected = grown.size * np.array([probability, 1 - probability])
    return stats.chisquare(observed, expected).pvalue


def p_values(lengths: np.ndarray, target: np.ndarray, rule: GrowthRule) -> dict[str, float]:
    """How well drawn plans agree with each part of a rule; computed from the plans alone."""
    before, gain = lengths[:, :-1], np.diff(lengths, axis=1)
    contour = np.arange(lengths.shape[2])
    slow_one = target[:, :-1] if rule.slow_contour == "current" else np.zeros_like(target[:, :-1])
    slow = contour == slow_one[..., None]
    # Where the limit may have cut the growth, its distribution is not the rule's.
    room = before + rule.growth[1] <= lengths[:, 1:, :1]
    uncut = np.ones_like(slow) if rule.overtaking else room | (contour == 0)
    gains = gain[uncut & (gain > 0)]
    return {
        "start": uniform_p(lengths[:, 0, 1:].ravel(), *rule.distractor_start),
        "gain": uniform_p(gains, *rule.growth),
        "slow": rate_p(gain[uncut & slow] > 0, rule.longest_probability),
        "fast": rate_p(gain[uncut & ~slow] > 0, rule.distractor_probability),
    }


def slow_targets(lengths: np.ndarray, overtaking: bool) -> list[int]:
    """The target rule once more, written out without NumPy."""
    targets = [0]
    for now in lengths.tolist()[1:]:
        kept = targets[-1]
        for contour, length in enumerate(now):
            better = length > now[kept] and all(length > other for other in now[:contour])
            if overtaking and better and length == max(now):
                kept = contour
                break
        targets.append(kept)
    return targets


@pytest.mark.parametrize("rule", [EASY, HARD], ids=["easy", "hard"])
def test_plans_follow_the_rule(rule):
    lengths, target = plans(rule)
    assert lengths.dtype == target.dtype == np.int32
    assert (lengths[:, 0, 0] == rule.longest_start).all()
    for part, p in p_values(lengths, target, rule).items():
        assert p > ACCEPT, f"{part}: p = {p}"


def test_the_initial_longest_grows_slowly_if_asked():
    rule = dataclasses.replace(HARD, slow_contour="initial")
    lengths, target = plans(rule)
    assert min(p_values(lengths, target, rule).values()) > ACCEPT


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("start", {"distractor_start": (1, 7)}),
        ("gain", {"growth": (1, 2)}),
        ("fast", {"distractor_probability": 0.75}),
        ("slow", {"longest_probability": 0.3}),
        ("slow", {"slow_contour": "initial"}),
    ],
)
def test_a_wrong_rule_is_caught(part, change):
    lengths, target = plans(dataclasses.replace(HARD, **change))
    assert p_values(lengths, target, HARD)[part] < REJECT


def test_easy_distractors_reach_but_never_pass_the_first_target():
    rule = dataclasses.replace(EASY, frames=12)  # long enough to reach it often
    lengths, target = plans(rule, 1000)
    assert (lengths[..., 1:] <= lengths[..., :1]).all()
    assert (lengths[..., 1:] == lengths[..., :1]).any()
    assert (target == 0).all()


@pytest.mark.parametrize("rule", [EASY, HARD], ids=["easy", "hard"])
def test_targets_match_an_independent_rule(rule):
    lengths, target = plans(rule, 1500)
    for one, drawn in zip(lengths, target, strict=True):
        assert drawn.tolist() == slow_targets(one, rule.overtaking)


def test_ties_occur_and_keep_the_target():
    lengths, target = plans(HARD)
    now, kept = lengths[:, 1:], target[:, :-1, None].astype(int)
    own = np.take_along_axis(now, kept, axis=2)
    tied = (now.max(axis=2, keepdims=True) == own) & ((now == own).sum(axis=2, keepdims=True) > 1)
    assert tied.sum() > 100
    assert (target[:, 1:][tied[..., 0]] == target[:, :-1][tied[..., 0]]).all()
    # Two challengers that overtake together: the lower index.
    challengers = (now == now.max(axis=2, keepdims=True)) & (now > own)
    pairs = challengers.sum(axis=2) > 1
    assert pairs.sum() > 100
    assert (target[:, 1:][pairs] == challengers[pairs].argmax(axis=1)).all()


def test_contours_never_shrink():
    for rule in (EASY, HARD):
        assert (np.diff(plans(rule, 500)[0], axis=1) >= 0).all()
