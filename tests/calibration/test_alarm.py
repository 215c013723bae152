"""The alarm, in simulation: false ones over long times, and how soon it finds a change."""

import math

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.calibration import Alarm
from rsf_jax.calibration.alarm import wealth

LIMIT = 0.05
LEVEL = 0.05


def _rare(rng, mean, count):
    """A frame in many disagrees wholly."""
    return (rng.random(count) < mean).astype(float)


def _small(rng, mean, count):
    """All frames disagree a little."""
    return np.clip(rng.gamma(4.0, mean / 4, count), 0, 1)


def _mixed(rng, mean, count):
    """Most frames agree, some disagree in part."""
    return np.where(rng.random(count) < 0.4, rng.beta(1.0, 0.4 / mean - 1, count), 0.0)


def _paths(draw, seed, paths, *parts):
    """Losses [paths, T] of parts that follow each other, each a mean and a number."""
    rng = np.random.default_rng(seed)
    return np.concatenate([draw(rng, m, paths * n).reshape(paths, n) for m, n in parts], 1)


def _raised_at(losses):
    """After how many losses of each path the alarm is raised; infinite if it is not."""
    raised = wealth(losses, LIMIT) >= 1 / LEVEL
    return np.where(raised.any(-1), raised.argmax(-1) + 1, np.inf)


@pytest.mark.parametrize("draw", [_rare, _small, _mixed])
def test_false_alarms_over_long_times_are_as_seldom_as_guaranteed(draw):
    paths = 400
    false = np.isfinite(_raised_at(_paths(draw, 0, paths, (LIMIT, 10_000)))).sum()
    # Three standard deviations of a fair count above the level.
    assert false <= paths * LEVEL + 3 * math.sqrt(paths * LEVEL * (1 - LEVEL))


@pytest.mark.parametrize("draw", [_rare, _small, _mixed])
@pytest.mark.parametrize("before", [0, 10_000])
def test_a_change_is_found_soon_whenever_it_comes(draw, before):
    losses = _paths(draw, 1, 100, (LIMIT / 2, before), (4 * LIMIT, 400))
    delays = _raised_at(losses) - before
    assert delays.min() > 0
    assert np.median(delays) < 120
    assert delays.max() < 400


def test_losses_of_neighbors_may_be_alike_if_they_count_together():
    # Scenes of 20 frames, of which one in twenty is hard: the mean is the limit.
    rng = np.random.default_rng(2)
    scenes = _rare(rng, LIMIT, 100 * 150).reshape(100, 150)
    alone, together = (np.isfinite(_raised_at(x)).sum() for x in (scenes.repeat(20, 1), scenes))
    assert together <= 100 * LEVEL + 3 * math.sqrt(100 * LEVEL)
    assert alone > 50
    alarm, single = Alarm(LIMIT, LEVEL, together=20), Alarm(LIMIT, LEVEL)
    for loss in scenes[0]:
        for _ in range(20):
            alarm.update(loss)
        single.update(loss)
    assert alarm.wealth == pytest.approx(single.wealth)


def test_the_wealth_is_that_of_the_game():
    alarm, stakes = Alarm(0.2, 0.01), 0.9 * 0.5 ** np.arange(10)
    losses = np.array([0.1, 0.9, 0.0, 0.4])
    assert alarm.wealth == 1
    for n, loss in enumerate(losses):
        assert not alarm.update(loss)
        won = 1 / math.log2(n + 3)
        for start in range(n + 1):
            share = 1 / math.log2(start + 2) - 1 / math.log2(start + 3)
            factors = 1 + stakes[:, None] * (losses[start : n + 1] / 0.2 - 1)
            won += share * factors.prod(1).mean()
        assert alarm.wealth == pytest.approx(won)
        assert wealth(losses, 0.2)[n] == pytest.approx(won)
    assert (alarm.count, alarm.mean) == (4, pytest.approx(0.35))


def test_a_long_loss_overflows_nothing():
    losses = np.concatenate([np.ones(400), np.zeros(300)])
    found = wealth(losses, 0.001)
    assert np.isfinite(found).all()
    assert found[0] > 1
    assert found[399] > 1e90
    assert found[-1] < found[399]


def test_an_alarm_stays_until_it_is_reset():
    alarm = Alarm(0.1, 0.05)
    assert math.isnan(alarm.mean)
    raised = [alarm.update(1.0) for _ in range(4)]
    assert raised == sorted(raised)
    assert alarm.alarm
    at = alarm.raised_at
    assert at == raised.index(True) + 1
    assert alarm.update(0.0)
    assert alarm.raised_at == at
    alarm.reset()
    assert (alarm.alarm, alarm.raised_at, alarm.count, alarm.wealth) == (False, None, 0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Alarm(0.0), "limit is 0.0: it must be between 0 and 1"),
        (lambda: Alarm(0.1, 1.0), "level is 1.0"),
        (lambda: Alarm(0.1, together=0), "together is 0"),
        (lambda: Alarm(0.1).update(1.5), "the loss is 1.5: a number from 0 to 1"),
        (lambda: Alarm(0.1).update(math.nan), "the loss is nan"),
    ],
)
def test_what_is_none_is_refused(call, message):
    with pytest.raises(rsf.InputError, match=message):
        call()
