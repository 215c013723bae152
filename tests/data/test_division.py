"""No frame is in two parts, whatever is divided."""

import itertools

import numpy as np
import pytest

from rsf_jax.data.division import Clip, divide


def _overlapping(lengths, clip):
    """Clips that start at every frame of sequences of so many frames."""
    return [
        Clip(name, tuple(range(start, start + clip)))
        for name, frames in enumerate(lengths)
        for start in range(frames - clip + 1)
    ]


def _frames(videos, part):
    return {(videos[i].sequence, n) for i in part for n in videos[i].frames}


def test_videos_that_stand_for_themselves_are_drawn_as_ever():
    drawn = np.random.default_rng(0).permutation(50)
    for videos in (50, [Clip(i, (0, 1)) for i in range(50)]):
        parts = divide(videos, 5, 10)
        np.testing.assert_array_equal(parts.validation, np.sort(drawn[:5]))
        np.testing.assert_array_equal(parts.calibration, np.sort(drawn[5:15]))
        np.testing.assert_array_equal(parts.train, np.sort(drawn[15:]))


@pytest.mark.parametrize("wanted", [(1, 0), (0, 7), (12, 12), (30, 3)])
@pytest.mark.parametrize("clip", [1, 2, 8])
@pytest.mark.parametrize("lengths", [[40, 40], [60], [20] * 10, [100, 9, 9, 30], [200, 10, 10]])
def test_no_frame_is_in_two_parts(lengths, clip, wanted):
    videos = _overlapping(lengths, clip)
    parts = vars(divide(videos, *wanted))
    for one, other in itertools.combinations(parts.values(), 2):
        assert not _frames(videos, one) & _frames(videos, other)
    assert len(parts["train"]) > 0
    assert [len(parts[name]) > 0 for name in ("validation", "calibration")] == [
        count > 0 for count in wanted
    ]


def test_sequences_stay_whole_and_all_are_used():
    videos = _overlapping([20] * 10, 4)
    parts = divide(videos, 30, 17)
    assert [len(parts.train), len(parts.validation), len(parts.calibration)] == [119, 34, 17]
    every = np.concatenate([parts.train, parts.validation, parts.calibration])
    assert sorted(every) == list(range(len(videos)))


def test_a_long_sequence_is_not_given_away_for_a_small_share():
    parts = divide(_overlapping([500, 12, 300, 14], 3), 10, 0)
    assert len(parts.validation) == 10


def test_one_sequence_is_cut_and_clips_across_the_cuts_are_left_out():
    parts = divide(_overlapping([50], 3), 10, 5)
    assert parts.calibration.tolist() == list(range(43, 48))
    assert parts.validation.tolist() == list(range(31, 41))
    assert parts.train.tolist() == list(range(29))
