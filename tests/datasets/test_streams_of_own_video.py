"""Clips of a user's own files, joined and stretched to streams."""

import numpy as np
import pytest
import small_datasets

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.sensor import sense
from rsf_jax.data.streams import CUT, PAUSE, gather, live_streams, long_stream, still

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

LENGTH = 25


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    small_datasets.small("own_video/default", folder / "files").build(folder / "data")
    config = rsf.get_config("own_s1f1").replace(
        dataset="own_video/default", data_dir=str(folder / "data")
    )
    return open_dataset(config).train


def test_live_streams_are_of_their_frames(videos):
    assert "events" not in videos[0]
    pairs = {
        (frame.tobytes(), mask.tobytes())
        for video in videos
        for frame, mask in zip(video["frames"], video["masks"])
    }
    firsts = {video["frames"][0].tobytes() for video in videos}
    streams = live_streams(videos, 4, LENGTH, seed=0)
    for stream in streams:
        assert stream["frames"].shape == (LENGTH, *videos[0]["frames"].shape[1:])
        shown = list(zip(map(bytes, stream["frames"]), map(bytes, stream["masks"])))
        assert set(shown) <= pairs
        for t, event in enumerate(stream["events"].tolist()):
            assert event != PAUSE or shown[t] == shown[t - 1]
            assert event != CUT or shown[t][0] in firsts
    events = np.concatenate([stream["events"] for stream in streams])
    assert set(events) == {0, 1, 2, 3}


def test_a_clip_is_made_long_and_seen_by_a_noisy_sensor(videos):
    index = long_stream(videos[0], 16, np.random.default_rng(0))
    part = gather(videos[0], index[8:16])
    assert part["frames"].shape[0] == part["masks"].shape[0] == 8
    frames = still(videos[0], 8)["frames"]
    seen = sense(frames, np.random.default_rng(0), noise=0.02, flicker=0.05)
    assert seen.shape == frames.shape
    assert seen.dtype == np.uint8
    assert (seen[0] != seen[1]).any()
