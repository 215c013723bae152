"""Streams of T-Pathfinder's videos: what is shown, when, and that nothing else decides it."""

import dataclasses
import itertools

import numpy as np
import pytest
import t_pathfinder.subsets
import tensorflow_datasets as tfds
from generated_videos.building import SubsetConfig
from generated_videos.parallel import generate
from t_pathfinder.generator import video
from t_pathfinder_live.generator import join, stream
from t_pathfinder_live.settings import LiveSettings
from t_pathfinder_live.subsets import SUBSETS
from t_pathfinder_live.t_pathfinder_live_dataset_builder import Builder
from video_records.events import CHANGE, CUT, PAUSE, START

import rsf_jax as rsf
from rsf_jax.data.augmentation import augment
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.streams import live_stream, long_stream

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

QUICKSTART = SUBSETS["quickstart_live"]
SETTINGS, SEED = QUICKSTART.settings, QUICKSTART.seed
FEW = {"train_videos": 10, "test_videos": 4, "calibration_videos": 3, "validation_videos": 2}


@pytest.fixture(scope="module")
def streams():
    return [stream(SETTINGS, SEED, index) for index in range(20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("built")


@pytest.fixture(scope="module")
def built(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        config = SubsetConfig(name="tiny", subset=dataclasses.replace(QUICKSTART, **FEW))
        builder = Builder(config=config, data_dir=folder)
        builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def dataset(built, folder):
    return open_dataset(
        rsf.get_config("quickstart").replace(dataset="t_pathfinder_live/tiny", data_dir=str(folder))
    )


def test_every_frame_is_that_of_the_video_it_names(streams):
    for example in streams[:10]:
        for number in np.unique(example["video"]):
            made = video(SETTINGS.video, SEED, int(number))
            of_it = example["video"] == number
            shown = example["shown"][of_it]
            np.testing.assert_array_equal(example["frames"][of_it], made["frames"][shown])
            np.testing.assert_array_equal(example["masks"][of_it], made["masks"][shown])


def test_events_are_right(streams):
    for example in streams:
        events, numbers = example["events"], example["video"]
        assert events.shape == (SETTINGS.length,)
        np.testing.assert_array_equal(np.flatnonzero(events == START), [0])
        cuts = np.flatnonzero(events == CUT)
        np.testing.assert_array_equal(cuts, np.flatnonzero(np.diff(numbers)) + 1)
        assert (np.diff(numbers)[cuts - 1] == 1).all()
        assert (example["shown"][cuts] == 0).all()
        for name in ("frames", "masks"):
            at = np.flatnonzero(events == PAUSE)
            np.testing.assert_array_equal(example[name][at], example[name][at - 1])
        for t in np.flatnonzero(events == CHANGE):
            assert (example["frames"][t] != example["frames"][t - 1]).any()
            assert example["shown"][t] > example["shown"][t - 1]


def test_pauses_and_bursts_are_as_often_as_they_should_be():
    example = stream(dataclasses.replace(SETTINGS, length=20_000), SEED, 0)
    begins = np.flatnonzero(np.diff(example["video"] * 10 + example["shown"], prepend=-1))
    times = np.diff(begins)
    assert times.mean() == pytest.approx(3, abs=0.1)
    assert (times == 1).mean() == pytest.approx(1 / 3, abs=0.02)
    shown = np.bincount(example["shown"][begins])
    assert len(shown) == SETTINGS.video.rule.frames
    assert shown[1:] / shown[0] == pytest.approx(0.9, abs=0.03)


def test_nothing_but_settings_seed_and_number_decides_a_stream():
    plain = [stream(SETTINGS, SEED, index) for index in range(3, 12)]
    for workers in (1, 2):
        others = generate(stream, SETTINGS, SEED, range(3, 12), workers)
        for one, other in zip(plain, others, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
    assert (stream(SETTINGS, SEED + 1, 3)["frames"] != plain[0]["frames"]).any()


def test_no_video_is_in_two_streams(streams):
    numbers = [set(example["video"]) for example in streams]
    assert len(set().union(*numbers)) == sum(map(len, numbers))
    longest = dataclasses.replace(SETTINGS, pause=1.0, drop=1.0)  # a video for every frame
    one, next_one = (set(stream(longest, SEED, index)["video"]) for index in (0, 1))
    assert len(one) == SETTINGS.length
    assert not one & next_one


def test_no_subset_has_the_seed_of_another():
    """Nor of the videos alone: what models are trained on is not in a stream."""
    seeds = [subset.seed for subset in SUBSETS.values()]
    assert len(set(seeds)) == len(seeds)
    assert not set(seeds) & {subset.seed for subset in t_pathfinder.subsets.SUBSETS.values()}


def test_the_library_composes_as_the_builder_does():
    made = [video(SETTINGS.video, SEED, index) for index in range(SETTINGS.length)]
    for seed in range(5):
        stored = join(made, SETTINGS, np.random.default_rng(seed))
        read = live_stream(
            made, SETTINGS.length, np.random.default_rng(seed), SETTINGS.pause, SETTINGS.drop
        )
        for name in ("frames", "masks", "events"):
            np.testing.assert_array_equal(stored[name], read[name])


def test_pause_and_drop_are_settings():
    plain = dataclasses.replace(SETTINGS, pause=1.0, drop=0.0)
    example = stream(plain, SEED, 0)
    assert example["shown"].tolist() == [*range(5)] * 12
    for changes in ({"pause": 0.5}, {"drop": 2.0}, {"length": 0}):
        with pytest.raises(ValueError, match=r"is not possible: it must be"):
            dataclasses.replace(SETTINGS, **changes)


def test_streams_come_back_as_they_were_made(built):
    subset = built.builder_config.subset
    assert {name: len(of) for name, of in subset.splits.items()} == {
        name.removesuffix("_videos"): count for name, count in FEW.items()
    }
    for split, numbers in subset.splits.items():
        for stored, number in zip(built.as_data_source(split), numbers, strict=True):
            made = stream(SETTINGS, SEED, number)
            assert stored.keys() == made.keys()
            for name, value in made.items():
                np.testing.assert_array_equal(stored[name], value)
                if isinstance(value, np.ndarray):
                    assert stored[name].dtype == value.dtype


def test_a_dataset_of_streams_has_events(dataset, built):
    splits = {name: getattr(dataset, name) for name in built.info.splits}
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 10, "test": 4, "calibration": 3, "validation": 2
    }  # fmt: skip
    for name, split in splits.items():
        for read, stored in zip(split, built.as_data_source(name), strict=True):
            assert read.keys() == {"frames", "masks", "events"}
            np.testing.assert_array_equal(read["events"], stored["events"])


def test_events_stay_when_a_stream_is_augmented(dataset):
    example = dataset.train[0]
    config = rsf.get_config("quickstart").replace(zoom=1.5, color_jitter=0.2)
    changed = augment(example, np.random.default_rng(0), config)
    np.testing.assert_array_equal(changed["events"], example["events"])
    assert changed["frames"].shape == example["frames"].shape


def test_one_video_of_a_stored_stream_is_made_long(dataset, built):
    stored = built.as_data_source("train")[0]
    for seed in range(20):
        index = long_stream(dataset.train[0], 40, np.random.default_rng(seed))
        assert len(set(stored["video"][index])) == 1


def test_events_that_cannot_be_are_noticed(built, folder, monkeypatch):
    config = rsf.get_config("quickstart").replace(
        dataset="t_pathfinder_live/tiny", data_dir=str(folder)
    )
    stored = built.as_data_source("test")[0]
    for wrong in (np.zeros(3, np.uint8), np.full(SETTINGS.length, 4, np.uint8)):

        def read(builder, split, wrong=wrong):
            return [stored | {"events": wrong}] * builder.info.splits[split].num_examples

        with monkeypatch.context() as patch:
            patch.setattr(tfds.core.DatasetBuilder, "as_data_source", read)
            opened = open_dataset(config).test
            with pytest.raises(rsf.InputError, match="damaged: cannot read test video 0"):
                opened[0]


@pytest.mark.parametrize("name", SUBSETS)
def test_every_subset_can_be_made(name):
    subset = SUBSETS[name]
    assert isinstance(subset.settings, LiveSettings)
    short = dataclasses.replace(subset.settings, length=20)
    example = stream(short, subset.seed, 0)
    geometry = subset.settings.video.geometry
    assert example["frames"].shape == (20, geometry.height, geometry.width, 1)
    assert subset.settings.length == (1000 if name.endswith("_long") else 60)
    assert set(subset.splits) == {"train", "validation", "calibration", "test"}


def test_splits_follow_each_other(built):
    ends = list(built.builder_config.subset.splits.values())
    assert all(one.stop == other.start for one, other in itertools.pairwise(ends))
