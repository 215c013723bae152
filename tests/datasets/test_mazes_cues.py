"""What can be guessed of mazes without following them: nearly nothing."""

import sys

import numpy as np
import pytest
from mazes import cues, pictures, summary
from mazes.events import DECOY, FAR, KINDS, NEAR
from mazes.generator import video
from mazes.steps import steps_needed
from mazes.subsets import SUBSETS
from scipy import ndimage, stats


def _frames(name, count, first=0):
    subset = SUBSETS[name]
    numbers = range(first, first + count)
    return summary.joined([video(subset.settings, subset.seed, number) for number in numbers])


@pytest.fixture(autouse=True)
def small_predictors(monkeypatch):
    monkeypatch.setattr(cues, "FEATURES", 128)
    monkeypatch.setattr(cues, "PIXELS", 15_000)


@pytest.fixture(scope="module")
def images():
    return _frames("static12", 160)


@pytest.fixture(scope="module")
def streams():
    return _frames("hard12_long", 30)


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    for _ in range(3):
        one, other = rng.integers(0, 6, 40), rng.integers(0, 6, 40)
        expected = stats.spearmanr(one, other).statistic
        assert cues.rank_correlation(one, other) == pytest.approx(expected)
    assert np.isnan(cues.rank_correlation(np.ones(4), np.arange(4)))


def test_told_apart_counts_pairs():
    rng = np.random.default_rng(1)
    values, truth = rng.integers(0, 5, 50), rng.random(50) < 0.3
    above = values[truth][:, None] - values[~truth]
    expected = (above > 0).mean() + (above == 0).mean() / 2
    assert cues.told_apart(values, truth) == pytest.approx(expected)


def test_a_patch_is_what_lies_around_a_pixel():
    picture = np.arange(1, 21).reshape(1, 4, 5)
    patches = cues.surroundings(picture, 3)
    assert patches.shape == (1, 4, 5, 3, 3)
    assert patches[0, 1, 2].tolist() == picture[0, :3, 1:4].tolist()
    assert patches[0, 0, 0].tolist() == [[0, 0, 0], [0, 1, 2], [0, 6, 7]]


@pytest.mark.parametrize("linear", [True, False])
def test_a_local_predictor_finds_what_can_be_seen(images, linear):
    """Where the target is what has a lighter pixel two pixels away on the left."""
    frames = images["frames"][:60]
    near = np.roll(frames[..., 0], 2, axis=2) > 100
    masks = (near & cues.passages(frames)).astype(np.uint8)
    found = cues.LocalPredictor.fitted(frames[:40], masks[:40], 9, linear)
    few, truth = frames[40:], masks[40:] > 0
    assert cues.told_apart(found.scores(few)[cues.passages(few)], truth[cues.passages(few)]) > 0.95
    assert cues.overlap(found.scores(few) > found.threshold, truth).mean() > 0.75


@pytest.mark.parametrize("linear", [True, False])
def test_a_patch_does_not_tell_the_target(images, linear):
    frames, masks = images["frames"], images["masks"]
    found = cues.LocalPredictor.fitted(frames[:120], masks[:120], 9, linear)
    few, truth = frames[120:], masks[120:] > 0
    passage = cues.passages(few)
    asked = passage & summary.unaware(few, 9)
    assert abs(cues.told_apart(found.scores(few)[asked], truth[asked]) - 0.5) < 0.08
    of_all = cues.overlap(passage, truth).mean()
    assert cues.overlap(found.scores(few) > found.threshold, truth).mean() < of_all + 0.02


def test_place_and_density_and_light_do_not_tell_the_target(images, streams):
    for frames in (images, streams):
        found = {name: float(value) for name, value in summary.cue_rows(frames)}
        told = {name: value for name, value in found.items() if name.endswith("tells the target")}
        assert len(told) == 6
        assert all(abs(value - 0.5) < 0.08 for value in told.values()), told


def test_a_disc_around_the_source_is_a_poor_guess(images):
    radius, iou = cues.best_disc(images["frames"], images["masks"])
    passage, truth = cues.passages(images["frames"]), images["masks"] > 0
    assert 10 < radius < 40
    assert cues.overlap(passage, truth).mean() < iou < 0.55


def test_the_number_of_changed_pixels_does_not_tell_the_steps(streams):
    event, changed = streams["event"], summary.changed_pixels(streams)
    steps = steps_needed(streams["distance"])
    for kinds in ((NEAR, FAR), (NEAR, FAR, DECOY)):
        among = np.isin(event, kinds)
        # Three standard deviations of what chance gives.
        least = 3 / np.sqrt(among.sum())
        assert abs(cues.rank_correlation(changed[among], steps[among])) < least
    assert steps[event == FAR].min() > steps[event == NEAR].max()


def test_parts_are_counted(images):
    passage = cues.passages(images["frames"][:5])
    found = [ndimage.label(each)[1] for each in passage]
    assert summary.parts_of(passage).tolist() == found


def test_figures_are_printed(monkeypatch, capsys):
    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    # As briefly as can be.
    monkeypatch.setattr(summary, "PATCHES", (9,))
    monkeypatch.setattr(summary, "MOST", 24)
    monkeypatch.setattr(cues, "PIXELS", 2000)
    for name, kinds in (("hard12", KINDS[1:]), ("static7", ())):
        monkeypatch.setattr(sys, "argv", ["summary", f"--config={name}", "--videos=12"])
        summary.main()
        said = capsys.readouterr().out
        assert f"| `{name}`, 12 test videos |" in said
        rows = {line.split(" | ")[0].removeprefix("| "): line for line in said.splitlines()}
        assert set(kinds) <= set(rows)
        assert len(rows["from a patch of 9x9 pixels, linear"].split(" | ")) == 3


def test_pictures_are_drawn(tmp_path, monkeypatch, capsys):
    path = tmp_path / "images" / "rows.png"
    arguments = ["--config=static7", "--config=temporal12", "--videos=0,1", f"--output={path}"]
    monkeypatch.setattr(sys, "argv", ["pictures", *arguments])
    pictures.main()
    assert capsys.readouterr().out.strip() == str(path)
    drawn = pictures.rows(SUBSETS["static7"], [0, 1], enlarge=2)
    assert [row.shape for row in drawn] == [(2 * 21 + 4, 2 * (2 * 21) + 6, 3)]
    row = drawn[0]
    target = (row[..., 0] > row[..., 1]).sum() / 4
    masks = [
        video(SUBSETS["static7"].settings, SUBSETS["static7"].seed, k)["masks"] for k in (0, 1)
    ]
    assert target == np.sum(masks)
