"""Settings refuse what cannot work, in one line that names value, range and remedy."""

import dataclasses

import pytest
from contours.geometry import Geometry, Spacing
from generated_videos.parallel import worker_count
from generated_videos.subset import Subset
from t_pathfinder.settings import GrowthRule
from t_pathfinder.subsets import SUBSETS

RULE = SUBSETS["hard"].settings.rule


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        (RULE, {"frames": 0}, "frames=0 .* at least 1"),
        (RULE, {"distractors": -1}, "distractors=-1 .* at least 0"),
        (RULE, {"distractor_start": (3, 1)}, r"distractor_start=\(3, 1\) .* smaller one first"),
        (RULE, {"distractor_start": (1, 10)}, "distractor_start=.* below longest_start=10"),
        (RULE, {"growth": (0, 3)}, r"growth=\(0, 3\) .* 1 <= least"),
        (RULE, {"longest_probability": 1.5}, "longest_probability=1.5 .* from 0 to 1"),
        (RULE, {"slow_contour": "first"}, "slow_contour='first' .* 'current' or 'initial'"),
        (Spacing(), {"continuity": 0.1}, "continuity=0.1 .* bend more"),
        (Spacing(), {"clearance": 0.5}, "clearance=0.5 .* at least 1 pixel"),
        (Geometry(), {"height": 10}, "height=10 .* at least 17 .* enlarge"),
        (Geometry(), {"width": 64.0}, "width=64.0 .* whole number"),
        (Geometry(), {"thickness": 0.2}, "thickness=0.2 .* at least 1 pixel"),
        (Geometry(), {"border": 1.0}, r"border=1.0 .* 1.75"),
        (Geometry(), {"attempts": 0}, "attempts=0 .* at least 1"),
        (Geometry(), {"spacings": ()}, "spacings=.* one or more"),
        (Geometry(), {"spacings": (Spacing(gap=1.0),)}, "gap=1.0 .* widen the gap"),
        (Geometry(), {"spacings": (Spacing(clearance=12.0),)}, "clearance=12.0 .* lower it"),
    ],
)
def test_impossible_settings(part, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        dataclasses.replace(part, **change)
    assert "\n" not in str(caught.value)


def test_subset_sizes():
    with pytest.raises(ValueError, match="test_videos=0"):
        Subset(SUBSETS["easy"].settings, seed=0, train_videos=1, test_videos=0)
    subset = Subset(SUBSETS["easy"].settings, seed=0, train_videos=3, test_videos=2)
    assert subset.splits == {"train": range(3), "test": range(3, 5)}
    subset = dataclasses.replace(subset, calibration_videos=4)
    assert subset.splits["calibration"] == range(5, 9)
    with pytest.raises(ValueError, match=r"calibration_videos=-1 .* at least 0"):
        dataclasses.replace(subset, calibration_videos=-1)


@pytest.mark.parametrize("name", sorted(SUBSETS))
def test_splits_follow_each_other_without_a_gap(name):
    splits = SUBSETS[name].splits
    assert list(splits) == ["train", "test", "calibration"]
    videos = [index for indices in splits.values() for index in indices]
    assert videos == list(range(len(videos)))  # so no two splits share one


@pytest.mark.parametrize(
    ("name", "train", "end"),
    [("easy", 8000, 10000), ("hard", 8000, 10000), ("quickstart", 12000, 12500)],
)
def test_train_and_test_are_those_of_the_first_release(name, train, end):
    splits = SUBSETS[name].splits
    assert (splits["train"], splits["test"]) == (range(train), range(train, end))
    assert len(splits["calibration"]) == 1000


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_smaller_subsets_have_the_rules_of_the_papers(name):
    paper, small = SUBSETS[name].settings, SUBSETS[f"{name}72"].settings
    assert small.rule == paper.rule
    assert (small.geometry.height, small.geometry.width) == (72, 72)
    quick = SUBSETS["quickstart"].settings.geometry
    assert small.geometry.spacings == quick.spacings


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_small_windows_are_the_same_task(name):
    paper, small = SUBSETS[name].settings, SUBSETS[f"{name}64"].settings
    assert small.rule == paper.rule
    assert small.geometry == dataclasses.replace(
        paper.geometry, height=64, width=64, choices=small.geometry.choices
    )


@pytest.mark.parametrize("name", ["easy", "hard"])
def test_the_paper_has_five_pixels_from_dash_to_dash_and_version_1_had_thirteen(name):
    for subset, pitch in ((name, 5), (f"{name}v1", 13)):
        geometry = SUBSETS[subset].settings.geometry
        assert geometry.pitch(geometry.spacings[0]) == pitch
    assert SUBSETS[name].settings.rule == SUBSETS[f"{name}v1"].settings.rule
    assert SUBSETS[name].splits == SUBSETS[f"{name}v1"].splits


def test_published_numbers():
    """The numbers of the paper's section 4.1."""
    easy, hard = (SUBSETS[name] for name in ("easy", "hard"))
    assert easy.settings.rule == GrowthRule(
        frames=6, distractors=4, longest_start=10, distractor_start=(1, 3)
    )
    assert (hard.settings.rule.frames, hard.settings.rule.distractor_start) == (8, (1, 8))
    for subset in (easy, hard):
        assert (subset.train_videos, subset.test_videos) == (8000, 2000)
        assert subset.settings.geometry.height == subset.settings.geometry.width == 128


@pytest.mark.parametrize("text", ["0", "two", "-1"])
def test_worker_count_is_checked(monkeypatch, text):
    monkeypatch.setenv("T_PATHFINDER_WORKERS", text)
    with pytest.raises(ValueError, match=r"T_PATHFINDER_WORKERS=.* unset it"):
        worker_count()


def test_worker_count(monkeypatch):
    monkeypatch.setenv("T_PATHFINDER_WORKERS", "3")
    assert worker_count() == 3
    monkeypatch.delenv("T_PATHFINDER_WORKERS")
    assert worker_count() >= 1
