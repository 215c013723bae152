"""The search for thresholds, on costs that are known."""

import itertools

import numpy as np

from rsf_jax.reuse.search import Search, Trial

LEVELS = [np.arange(4.0)] * 4


class _Known:
    """Every map saves time and adds error of its own, by level."""

    def __init__(self, saved, squares):
        self.saved, self.squares, self.calls = np.array(saved), np.array(squares), 0

    def __call__(self, thresholds):
        self.calls += 1
        at = thresholds.astype(int)
        maps = np.arange(len(at))
        time, square = 1 - float(self.saved[maps, at].sum()), float(self.squares[maps, at].sum())
        return Trial(thresholds, square**0.5, square**0.5, time, time)


def _random(seed):
    rng = np.random.default_rng(seed)
    rising = rng.random((2, 4, 3)).cumsum(-1)
    saved, squares = np.pad(rising, ((0, 0), (0, 0), (1, 0)))
    return _Known(0.06 * saved, 0.2 * squares**2)


def test_choices_are_allowed_and_nearly_the_best():
    max_error, missed = 0.8, []
    for seed in range(12):
        known = _random(seed)
        chosen = Search(known, LEVELS).run(max_error)
        assert chosen.error <= max_error
        assert known.calls < 0.1 * 4**4
        every = [known(np.array(at, float)) for at in itertools.product(range(4), repeat=4)]
        best = min(trial.time for trial in every if trial.error <= max_error)
        missed.append((chosen.time - best) / (1 - best))
    assert max(missed) < 0.4
    assert np.mean(missed) < 0.1


def test_error_is_spent_where_it_saves_most():
    # The frame and map 1 save much; what is spent on map 2 is lost.
    saved = [[0, 0.1, 0.2, 0.2], [0, 0.2, 0.3, 0.3], [0, 0.01, 0.02, 0.03], [0] * 4]
    squares = [[0, 0.1, 0.2, 9], [0, 0.1, 0.2, 0.3], [0, 0.2, 0.4, 0.8], [0, 0, 0, 0]]
    chosen = Search(_Known(saved, squares), LEVELS).run(0.45**0.5)
    assert chosen.thresholds.tolist() == [2, 2, 0, 0]


def test_for_less_error_there_is_a_choice_of_what_was_tried():
    known = _random(0)
    search = Search(known, LEVELS)
    first = search.run(0.8)
    before = known.calls
    second = search.less(0.4)
    assert second.error <= 0.4 < first.error
    assert first.time < second.time
    assert known.calls == len({tuple(trial.thresholds) for trial in search.trials})
    assert known.calls - before < 4
    assert not search.less(0.0).error


def test_nothing_is_chosen_where_even_rounding_is_too_much():
    chosen = Search(lambda x: Trial(x, 1e-7, 1e-7, 1.0, 1 - float(x.sum()) / 99), LEVELS).run(1e-9)
    assert not chosen.thresholds.any()
