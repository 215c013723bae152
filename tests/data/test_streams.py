"""Videos joined and stretched to streams."""

import itertools

import grain
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.streams import (
    CHANGE,
    CUT,
    PAUSE,
    START,
    gather,
    live_stream,
    live_streams,
    long_stream,
    still,
    streams_apart,
)


def _video(number, frames=5):
    """A video that says in every pixel which frame of which video it is."""
    values = np.uint8(10 * number) + np.arange(frames, dtype=np.uint8)
    pixels = np.broadcast_to(values[:, None, None], (frames, 4, 6))
    return {"frames": pixels[..., None].copy(), "masks": pixels % 2}


def _endless(frames=5):
    return (_video(number % 20, frames) for number in itertools.count())


def _numbers(stream):
    """Video and frame that are shown, int [T] each; all pixels say the same."""
    values = stream["frames"].reshape(len(stream["frames"]), -1)
    assert (values == values[:, :1]).all()
    assert (stream["masks"] == stream["frames"][..., 0] % 2).all()
    return np.divmod(values[:, 0].astype(int), 10)


@pytest.fixture(scope="module")
def stream():
    return live_stream(_endless(), 60_000, np.random.default_rng(0))


def test_pauses_and_bursts_are_as_often_as_they_should_be(stream):
    _, frames = _numbers(stream)
    begins = np.flatnonzero(stream["events"] != PAUSE)
    times = np.diff(begins)
    # A geometric distribution of mean 3: a share of 1/3 ends after every frame.
    assert times.mean() == pytest.approx(3, abs=0.1)
    for least in (1, 2, 4):
        assert (times == least).sum() / (times >= least).sum() == pytest.approx(1 / 3, abs=0.02)
    shown = np.bincount(frames[begins], minlength=5)
    assert shown[1:] / shown[0] == pytest.approx(0.9, abs=0.02)


def test_events_say_what_happens(stream):
    videos, frames = _numbers(stream)
    events = stream["events"]
    assert events.dtype == np.uint8
    assert events[0] == START
    assert (events[1:] != START).all()
    same_video, same_frame = np.diff(videos) == 0, np.diff(frames) == 0
    np.testing.assert_array_equal(events[1:] == CUT, ~same_video)
    np.testing.assert_array_equal(events[1:] == PAUSE, same_video & same_frame)
    np.testing.assert_array_equal(events[1:] == CHANGE, same_video & ~same_frame)
    assert (np.diff(frames)[same_video] >= 0).all()
    assert (np.diff(frames)[events[1:] == CHANGE] >= 2).any()  # a burst
    # Every video begins with its first frame, and the next one follows.
    assert (frames[events == CUT] == 0).all()
    np.testing.assert_array_equal(
        videos[events == CUT], np.arange(1, (events == CUT).sum() + 1) % 20
    )


def test_a_video_that_stands_still_makes_pauses():
    video = _video(0)
    video["frames"][2], video["masks"][2] = video["frames"][1], video["masks"][1]
    video["frames"][4] = video["frames"][3]  # with another mask: what is to be found changes
    stream = live_stream([video], 5, np.random.default_rng(0), pause=1.0, drop=0.0)
    assert stream["events"].tolist() == [START, CHANGE, PAUSE, CHANGE, CHANGE]


def test_without_pauses_and_bursts_videos_are_joined():
    stream = live_stream(_endless(), 12, np.random.default_rng(0), pause=1.0, drop=0.0)
    videos, frames = _numbers(stream)
    assert videos.tolist() == [0] * 5 + [1] * 5 + [2] * 2
    assert frames.tolist() == [0, 1, 2, 3, 4] * 2 + [0, 1]


def test_if_all_that_can_be_is_left_out_the_first_frames_remain():
    _, frames = _numbers(live_stream(_endless(), 50, np.random.default_rng(0), drop=1.0))
    assert not frames.any()


