"""Bounds by the pitch: against counts by hand, and the table of GEOMETRY.md."""

import numpy as np
import pytest
from t_pathfinder.bounds import Plans, bound, bounds_table, draw_plans, following, reach, sight
from t_pathfinder.subsets import SUBSETS


def _plans(*videos):
    """Plans whose contour 0 is the target."""
    lengths = np.array(videos, np.int32)
    return Plans(lengths, np.zeros(lengths.shape[:2], int))


def test_reach_is_that_of_two_kernels_a_step():
    assert reach(15, 1, 14) == 1
    assert reach(15, 3, 7) == 6
    assert reach(9, 1, 6) == pytest.approx(8 / 6)


@pytest.mark.parametrize(
    ("kernel", "pitch", "says"), [(15, 0, "pitch 0"), (15, -1, "pitch -1"), (14, 5, "kernel 14")]
)
def test_impossible_reaches_are_refused(kernel, pitch, says):
    with pytest.raises(ValueError, match=says):
        reach(kernel, 1, pitch)


def test_what_cannot_be_followed_is_caught_up_with_later():
    plans = _plans([[10, 1], [13, 1], [13, 1]])
    # Known are 10, 12 of 13 and then all.
    assert following(plans, 2) == pytest.approx((1 + 12 / 13 + 1) / 3)
    assert following(plans, 3) == 1


def test_a_contour_that_overtakes_unnoticed_costs_the_whole_frame():
    lengths = np.array([[[5, 4], [5, 7], [5, 7]]], np.int32)
    plans = Plans(lengths, np.array([[0, 1, 1]]))
    # One segment a frame: 4, 5 (a tie, the old one is kept), 6 of 7.
    assert following(plans, 1) == pytest.approx((1 + 0 + 6 / 7) / 3)
    assert following(plans, 2) == pytest.approx((1 + 6 / 7 + 1) / 3)


def test_sight_counts_segments_and_ends_to_both_sides():
    plans = _plans([[3, 1]])
    assert sight(plans, 0) == pytest.approx(3 / 4)  # all ink
    assert sight(plans, 1) == 1  # an end with a neighbor, a middle, and one that stands alone
    # The ends of both look alike; the middles of the longer one are seen, or all is marked.
    plans = _plans([[4, 2]])
    assert sight(plans, 1) == pytest.approx(4 / 6)
    assert sight(plans, 2) == 1
    assert sight(plans, 1.5) == pytest.approx((4 / 6 + 1) / 2)


def test_sight_has_no_end():
    plans = _plans([[3, 2]])
    assert sight(plans, 1000) == 1


@pytest.mark.parametrize(
    ("pitch", "schedule", "stateless", "expected"),
    [
        # The paper's task, from two estimates that were made apart.
        (14, "s6f1", False, 0.942),
        (7, "s6f1", False, 0.987),
        (14 / 3, "s6f1", False, 1.0),
        (7, "s1f1", True, 0.536),
        (7, "s2f2", True, 0.678),
        (14, "s9f9", True, 0.928),
    ],
)
def test_bounds_of_easy(pitch, schedule, stateless, expected):
    plans = draw_plans(SUBSETS["easy"].settings.rule, 0, 6000)
    assert bound(plans, pitch, 15, schedule, stateless) == pytest.approx(expected, abs=0.006)


def test_steps_of_the_first_frame_let_it_alone_see_farther():
    plans = _plans([[4, 2], [4, 2]])
    assert bound(plans, 14, 15, "s2f1", True) == pytest.approx((1 + 4 / 6) / 2)


def test_a_table_has_a_row_for_each_pitch():
    plans = draw_plans(SUBSETS["easy"].settings.rule, 0, 50)
    lines = bounds_table(plans, [5, 13], 15, [("s6f1", False), ("s1f1", True)]).splitlines()
    assert lines[0] == "| pitch (px) | segments a step | s6f1 | Stateless s1f1 |"
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 5", "2.80"], ["| 13", "1.08"]]


def test_schedules_that_cannot_be_read_are_told():
    with pytest.raises(ValueError, match="schedule 'f1' is not possible"):
        bound(_plans([[2, 1]]), 5, 15, "f1", False)
