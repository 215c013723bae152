"""Builds that are killed, and builds at once."""

import dataclasses
import os
import signal
import time

import pytest
import tensorflow_datasets as tfds
from t_pathfinder.subsets import SUBSETS
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig
from tensorflow_datasets.core import read_only_builder

from rsf_jax import building
from tests import launching

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

NAME = "t_pathfinder/some"
_SUBSET = dataclasses.replace(
    SUBSETS["quickstart"], train_videos=300, test_videos=20, calibration_videos=10
)


def _build(folder):
    os.environ["T_PATHFINDER_WORKERS"] = "1"
    builder = Builder(config=SubsetConfig(name="some", subset=_SUBSET), data_dir=folder)
    building.prepare(builder, NAME)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        _build(folder)
    return folder, time.monotonic() - began


def _records(folder):
    builder = read_only_builder.builder_from_files(NAME, data_dir=folder)
    return [example["frames"].tobytes() for example in builder.as_data_source("train")]


def test_killed_builds_leave_nothing_that_looks_finished(unbroken, tmp_path):
    expected, seconds = unbroken
    for share in (0.1, 0.5, 0.9):
        process = launching.fork(_build, tmp_path)
        time.sleep(share * seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        if not list((tmp_path / NAME).glob("[0-9]*")):  # it may have been faster
            with pytest.raises(tfds.core.DatasetNotFoundError):
                read_only_builder.builder_from_files(NAME, data_dir=tmp_path)
    process = launching.fork(_build, tmp_path)
    process.join()
    assert process.exitcode == 0
    assert _records(tmp_path) == _records(expected)
    assert len(_records(tmp_path)) == 300


def test_builds_at_once_wait_for_each_other(unbroken, tmp_path):
    processes = [launching.fork(_build, tmp_path) for _ in range(3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert [path.name for path in (tmp_path / NAME).iterdir() if path.is_dir()] == ["1.1.0"]
    assert _records(tmp_path) == _records(unbroken[0])


def test_abandoned_builds_are_removed_after_a_day(tmp_path):
    old, new = (tmp_path / f"incomplete.{name}" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
        (path / "file").write_bytes(b"x")
    for path in (old / "file", old):
        os.utime(path, (0, time.time() - 25 * 3600))
    building._remove_abandoned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["incomplete.new"]
