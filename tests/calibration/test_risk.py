"""The tests behind a guarantee, on losses whose mean is known."""

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.calibration.risk import p_value, upper_bound, values_until_failure

LEVEL = 0.05


def _rare(rng, mean, videos):
    return (rng.random(videos) < mean).astype(float)


def _spread(rng, mean, videos):
    return np.clip(rng.normal(mean, 0.1, videos), -1, 1)


def _steps(rng, mean, videos):
    return rng.choice([1.0, 12.0], videos, p=[(12 - mean) / 11, (mean - 1) / 11])


CASES = [(_rare, 0.02, 1.0), (_rare, 0.3, 1.0), (_spread, 0.01, 1.0), (_steps, 4.0, 12.0)]


@pytest.mark.parametrize(("draw", "limit", "most"), CASES)
def test_a_mean_at_the_limit_passes_as_seldom_as_guaranteed(draw, limit, most):
    rng = np.random.default_rng(0)
    tries = 1000
    passed = sum(p_value(draw(rng, limit, 400), limit, most) <= LEVEL for _ in range(tries))
    # Three standard deviations of a fair count above the level.
    assert passed <= tries * LEVEL + 3 * np.sqrt(tries * LEVEL * (1 - LEVEL))


@pytest.mark.parametrize(("draw", "limit", "most"), CASES)
def test_a_mean_well_below_the_limit_passes(draw, limit, most):
    rng = np.random.default_rng(1)
    low = {_rare: limit / 4, _spread: limit - 0.02, _steps: limit - 1.5}[draw]
    passed = sum(p_value(draw(rng, low, 1000), limit, most) <= LEVEL for _ in range(100))
    assert passed >= 90


def test_a_p_value_is_the_least_capital_of_the_game():
    # The capital is highest at the end, so that every bet counts.
    losses, limit = np.array([0.4, 0.9, 0.1, 0.0, 0.3, 0.0, 0.1]), 0.5
    capital, best, seen = 1.0, 1.0, []
    for i, loss in enumerate(losses):
        count = i + 1
        mean = sum(seen) / count
        past = [sum(seen[: j + 1]) / (j + 2) for j in range(i)]
        variance = (0.25 + sum((x - m) ** 2 for x, m in zip(seen, past))) / count
        edge = limit - mean
        bet = min(max(edge / (variance + edge**2), 0), 0.9 / (1 - limit))
        capital *= 1 + bet * (limit - loss)
        best = max(best, capital)
        seen.append(loss)
    assert best == capital > 1
    assert p_value(losses, limit) == pytest.approx(1 / best)


def test_losing_everything_is_survived():
    # Every bet is below what would be lost for good with the largest loss.
    assert p_value(np.array([1.0] + [0.0] * 500), 0.5) < LEVEL


def test_the_upper_bound_is_where_the_test_turns():
    losses = _spread(np.random.default_rng(2), 0.0, 500)
    bound = upper_bound(losses, LEVEL)
    assert losses.mean() < bound < 0.05
    assert p_value(losses, bound + 1e-6) <= LEVEL < p_value(losses, bound - 1e-6)


def test_few_videos_guarantee_little():
    # A capital of (1 - limit)^-n must reach 1 / level, even if no video ever loses anything.
    bounds = [upper_bound(np.zeros(n), LEVEL) for n in (10, 100, 1000)]
    assert bounds == sorted(bounds, reverse=True)
    for videos, bound in zip((10, 100, 1000), bounds):
        assert bound > 1 - LEVEL ** (1 / videos)


def test_choices_are_tested_until_one_fails_and_no_further():
    taken = []

    def choices():
        for mean in (0.0, 0.0, 0.9, 0.0):
            taken.append(mean)
            yield np.full(200, mean)

    values = values_until_failure(choices(), 0.1, LEVEL)
    assert taken == [0.0, 0.0, 0.9]
    assert [value <= LEVEL for value in values] == [True, True, False]


def test_a_choice_whose_p_value_is_nan_ends_the_tests():
    values = values_until_failure((np.zeros(200) for _ in range(3)), np.nan, LEVEL)
    np.testing.assert_array_equal(values, [np.nan])


@pytest.mark.parametrize("loss", [np.nan, -np.inf, np.inf, 1.1, 40.0])
def test_losses_that_nothing_is_guaranteed_of_are_refused(loss):
    losses = np.full(100, 0.01)
    losses[3] = loss
    with pytest.raises(
        rsf.InputError, match=r"losses lie between .*: finite ones of at most 1 are"
    ):
        p_value(losses, 0.1)


def test_many_choices_share_one_level():
    rng = np.random.default_rng(3)
    limit, tries, wrong = 0.1, 400, 0
    for _ in range(tries):
        # All are just above the limit: any that passes is wrong.
        values = values_until_failure((_rare(rng, limit, 200) for _ in range(20)), limit, LEVEL)
        wrong += values[0] <= LEVEL
    assert 0 < wrong <= tries * LEVEL + 3 * np.sqrt(tries * LEVEL * (1 - LEVEL))


def _coupled(kind, rng, units):
    """Losses of the same units under a policy of each risk, as a function of the risk."""
    if kind == "rare":  # few streams are lost wholly
        u = rng.random(units)
        return lambda risk: (u < risk).astype(float)
    size = rng.gamma(1.0, 1.0, units)  # all lose a little, some more than others
    return lambda risk: np.clip(risk * size, 0, 1)


@pytest.mark.parametrize(("kind", "least"), [("rare", 0.006), ("small", 0.01)])
def test_of_many_close_choices_the_last_that_passes_keeps_the_limit_and_is_not_timid(kind, least):
    rng = np.random.default_rng(4)
    limit, tries, risks = 0.02, 300, np.linspace(0.001, 0.04, 40)
    chosen = []
    for _ in range(tries):
        losses = _coupled(kind, rng, 400)
        values = values_until_failure((losses(risk) for risk in risks), limit, LEVEL)
        passed = sum(value <= LEVEL for value in values)
        chosen.append(risks[passed - 1] if passed else 0.0)
    broken = np.mean(np.array(chosen) > limit)
    assert broken <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / tries)
    # 400 losses do not tell whether one in 400 / log(20) is a total one: .0125 is the most there
    # can be, and where losses are total ones there is chance besides.
    assert least < np.mean(chosen) < limit - np.log(1 / LEVEL) / 400
    if kind == "rare":
        assert broken > 0