def test_a_stream_is_a_function_of_its_generator():
    one, same, other = (
        live_stream(_endless(), 40, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert all((one[name] == same[name]).all() for name in one)
    assert (one["frames"] != other["frames"]).any()


def test_videos_that_end_too_early_are_named():
    with pytest.raises(rsf.InputError, match=r"length is 9: the videos end 4 frames before"):
        live_stream([_video(0)], 9, np.random.default_rng(0), pause=1.0, drop=0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 0}, "length is 0: a whole number of at least 1"),
        ({"pause": 0.5}, r"pause is 0\.5: a number of frames of at least 1"),
        ({"pause": float("inf")}, "pause is inf"),
        ({"drop": -0.1}, r"drop is -0\.1: a probability from 0 to 1"),
        ({"drop": 1.5}, r"drop is 1\.5"),
        ({"count": 0}, "count is 0"),
        ({"seed": -1}, "seed is -1: a whole number of at least 0"),
    ],
)
def test_what_is_not_possible_is_named(changes, message):
    videos = grain.MapDataset.source([_video(0)])
    with pytest.raises(rsf.InputError, match=message):
        live_streams(videos, **{"count": 2, "length": 9, "seed": 0} | changes)


def _split(videos=4):
    return grain.MapDataset.source([_video(number) for number in range(videos)])


def test_streams_of_a_split_are_functions_of_seed_and_number():
    streams = live_streams(_split(), 6, 50, seed=3)
    assert len(streams) == 6
    backwards = [live_streams(_split(), 6, 50, seed=3)[i] for i in reversed(range(6))]
    more = live_streams(_split(), 9, 50, seed=3)
    for i, again in enumerate(reversed(backwards)):
        for name in ("frames", "masks", "events"):
            np.testing.assert_array_equal(streams[i][name], again[name])
            np.testing.assert_array_equal(streams[i][name], more[i][name])
    assert len({streams[i]["frames"].tobytes() for i in range(6)}) == 6
    other = live_streams(_split(), 6, 50, seed=4)
    assert (streams[0]["frames"] != other[0]["frames"]).any()


def test_every_video_comes_before_any_comes_again():
    for stream in live_streams(_split(), 5, 200, seed=0):
        videos, _ = _numbers(stream)
        begins = np.isin(stream["events"], (START, CUT))
        order = videos[begins]
        assert len(order) > 4
        assert sorted(order[:4]) == [0, 1, 2, 3]
        np.testing.assert_array_equal(order[4:], order[:-4])


def test_a_single_video_begins_again_and_again():
    stream = live_streams(_split(1), 1, 40, seed=0)[0]
    _, frames = _numbers(stream)
    assert (frames[stream["events"] == CUT] == 0).all()
    assert (stream["events"] == CUT).any()


def test_streams_are_not_composed_again():
    streams = live_streams(_split(), 3, 50, seed=0)
    again = live_streams(streams, 2, 20, seed=1)
    assert len(again) == 2
    for i in range(2):
        for name in ("frames", "masks", "events"):
            np.testing.assert_array_equal(again[i][name], streams[i][name][:20])
    with pytest.raises(rsf.InputError, match=r"4 streams of 20 .* has 3 streams of 50 frames"):
        live_streams(streams, 4, 20, seed=0)
    with pytest.raises(rsf.InputError, match="2 streams of 51 frames are asked for"):
        live_streams(streams, 2, 51, seed=0)
    with pytest.raises(rsf.InputError, match="are streams: they are not composed again"):
        live_stream([streams[0]], 20, np.random.default_rng(0))


def test_streams_apart_share_no_video_and_are_functions_of_seed_and_number():
    videos = _split(20)
    # A video is shown for 13.8 frames in the mean: two for 20 frames, and one to spare.
    streams = streams_apart(videos, 0, 20, seed=3)
    assert len(streams) == 6
    shown = [set(_numbers(stream)[0]) for stream in streams]
    assert all(len(stream["frames"]) == 20 for stream in streams)
    assert len(set.union(*shown)) == sum(map(len, shown))
    again = streams_apart(videos, 2, 20, seed=3)
    assert len(again) == 2
    for n in (1, 0):
        np.testing.assert_array_equal(again[n]["frames"], streams[n]["frames"])
        assert again[n]["events"][0] == START
    other = streams_apart(videos, 0, 20, seed=4)
    assert any(set(_numbers(a)[0]) != b for a, b in zip(other, shown))


def test_a_stream_apart_that_needs_more_shows_its_own_again():
    streams = streams_apart(_split(20), 0, 20, seed=3)
    # Every frame for one picture's time: three videos have 15 frames, 20 are needed.
    brief = [live_stream(itertools.cycle(_split(3)), 20, np.random.default_rng(0), 1.0, 0.0)]
    assert {len(set(_numbers(stream)[0])) for stream in [*streams, *brief]} <= {1, 2, 3}


