"""Sources that may be away: opened where they are read, and again when they have gone."""

import json
import os
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from filming import film
from PIL import Image

import rsf_jax as rsf
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.media import open_source
from rsf_jax.media import run as runs
from rsf_jax.media.late import LateSource
from rsf_jax.media.pictures import Shaper
from rsf_jax.media.source import Source, UnreachableError
from rsf_jax.media.times import Times

SIZE = (16, 18)


class Camera(Source):
    """Sends some frames and goes away."""

    def __init__(self, count, problem="it went away", live=True, size=(32, 36), fit="squeeze"):
        super().__init__("door", "door", live, 25.0, Shaper(SIZE, 1, fit))
        self.frames, self.why, self.closed, self.size = count, problem, False, size

    def _read(self):
        image = np.zeros((*self.size, 3), np.uint8)
        for index in range(self.frames):
            self.count += 1
            yield self._shaper.picture_of_image(image, index / 25, index)
        self.skipped, self.damaged, self.problem = 1, 2, self.why

    def close(self):
        self.closed = True


def _late(*outcomes, tries=3):
    """A source that is opened with these outcomes, one after the other."""
    left = list(outcomes)

    def open_it():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return LateSource("door", "door", open_it, tries, wait=0.001), left


def test_a_camera_that_comes_back_is_read_on():
    away = UnreachableError("door cannot be opened")
    first, second = Camera(3), Camera(2)
    source, left = _late(first, away, away, second, away, away, away)
    pictures = list(source)
    assert [p.index for p in pictures] == [0, 1, 2, 4, 5]  # one could not be decoded
    assert np.all(np.diff([p.seconds for p in pictures]) >= 0)
    assert (source.count, source.skipped, source.damaged) == (5, 2, 4)
    assert source.reconnects == 6
    assert source.problem == "door cannot be opened"
    assert first.closed
    assert second.closed
    assert left == []


def test_a_camera_that_comes_back_with_another_size_has_the_same_tiles():
    """Each of them is a video of its own."""
    cameras = [Camera(2, size=size, fit="tiles:1") for size in ((32, 72), (32, 36), (64, 64))]
    source, _ = _late(*cameras, UnreachableError("door is away"), tries=1)
    pictures = list(source)
    assert [p.frames.shape for p in pictures] == [(3, *SIZE, 1)] * 6
    maps = np.zeros((3, *SIZE), np.uint8)
    assert [p.mask(maps).shape for p in pictures[::2]] == [(32, 72), (32, 36), (64, 64)]


def test_trying_again_is_for_what_it_helps(capfd):
    source, left = _late(rsf.InputError("door is no video"), Camera(1))
    assert (list(source), source.problem, len(left)) == ([], "door is no video", 1)
    # What has an end has ended.
    source, left = _late(Camera(2, "", live=False), Camera(1))
    assert (len(list(source)), source.problem, len(left)) == (2, "", 1)
    source, left = _late(UnreachableError("door is away"), Camera(1))
    assert (list(source), source.problem, len(left)) == ([], "door is away", 1)
    assert "again" not in capfd.readouterr().err


def test_one_that_is_closed_is_not_tried_again():
    source = LateSource("door", "door", lambda: Camera(1), 9, wait=60)
    threading.Timer(0.2, source.close).start()
    began = time.monotonic()
    assert len(list(source)) == 1
    assert time.monotonic() - began < 30
    assert (source.problem, source.reconnects) == ("it went away", 0)


def test_times_go_forward_whatever_a_source_says():
    times = Times(live=False)
    stated = [5.0, 5.5, 6.0, 0.0, 0.5, None, 1.5]
    # Two files in one: what follows goes on after a frame.
    found = [times.of(t, 0.5) for t in stated]
    np.testing.assert_allclose(found, [0, 0.5, 1, 1.5, 2, 2.5, 3])


def test_a_single_frame_that_goes_back_moves_no_other():
    # As FFmpeg decodes what lost packets have left; the frames that follow are in time.
    times = Times(live=False)
    found = [times.of(t, 0.04) for t in (1.0, 1.04, 1.2, 1.08, 1.24, 1.28)]
    np.testing.assert_allclose(found, [0, 0.04, 0.2, 0.24, 0.24, 0.28])
    # A second file is one, however short the first was.
    times = Times(live=False)
    found = [times.of(t, 0.04) for t in (1.0, 1.04, 1.08, 1.0, 1.04, 1.08)]
    np.testing.assert_allclose(found, np.arange(6) * 0.04)


