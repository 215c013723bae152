"""Mazes as TFDS builds them: read back, opened by the library, shown as streams, trained on."""

import dataclasses

import numpy as np
import pytest
from generated_videos.building import SubsetConfig
from mazes.events import CUT
from mazes.generator import video
from mazes.mazes_dataset_builder import Builder
from mazes.subsets import SUBSETS

import rsf_jax as rsf
from rsf_jax.data.batches import training_batches
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.streams import live_streams, long_stream
from rsf_jax.evaluation.live import streams_to_test

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

FEW = {"train_videos": 10, "test_videos": 4, "calibration_videos": 3, "validation_videos": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("built")


@pytest.fixture(scope="module", params=["static7", "temporal12", "hard12_long"])
def built(request, folder):
    subset = dataclasses.replace(SUBSETS[request.param], **FEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        config = SubsetConfig(name=f"few_{request.param}", subset=subset)
        builder = Builder(config=config, data_dir=folder)
        builder.download_and_prepare()
    return builder


def _opened(built, folder, **changes):
    name = f"mazes/{built.builder_config.name}"
    config = rsf.get_config("quickstart").replace(dataset=name, data_dir=str(folder), **changes)
    return config, open_dataset(config)


def test_videos_come_back_as_they_were_made(built):
    subset = built.builder_config.subset
    assert {f"{name}_videos": len(of) for name, of in subset.splits.items()} == FEW
    for split, numbers in subset.splits.items():
        for stored, number in zip(built.as_data_source(split), numbers, strict=True):
            made = video(subset.settings, subset.seed, number)
            assert stored.keys() == made.keys()
            for name, value in made.items():
                np.testing.assert_array_equal(stored[name], value)
                if isinstance(value, np.ndarray):
                    assert stored[name].dtype == value.dtype


def test_the_library_reads_them_and_those_in_which_something_happens_are_streams(built, folder):
    _, dataset = _opened(built, folder)
    moving = built.builder_config.subset.settings.happening is not None
    names = {"frames", "masks", "distance"} | ({"events", "event"} if moving else set())
    splits = [getattr(dataset, name.removesuffix("_videos")) for name in FEW]
    assert [len(split) for split in splits] == list(FEW.values())
    for split, name in zip(splits, FEW, strict=True):
        stored = built.as_data_source(name.removesuffix("_videos"))
        for read, there in zip(split, stored, strict=True):
            assert read.keys() == names
            assert all(np.array_equal(read[key], there[key]) for key in names)


def test_pauses_in_a_video_stay_as_they_are_in_a_test_of_streams(built, folder):
    _, dataset = _opened(built, folder)
    length = built.builder_config.subset.settings.frames
    if length == 1:
        # Images are composed, as any videos are.
        (stream,) = live_streams(dataset.test, 1, 8, seed=0)
        assert stream["frames"].shape == (8, 21, 21, 1)
        return
    streams = streams_to_test(dataset.test, 3, length)
    for stream, stored in zip(streams, built.as_data_source("test"), strict=False):
        for name in ("frames", "masks", "events"):
            np.testing.assert_array_equal(stream[name], stored[name])
    with pytest.raises(rsf.InputError, match=r"streams of .* frames, which are not composed again"):
        live_streams(dataset.test, 3, length + 1, seed=0)


def test_a_long_stream_to_train_on_is_of_one_maze(built, folder):
    _, dataset = _opened(built, folder)
    for number in range(8):
        shown = long_stream(dataset.train[number], 40, np.random.default_rng(number))
        stored = built.as_data_source("train")[number]
        event = stored.get("event", np.zeros(1, np.uint8))
        scene = np.cumsum(event <= CUT)
        assert len(set(scene[shown])) == 1
        # Where nothing happens, the times are drawn anew: every picture has one.
        pictures = stored["frames"][np.unique(shown)]
        assert (pictures[1:] != pictures[:-1]).any((1, 2, 3)).all()


def test_training_sees_them_as_clips_and_as_chunks_of_streams(built, folder):
    frames = built.builder_config.subset.settings.frames
    side = built.info.features["frames"].shape[1]
    config, dataset = _opened(built, folder, batch_size=2)
    batch = next(training_batches(dataset, config, 0))
    assert batch.frames.shape == (2, frames, side, side, 1)
    config = config.replace(chunk_frames=4, stream_frames=16, noise=0.05, updates=4)
    batch = next(training_batches(dataset, config, 3))
    assert batch.frames.shape == (2, 4, side, side, 1)
    assert set(np.unique(batch.masks)) == {0, 1}
