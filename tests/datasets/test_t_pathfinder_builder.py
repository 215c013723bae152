"""TFDS builder: files, reading back, no TensorFlow, nothing left of an interrupted build."""

import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import t_pathfinder
import tensorflow_datasets as tfds
from contours.drawing import redraw
from generated_videos import building
from generated_videos.subset import Subset
from t_pathfinder.generator import video
from t_pathfinder.subsets import PLAIN, SUBSETS

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

DATASETS = pathlib.Path(t_pathfinder.__file__).resolve().parents[1]
TRAIN, TEST, CALIBRATION, SEED = 45, 3, 4, 7
STARTS = {"train": 0, "test": TRAIN, "calibration": TRAIN + TEST}

# Run in processes of their own: what they check is the state of the whole interpreter.
BUILD = """
import os, sys
sys.path.insert(0, {datasets!r})
os.environ["T_PATHFINDER_WORKERS"] = {workers!r}
from generated_videos.subset import Subset
from t_pathfinder.subsets import PLAIN, SUBSETS
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig
tiny = Subset(SUBSETS["quickstart"].settings, {seed}, {train}, {test}, {calibration})
builder = Builder(config=SubsetConfig(name="tiny", subset=tiny), data_dir={folder!r})
builder.download_and_prepare()
assert len(builder.as_data_source(split="train")) == {train}
assert not {{"tensorflow", "apache_beam"}} & set(sys.modules)
"""


def build(folder: pathlib.Path, workers: int) -> pathlib.Path:
    code = BUILD.format(
        datasets=str(DATASETS),
        workers=str(workers),
        seed=SEED,
        train=TRAIN,
        test=TEST,
        calibration=CALIBRATION,
        folder=str(folder),
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("one"), workers=1)


def tiny_builder(folder: pathlib.Path, **kwargs):
    from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

    subset = Subset(SUBSETS["quickstart"].settings, SEED, TRAIN, TEST, CALIBRATION)
    config = SubsetConfig(name="tiny", subset=subset)
    return Builder(config=config, data_dir=folder, **kwargs)


def test_files_are_array_records_with_metadata(built):
    folder = built / "t_pathfinder" / "tiny" / "2.0.0"
    names = sorted(path.name for path in folder.iterdir())
    assert [n for n in names if "array_record" in n] == [
        "t_pathfinder-calibration.array_record-00000-of-00001",
        "t_pathfinder-test.array_record-00000-of-00001",
        "t_pathfinder-train.array_record-00000-of-00001",
    ]
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["seed"] == SEED
    assert metadata["splits"] == {
        "train": [0, TRAIN],
        "test": [TRAIN, TRAIN + TEST],
        "calibration": [TRAIN + TEST, TRAIN + TEST + CALIBRATION],
    }
    wanted = SUBSETS["quickstart"].settings.rule.longest_start
    assert metadata["settings"]["rule"]["longest_start"] == wanted


def test_two_workers_make_the_same_bytes(built, tmp_path):
    """Compared after decoding: protobuf itself writes the fields of a record in any order."""

    def digest(folder):
        total = hashlib.sha256()
        for split in STARTS:
            for example in tiny_builder(folder).as_data_source(split=split):
                for name in sorted(example):
                    total.update(np.asarray(example[name]).tobytes())
        return total.hexdigest()

    assert digest(build(tmp_path, workers=2)) == digest(built)


@pytest.mark.parametrize(("split", "size"), [("test", TEST), ("calibration", CALIBRATION)])
def test_videos_come_back_as_they_were_made(built, split, size):
    builder = tiny_builder(built)
    settings = builder.builder_config.subset.settings
    source = builder.as_data_source(split=split)
    assert len(source) == size
    for record in range(size):
        stored, made = source[record], video(settings, SEED, STARTS[split] + record)
        assert stored.keys() == made.keys()
        for name, value in made.items():
            np.testing.assert_array_equal(stored[name], value)
            if isinstance(value, np.ndarray):
                assert stored[name].dtype == value.dtype


def test_stored_segments_redraw_the_video(built):
    builder = tiny_builder(built)
    geometry = builder.builder_config.subset.settings.geometry
    for stored in builder.as_data_source(split="test"):
        frames, masks = redraw(geometry, stored["segments"], stored["lengths"], stored["target"])
        assert frames.tobytes() == stored["frames"].tobytes()
        assert masks.tobytes() == stored["masks"].tobytes()


def test_an_explicit_file_format_wins(tmp_path):
    assert tiny_builder(tmp_path).info.file_format.value == "array_record"
    chosen = tiny_builder(tmp_path, file_format="tfrecord")
    assert chosen.info.file_format.value == "tfrecord"


def test_an_interrupted_build_is_not_taken_for_a_finished_one(tmp_path, monkeypatch):
    def interrupted(make, settings, seed, indices):
        yield video(settings, seed, indices.start)
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny_builder(tmp_path).download_and_prepare()
    assert not tiny_builder(tmp_path).is_prepared()
    assert not list(tmp_path.rglob("*.array_record*"))


def test_a_subset_without_calibration_videos_has_no_such_split(tmp_path, monkeypatch):
    from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    subset = Subset(SUBSETS["quickstart"].settings, SEED, train_videos=2, test_videos=1)
    builder = Builder(config=SubsetConfig(name="tiny", subset=subset), data_dir=tmp_path)
    builder.download_and_prepare()
    assert set(builder.info.splits) == {"train", "test"}


def test_the_version_has_a_release_note():
    from t_pathfinder.t_pathfinder_dataset_builder import Builder

    assert str(Builder.VERSION) in Builder.RELEASE_NOTES


def test_every_subset_can_be_asked_for_and_a_plain_build_makes_few():
    from t_pathfinder.t_pathfinder_dataset_builder import Builder

    plain = ["easy", "hard", "quickstart", "easy72", "hard72", "hard40"]
    assert [config.name for config in Builder.BUILDER_CONFIGS] == list(PLAIN) == plain
    assert set(Builder.builder_configs) == set(SUBSETS)


@pytest.mark.parametrize("name", [*PLAIN, "easy64", "hard64"])
def test_a_subset_has_a_file_of_its_own(name):
    """`tfds build t_pathfinder/NAME` looks for one."""
    module = __import__(f"t_pathfinder.{name}", fromlist=["Builder"])
    assert [config.name for config in module.Builder.BUILDER_CONFIGS] == [name]
    assert module.Builder.name == "t_pathfinder"


def test_the_first_versions_geometry_is_built_by_name(tmp_path, monkeypatch):
    from t_pathfinder.t_pathfinder_dataset_builder import Builder

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    few = tfds.download.DownloadConfig(max_examples_per_split=1)
    builder = Builder(config="easyv1", data_dir=tmp_path)
    builder.download_and_prepare(download_config=few)
    (stored,) = builder.as_data_source(split="train")
    old = SUBSETS["easyv1"]
    np.testing.assert_array_equal(stored["frames"], video(old.settings, old.seed, 0)["frames"])