def test_times_of_a_camera_follow_the_clock_once_it_has_been_away():
    now = iter([100.0, 100.1, 100.2, 130.0, 130.1])
    times = Times(live=True, clock=lambda: next(now))
    found = [times.of(t, 0.0) for t in (7.0, 7.1, 7.2, 0.0, 0.1)]
    np.testing.assert_allclose(found, [0, 0.1, 0.2, 30.0, 30.1])


@pytest.fixture(scope="module")
def trained(run):
    return evaluation.load_trained(run[1])


def _scenes(count, height=32, width=36):
    return np.random.default_rng(0).integers(0, 255, (count, height, width, 3)).astype(np.uint8)


def _play(trained, tmp_path, inputs, stop=lambda: None, **settings):
    kinds = ("overlay", "masks", "json")
    settings = {"write": kinds, "frame_size": SIZE, "annotations": ()} | settings
    settings = runs.Settings(list(map(str, inputs)), tmp_path / "out", **settings)
    return runs.run(trained, rsf.FixedSchedule(1, 1), settings, stop)


def _lines(tmp_path, name):
    lines = (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_an_address_that_is_away_holds_nobody_up(trained, tmp_path):
    clip = film(tmp_path / "clip.mp4", _scenes(6))
    away = "http://127.0.0.1:9/door.ts"
    door, whole = _play(trained, tmp_path, [away, clip], timeout=5).accounts
    assert door.problem.startswith("http://127.0.0.1:9/door.ts cannot be opened")
    assert (door.read, whole.done, whole.problem) == (0, 6, "")


def test_an_address_of_a_file_is_a_file(trained, tmp_path):
    clip = film(tmp_path / "a clip.mp4", _scenes(30))
    with open_source(clip.as_uri(), SIZE) as source:
        assert (source.live, source.name, len(list(source))) == (False, "a clip", 30)
    (account,) = _play(trained, tmp_path, [clip.as_uri()]).accounts
    assert (account.done, account.lost, account.problem) == (30, 0, "")


@pytest.mark.parametrize("writer", [True, False])
def test_a_pipe_is_waited_for_alone(trained, tmp_path, writer):
    clip, pipe = film(tmp_path / "clip.ts", _scenes(20)), tmp_path / "pipe"
    os.mkfifo(pipe)
    if writer:
        threading.Thread(target=lambda: pipe.write_bytes(clip.read_bytes()), daemon=True).start()
    lines, began = tmp_path / "out" / "clip.jsonl", time.monotonic()

    def stop():
        over = lines.exists() and lines.read_text().count("\n") == 20
        return "SIGTERM received" if over and not writer else None

    waited, whole = _play(trained, tmp_path, [pipe, clip], stop).accounts
    assert (whole.done, whole.problem) == (20, "")
    assert (waited.done, waited.lost, waited.problem) == (20 if writer else 0, 0, "")
    assert time.monotonic() - began < 120
    if not writer:  # or the thread that opens it would stay
        pipe.open("wb").close()


def test_times_and_numbers_are_those_of_the_source(trained, tmp_path):
    (tmp_path / "shots").mkdir()
    for n, image in enumerate(_scenes(4)):
        Image.fromarray(image).save(tmp_path / "shots" / f"shot{n}.png")
    (tmp_path / "shots" / "shot1.png").write_bytes(b"broken")
    inputs = [tmp_path / "shots"]
    (account,) = _play(trained, tmp_path, inputs, images_per_second=0.5).accounts
    assert (account.done, account.skipped) == (3, 1)
    found = [(line["frame"], line["file"], line["seconds"]) for line in _lines(tmp_path, "shots")]
    assert found == [(0, "shot0.png", 0), (2, "shot2.png", 4), (3, "shot3.png", 6)]
    masks = sorted(path.name for path in (tmp_path / "out" / "shots_masks").iterdir())
    assert masks == ["000000.png", "000002.png", "000003.png"]
    with av.open(str(tmp_path / "out" / "shots.mp4")) as video:
        assert [float(frame.time) for frame in video.decode(video=0)] == [0, 4, 6]
        assert video.duration / av.time_base == pytest.approx(8, abs=0.1)


def test_a_variable_rate_is_kept(trained, tmp_path):
    times = [0, 1, 2, 30, 31, 90]  # hundredths
    with av.open(str(tmp_path / "vfr.mkv"), "w") as video:
        stream = video.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 36, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        for moment, image in zip(times, _scenes(6)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = moment, stream.codec_context.time_base
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    _play(trained, tmp_path, [tmp_path / "vfr.mkv"])
    with av.open(str(tmp_path / "out" / "vfr.mp4")) as video:
        found = [float(frame.time) for frame in video.decode(video=0)]
    np.testing.assert_allclose(found, np.array(times) / 100, atol=0.002)
