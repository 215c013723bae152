"""What an overlay has below its frames."""

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.media import outputs
from rsf_jax.media.legend import Entry, legend
from rsf_jax.media.outputs import ANNOTATIONS, Outputs
from rsf_jax.media.pictures import Shaper
from rsf_jax.media.step_chart import BAR, FRESH, StepChart
from rsf_jax.streaming import FrameResult
from rsf_jax.trained.appearance import Appearance

COLORS = np.array([[10, 200, 30], [200, 30, 10], [0, 100, 250]], np.uint8)
LETTERS, WIDTH = 10, 320
PITCH = 5  # pixels from bar to bar on such a width


def _result(index, steps, *, first=False, lost=False, seconds=0.01):
    classes = None if lost else np.zeros((4, 6), np.uint8)
    status = "dropped" if lost else "done" if steps else "repeated"
    return FrameResult("door", index, status, classes, steps, seconds, first=first)


def _chart(results, most=12):
    chart = StepChart(most)
    for result in results:
        chart.add(result)
    return chart.draw(LETTERS, WIDTH)


def _is(image, color):
    return (image == np.array(color, np.uint8)).all(-1)


def test_bars_are_as_high_as_steps_and_the_newest_is_on_the_right():
    heights = _is(_chart([_result(0, 3), _result(1, 12), _result(2, 6)]), BAR).sum(0)
    bars = heights[heights > 0]
    most = bars.max()
    assert bars.tolist() == [round(most / 4)] * 4 + [most] * 4 + [round(most / 2)] * 4
    assert np.flatnonzero(heights)[-1] == WIDTH - LETTERS // 2 - 1


def test_frames_without_a_step_have_no_bar_and_lost_ones_no_ground():
    found = _chart([_result(0, 0), _result(1, 0, lost=True), _result(2, 0)])
    assert not _is(found, BAR).any()
    ground = np.flatnonzero(_is(found, (90, 90, 90)).any(0))
    assert len(ground) == 2 * PITCH
    assert ground[PITCH] - ground[PITCH - 1] == 1 + PITCH


def test_a_fresh_state_is_marked_over_the_whole_height():
    frames = [_result(n, 1, first=n != 1) for n in range(3)]
    found = _is(_chart(frames), FRESH)
    columns = np.flatnonzero(found.any(0))
    assert np.diff(columns).tolist() == [2 * PITCH]
    assert found[:20, columns].all()


def test_a_chart_scrolls():
    many = [_result(n, 12 if n < 50 else 1) for n in range(200)]
    found = _chart(many)
    np.testing.assert_array_equal(found, _chart(many[-90:]))
    assert _is(found, BAR)[:15].sum() == 0  # the high ones have left it


def test_a_legend_shows_colors_and_breaks_lines():
    entries = (Entry("disc", (200, 30, 10)), Entry("line", (0, 100, 250), line=True))
    found = legend(entries, LETTERS, WIDTH)
    assert found.shape == (16, WIDTH, 3)
    assert _is(found, (200, 30, 10)).sum() == 11 * 11
    assert _is(found, (0, 100, 250)).sum() == 11
    many = tuple(Entry(f"class number {n}", (n, 1, 2)) for n in range(9))
    tall = legend(many, LETTERS, WIDTH)
    assert len(tall) > 2 * 16
    assert all(_is(tall, entry.color).any() for entry in many)


def _outputs(tmp_path, monkeypatch, **options):
    """Outputs, and the frames that they have written."""
    written = []
    monkeypatch.setattr(outputs.VideoWriter, "write", lambda _, image, at: written.append(image))
    look = Appearance(["ground", "disc", "square"], COLORS, (4, 6), 0)
    return Outputs(tmp_path, "door", ("overlay",), look, 5.0, **options), written


def _show(found, results):
    image, shaper = np.full((240, 320, 3), 128, np.uint8), Shaper((4, 6), 3)
    for result in results:
        found.write(result, shaper.picture_of_image(image, 0.0, result.index))


def test_the_video_says_what_its_colors_are_but_for_the_background(tmp_path, monkeypatch):
    found, written = _outputs(tmp_path, monkeypatch, most_steps=12)
    _show(found, [_result(0, 3, first=True), _result(1, 0, lost=True)])
    assert written[0].shape == written[1].shape
    below = written[0][240:]
    for color, is_there in ((COLORS[0], False), (COLORS[1], True), (COLORS[2], True)):
        assert _is(below, color).any() == is_there
    assert _is(below, BAR).any()
    assert (written[0][:240] == 128).all()


def test_what_is_below_can_be_chosen(tmp_path, monkeypatch):
    heights = []
    for annotations in (ANNOTATIONS, ("legend",), ()):
        found, written = _outputs(tmp_path, monkeypatch, most_steps=12, annotations=annotations)
        _show(found, [_result(0, 3)])
        heights.append(len(written[0]))
    assert heights[0] > heights[1] > heights[2] == 240
    with pytest.raises(rsf.InputError, match="'bars' cannot be drawn below frames: choose from st"):
        _outputs(tmp_path, monkeypatch, annotations=("bars",))


def test_the_latency_of_a_caption_does_not_jump(tmp_path, monkeypatch):
    captions = []
    real = outputs.strip
    monkeypatch.setattr(
        outputs, "strip", lambda text, *size: captions.append(text) or real(text, *size)
    )
    found, _ = _outputs(tmp_path, monkeypatch)
    _show(found, [_result(n, 1, seconds=0.149 if n == 3 else 0.006) for n in range(6)])
    assert [text.split(", ")[-1] for text in captions] == ["6 ms"] * 6


def test_numbers_are_not_left_alone_in_a_legend(tmp_path, monkeypatch):
    named = []
    real = outputs.legend
    monkeypatch.setattr(
        outputs, "legend", lambda entries, *size: named.append(entries) or real(entries, *size)
    )
    look = Appearance(["0", "1"], COLORS[:2], (4, 6), 0)
    monkeypatch.setattr(outputs.VideoWriter, "write", lambda *_: None)
    _show(Outputs(tmp_path, "door", ("overlay",), look, 5.0, most_steps=3), [_result(0, 1)])
    assert [entry.name for entry in named[0]] == ["class 1", "fresh state"]