@pytest.mark.parametrize(
    ("count", "message"),
    [(7, "7 streams of 20 frames are asked for, each of 3 videos of its own: 20 videos make 6")],
)
def test_more_streams_apart_than_videos_make_are_refused(count, message):
    with pytest.raises(rsf.InputError, match=message):
        streams_apart(_split(20), count, 20, seed=0)
    with pytest.raises(rsf.InputError, match="2 videos make 0"):
        streams_apart(_split(2), 0, 20, seed=0)


def test_streams_apart_of_streams_are_these():
    composed = live_streams(_split(9), 4, 12, seed=0)
    found = streams_apart(composed, 0, 10, seed=5)
    assert len(found) == 4
    for a, b in zip(found, composed):
        np.testing.assert_array_equal(a["frames"], b["frames"][:10])


def test_videos_of_a_dataset_become_streams(data_dir):
    config = rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/tiny", data_dir=str(data_dir), validation_share=0.1
    )
    videos = open_dataset(config).test
    known = {frame.tobytes() for video in videos for frame in video["frames"]}
    streams = live_streams(videos, 3, 30, seed=0)
    for stream in streams:
        assert stream["frames"].shape == (30, 36, 36, 1)
        assert stream["masks"].shape == (30, 36, 36)
        assert {frame.tobytes() for frame in stream["frames"]} <= known


@pytest.mark.parametrize("drop", [0.0, 0.5])
@pytest.mark.parametrize("length", [5, 8, 33, 128])
def test_a_long_stream_shows_one_video_in_order(length, drop):
    for seed in range(20):
        index = long_stream(_video(0), length, np.random.default_rng(seed), drop)
        assert index.shape == (length,)
        assert index[0] == 0
        assert (np.diff(index) >= 0).all()
        if not drop:
            assert set(index) == set(range(5))


def test_dwell_is_heavy_tailed():
    times = np.stack(
        [
            np.bincount(long_stream(_video(0), 128, np.random.default_rng(seed)), minlength=5)
            for seed in range(2000)
        ]
    )
    assert times.mean(0) == pytest.approx(128 / 5, rel=0.05)  # no frame is preferred
    shares = np.sort(times, axis=1) / 128
    assert shares[:, -1].mean() == pytest.approx(0.54, abs=0.03)
    assert (shares[:, -1] > 0.8).mean() > 0.05
    assert np.median(times) < 0.7 * times.mean()


def test_frames_of_a_long_stream_are_left_out():
    drawn = [long_stream(_video(0), 64, np.random.default_rng(s), 0.25) for s in range(1000)]
    shown = np.mean([[frame in index for frame in range(5)] for index in drawn], axis=0)
    assert shown[0] == 1
    assert shown[1:] == pytest.approx(0.75, abs=0.05)


def test_a_part_is_that_of_the_whole():
    video = _video(3)
    index = long_stream(video, 40, np.random.default_rng(5))
    whole = gather(video, index)
    for first in range(0, 40, 8):
        part = gather(video, index[first : first + 8])
        for name in ("frames", "masks"):
            np.testing.assert_array_equal(part[name], whole[name][first : first + 8])
    np.testing.assert_array_equal(index, long_stream(video, 40, np.random.default_rng(5)))


def test_of_a_longer_video_a_run_is_taken():
    firsts = set()
    for seed in range(50):
        index = long_stream(_video(0, frames=10), 4, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.diff(index), 1)
        firsts.add(int(index[0]))
    assert firsts == set(range(7))


def test_of_a_live_stream_one_stretch_without_a_cut_is_stretched():
    stream = live_stream(_endless(), 60, np.random.default_rng(0), drop=0.0)
    videos, _ = _numbers(stream)
    taken = set()
    for seed in range(100):
        index = long_stream(stream, 64, np.random.default_rng(seed))
        assert index.shape == (64,)
        video, frames = _numbers(gather(stream, index))
        assert len(set(video)) == 1
        assert (stream["events"][index] != PAUSE).all()
        assert frames[0] == 0
        taken.add(int(video[0]))
    assert taken == set(videos)


def test_a_still_camera_sees_the_last_frame():
    video = _video(2)
    stream = still(video, 30)
    assert stream["frames"].shape == (30, 4, 6, 1)
    assert (stream["frames"] == video["frames"][-1]).all()
    assert (stream["masks"] == video["masks"][-1]).all()
    assert stream["events"].tolist() == [START] + [PAUSE] * 29
