"""Which part of which stream every update sees."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import grain
import numpy as np
import pytest
from configs import tiny_config

from rsf_jax.data.batches import training_batches, updates_per_epoch
from rsf_jax.data.chunks import Chunks, Plan
from rsf_jax.data.dataset import Dataset
from rsf_jax.parallel.processes import Processes

GROUPS, UPDATES = 3, 120


def _videos(count=5, length=4):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, length, 6, 5, 1)).astype(np.uint8)
    masks = (frames[..., 0] > 99).astype(np.uint8)
    source = [{"frames": f, "masks": m} for f, m in zip(frames, masks)]
    return grain.MapDataset.source(source)


def _config(**changes):
    streams = {"chunk_frames": 4, "stream_frames": 16, "stream_groups": GROUPS, "batch_size": 4}
    return tiny_config(**(streams | changes))


def test_groups_take_turns_and_their_streams_follow_each_other():
    plan = Plan(0, GROUPS, 8)
    positions = [plan.position(update) for update in range(UPDATES)]
    assert [p.group for p in positions] == [update % GROUPS for update in range(UPDATES)]
    for group in range(GROUPS):
        mine = [p for p in positions if p.group == group]
        assert mine[0][1:3] == (0, 0)
        for one, following in itertools.pairwise(mine):
            ends = one.chunk + 1 == one.chunks
            expected = (one.number + 1, 0) if ends else (one.number, one.chunk + 1)
            assert following[1:3] == expected
            assert following.begins == ends
    many = [plan.position(update).chunks for update in range(6000)]
    assert set(many) == {1, 2, 4, 8}
    # Every length has a quarter of the updates.
    assert all(abs(many.count(n) / len(many) - 0.25) < 0.05 for n in (1, 2, 4, 8))
    assert Plan(1, GROUPS, 8).position(5 * GROUPS) != plan.position(5 * GROUPS) or any(
        Plan(1, GROUPS, 8).position(u) != p for u, p in enumerate(positions)
    )


def test_where_an_update_is_depends_on_nothing_that_was_asked_before():
    in_order = [Plan(0, GROUPS, 8).position(update) for update in range(UPDATES)]
    plan = Plan(0, GROUPS, 8)
    assert [plan.position(u) for u in reversed(range(UPDATES))] == in_order[::-1]
    plan = Plan(0, GROUPS, 8)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(plan.position, range(UPDATES))) == in_order


@pytest.mark.parametrize("augment", [False, True])
def test_the_chunks_of_a_stream_are_one_video_shown_for_a_while(augment):
    config = _config(augment=augment)
    chunks, plan = Chunks(_videos(), config, Processes(0, 1)), Plan(config.seed, GROUPS, 4)
    streams = {}
    for update in range(60):
        position, batch = plan.position(update), chunks[update]
        assert batch.frames.shape == (4, 4, 6, 5, 1)
        assert batch.frames.dtype == batch.masks.dtype == np.uint8
        assert (batch.weights == 1).all()
        streams.setdefault(position[:2], []).append(batch)
    originals = [{frame.tobytes() for frame in v["frames"]} for v in _videos()]
    for parts in streams.values():
        frames = np.concatenate([part.frames for part in parts], 1)
        masks = np.concatenate([part.masks for part in parts], 1)
        assert (masks == (frames[..., 0] > 99)).all()
        for stream in frames:
            shown = [frame.tobytes() for frame in stream]
            different = [shown[0], *(b for a, b in itertools.pairwise(shown) if a != b)]
            assert len(different) == len(set(different)) <= 4  # none comes back
            if not augment:
                assert any(set(shown) <= video for video in originals)


def _cuts_by_stream(**changes):
    """The share of frames at which each stream cuts to another video."""
    config = _config(augment=False, stream_frames=32, batch_size=30, **changes)
    chunks, plan = Chunks(_videos(), config, Processes(0, 1)), Plan(config.seed, GROUPS, 8)
    place = {f.tobytes(): n for n, video in enumerate(_videos()) for f in video["frames"]}
    streams, found = {}, []
    for update in range(30):
        streams.setdefault(plan.position(update)[:2], []).append(chunks[update].frames)
    for parts in streams.values():
        for stream in np.concatenate(parts, 1):
            shown = [place[frame.tobytes()] for frame in stream]
            cut = [a != b for a, b in itertools.pairwise(shown)]
            found.append((np.sum(cut), len(cut)))
    return np.array(found)


def test_streams_cut_to_other_videos():
    cuts, frames = _cuts_by_stream(cuts=0.2).sum(0)
    # One of five cuts is to the same video again.
    assert cuts / frames == pytest.approx(0.2 * 0.8, abs=0.03)


def test_a_share_of_the_streams_cuts_and_the_others_show_one_video():
    found = _cuts_by_stream(cuts=0.5, cut_streams=0.3)
    long = found[found[:, 1] >= 15]
    cutting = long[:, 0] > 0
    assert cutting.mean() == pytest.approx(0.3, abs=0.1)
    cuts, frames = long[cutting].sum(0)
    assert cuts / frames == pytest.approx(0.5 * 0.8, abs=0.06)
    assert not _cuts_by_stream(cuts=0.5, cut_streams=0.0)[:, 0].any()


def test_a_batch_is_a_function_of_seed_and_update_and_is_shared_by_processes():
    config = _config(noise=0.1, drop=0.3, cuts=0.2)
    videos = _videos()
    whole = Chunks(videos, config, Processes(0, 1))
    halves = [Chunks(videos, config, Processes(index, 2)) for index in range(2)]
    for update in (17, 3, 0):
        expected = Chunks(videos, config, Processes(0, 1))[update].frames
        np.testing.assert_array_equal(whole[update].frames, expected)
        found = np.concatenate([half[update].frames for half in halves])
        np.testing.assert_array_equal(found, expected)
        other = Chunks(videos, config.replace(seed=1), Processes(0, 1))[update].frames
        assert (other != expected).any()


def test_noise_is_anothers_in_every_frame_and_at_most_what_was_asked_for():
    config = _config(noise=0.1, batch_size=30, augment=False, chunk_frames=16)
    gray = grain.MapDataset.source(
        [{"frames": np.full((2, 20, 20, 1), 128, np.uint8), "masks": np.zeros((2, 20, 20))}]
    )
    frames = Chunks(gray, config, Processes(0, 1))[0].frames.astype(np.float32) / 255
    deviations = frames.std((1, 2, 3, 4))
    assert deviations.max() < 0.11
    assert deviations.min() < 0.03
    assert np.ptp(deviations) > 0.06
    one, another = frames[deviations.argmax(), :2]
    assert abs(np.corrcoef(one.ravel(), another.ravel())[0, 1]) < 0.2


def test_streams_of_a_batch_may_be_more_than_there_are_videos():
    videos, config = _videos(2), _config(batch_size=6)
    dataset = Dataset(videos, videos, videos, None, (6, 5))
    assert updates_per_epoch(dataset, config) == 1
    batch = next(training_batches(dataset, config, 0))
    assert batch.frames.shape == (6, 4, 6, 5, 1)
    assert batch.weights.tolist() == [1] * 6
