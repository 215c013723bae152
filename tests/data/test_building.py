"""Builds that are killed, and builds at once."""

import dataclasses
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
from generated_videos import building as generated
from t_pathfinder.subsets import SUBSETS
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig
from tensorflow_datasets.core import read_only_builder

import rsf_jax as rsf
from rsf_jax.data import building
from tests import launching

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

NAME = "t_pathfinder/some"
_SUBSET = dataclasses.replace(
    SUBSETS["quickstart"], train_videos=300, test_videos=20, calibration_videos=10
)


def _builder(folder):
    return Builder(config=SubsetConfig(name="some", subset=_SUBSET), data_dir=folder)


def _build(folder):
    os.environ["T_PATHFINDER_WORKERS"] = "1"
    building.prepare(_builder(folder), NAME)


def _config(folder):
    return rsf.get_config("quickstart").replace(dataset=NAME, data_dir=str(folder))


def _find_and_read(folder):
    """In a process of its own."""
    os.environ["T_PATHFINDER_WORKERS"] = "1"
    Builder.BUILDER_CONFIGS = [SubsetConfig(name="some", subset=_SUBSET)]
    builder = building.find_or_build(_config(folder))
    assert len(builder.as_data_source("train")) == builder.info.splits["train"].num_examples == 300


def test_what_a_build_says(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    few = dataclasses.replace(_SUBSET, train_videos=6, test_videos=3, calibration_videos=2)
    builder = Builder(config=SubsetConfig(name="some", subset=few), data_dir=tmp_path)
    generate = builder.download_and_prepare

    def noted(**settings):
        print("a note of the builder's")
        generate(**settings)

    monkeypatch.setattr(builder, "download_and_prepare", noted)
    folder = building.prepare(builder, NAME).data_dir
    first, note, last = capsys.readouterr().out.splitlines()
    assert (first, note) == (f"Building {NAME} in {folder}", "a note of the builder's")
    assert re.fullmatch(r"Built in \d+ s", last)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        _build(folder)
    return folder, time.monotonic() - began


@pytest.fixture
def some(monkeypatch):
    """Makes the small subset one that is built by name."""
    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    monkeypatch.setattr(Builder, "BUILDER_CONFIGS", [SubsetConfig(name="some", subset=_SUBSET)])
    # TFDS keeps a table of them in the class.
    monkeypatch.setattr(Builder, "builder_configs", {"some": Builder.BUILDER_CONFIGS[0]})


def _records(folder):
    builder = read_only_builder.builder_from_files(NAME, data_dir=folder)
    return [example["frames"].tobytes() for example in builder.as_data_source("train")]


def _incomplete(folder):
    return list((folder / NAME).glob("incomplete.*"))


def _names(folder):
    """Names of the files of a build; os.walk does not mind folders that vanish."""
    return [name for part in _incomplete(folder) for *_, names in os.walk(part) for name in names]


def _kill(process, moment, seconds=60):
    """Kills a process as soon as `moment()` is true; returns whether it ran until then."""
    end = time.monotonic() + seconds
    while not moment() and process.is_alive() and time.monotonic() < end:
        time.sleep(0.0005)
    running = process.is_alive()
    process.kill()
    process.join()
    return running


def test_killed_builds_leave_nothing_that_looks_finished(unbroken, tmp_path):
    expected, seconds = unbroken
    began = [0.0]
    moments = [
        lambda: _incomplete(tmp_path),
        lambda: _names(tmp_path),
        lambda: any("test" in name for name in _names(tmp_path)),
        lambda: any("calibration" in name for name in _names(tmp_path)),
        lambda: any(name.endswith(".json") for name in _names(tmp_path)),
        *(
            lambda share=share: time.monotonic() - began[0] > share * seconds
            for share in (0.3, 0.6, 0.9)
        ),
    ]
    broken = 0
    for moment in moments:
        began[0] = time.monotonic()
        _kill(launching.fork(_build, tmp_path), moment)
        broken += bool(_incomplete(tmp_path))
        if list((tmp_path / NAME).glob("[0-9]*")):  # it was faster: then it is whole
            assert _records(tmp_path) == _records(expected)
        else:
            with pytest.raises(tfds.core.DatasetNotFoundError):
                read_only_builder.builder_from_files(NAME, data_dir=tmp_path)
        shutil.rmtree(tmp_path / NAME, ignore_errors=True)
    assert broken >= 3


def test_a_build_after_one_that_was_killed_is_whole(unbroken, tmp_path):
    assert _kill(launching.fork(_build, tmp_path), lambda: _names(tmp_path))
    process = launching.fork(_build, tmp_path)
    process.join()
    assert process.exitcode == 0
    assert _records(tmp_path) == _records(unbroken[0])
    assert len(_records(tmp_path)) == 300


def test_builds_at_once_wait_for_each_other_and_read(unbroken, tmp_path):
    processes = [launching.fork(_find_and_read, tmp_path) for _ in range(3)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert [path.name for path in (tmp_path / NAME).iterdir() if path.is_dir()] == ["2.0.0"]
    assert _records(tmp_path) == _records(unbroken[0])


def _as_version(folder, version):
    """Makes what was built in `folder` look as if an earlier release had built it."""
    (built,) = (folder / NAME).glob("[0-9]*")
    info = built / "dataset_info.json"
    entries = json.loads(info.read_text())
    info.write_text(json.dumps(entries | {"version": version}))
    built.rename(built.with_name(version))


def test_data_of_an_older_version_are_not_taken_for_those_of_the_builder(some, tmp_path, capsys):
    building.find_or_build(_config(tmp_path))
    _as_version(tmp_path, "1.1.0")
    capsys.readouterr()
    assert not building.is_built(_config(tmp_path))
    assert not capsys.readouterr().out  # asked, not built
    assert str(building.find_or_build(_config(tmp_path)).version) == "2.0.0"
    said = capsys.readouterr().out
    assert "version 1.1.0 is there, 2.0.0 is other data and is used" in said
    assert f"config.dataset={NAME}:1.1.0" in said
    # Asked for by name, the old ones are still read.
    named = _config(tmp_path).replace(dataset=f"{NAME}:1.1.0")
    assert building.is_built(named)
    assert str(building.find_or_build(named).version) == "1.1.0"


def test_data_of_a_smaller_difference_are_read(some, tmp_path):
    building.find_or_build(_config(tmp_path))
    _as_version(tmp_path, "2.7.1")
    assert str(building.find_or_build(_config(tmp_path)).version) == "2.7.1"


def test_a_builder_made_before_another_has_built_is_opened_anew(unbroken, tmp_path):
    late = _builder(tmp_path)
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    found = building.prepare(late, NAME)
    assert len(found.as_data_source("train")) == found.info.splits["train"].num_examples == 300


def test_a_build_that_a_plain_one_overtakes_returns_the_other(unbroken, tmp_path, monkeypatch):
    generate = generated.generate

    def overtaken(*args):
        shutil.copytree(unbroken[0] / NAME, tmp_path / NAME, dirs_exist_ok=True)
        return generate(*args)

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    monkeypatch.setattr(generated, "generate", overtaken)
    found = building.prepare(_builder(tmp_path), NAME)
    assert found.info.splits["train"].num_examples == 300
    assert _records(tmp_path) == _records(unbroken[0])
    assert not _incomplete(tmp_path)


def test_a_build_that_fails_is_told(tmp_path, monkeypatch):
    def fails(*args):
        (tmp_path / NAME / str(Builder.VERSION)).mkdir()  # there, but no dataset
        raise OSError("no space left")

    monkeypatch.setattr(generated, "generate", fails)
    with pytest.raises(OSError, match="no space left"):
        building.prepare(_builder(tmp_path), NAME)


@pytest.mark.parametrize(
    ("missing", "cut"),
    [
        (["dataset_info.json"], []),
        (["features.json"], []),
        (["dataset_info.json", "features.json"], []),
        (["features.json"], ["dataset_info.json"]),
        ([], ["dataset_info.json"]),
    ],
)
def test_a_copy_that_was_interrupted_is_told_in_one_line(unbroken, some, tmp_path, missing, cut):
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    (folder,) = (tmp_path / NAME).glob("[0-9]*")
    for name in missing:
        (folder / name).unlink()
    for name in cut:
        (folder / name).write_bytes(b"")
    before = sorted(folder.iterdir())
    with pytest.raises(rsf.InputError, match=r"Delete the folder.*builds it anew$") as told:
        building.find_or_build(_config(tmp_path))
    assert "\n" not in str(told.value)
    assert str(tmp_path) in str(told.value)
    assert NAME in str(told.value)
    assert cut or str(folder) in str(told.value)
    assert sorted(folder.iterdir()) == before


def _incomplete_folder(parent, name, age):
    folder = parent / f"incomplete.{name}"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(b"x")
    (folder / "link").symlink_to("nothing")
    for path in (folder / "deep" / "file", folder / "deep", folder / "link", folder):
        os.utime(path, (0, time.time() - age), follow_symlinks=False)
    return folder


def test_abandoned_builds_are_removed_after_a_day(unbroken, tmp_path):
    """By the next that builds, or finds that another has built."""
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    _incomplete_folder(tmp_path / NAME, "old", 25 * 3600)
    _incomplete_folder(tmp_path / NAME, "new", 23 * 3600)
    running = _incomplete_folder(tmp_path / NAME, "running", 25 * 3600)
    os.utime(running / "deep" / "file")  # what is written changes no folder
    building.prepare(_builder(tmp_path), NAME)
    left = sorted(path.name for path in _incomplete(tmp_path))
    assert left == ["incomplete.new", "incomplete.running"]


@pytest.mark.parametrize("whole", [False, True])
def test_files_that_vanish_while_looking_are_another_processs_work(
    unbroken, tmp_path, monkeypatch, whole
):
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    folder, listed = _incomplete_folder(tmp_path / NAME, "other", 25 * 3600), Path.rglob

    def vanish(self, pattern):
        yield from list(listed(self, pattern))
        shutil.rmtree(folder if whole else folder / "deep")
        yield folder / "deep" / "file"

    monkeypatch.setattr(Path, "rglob", vanish)
    building.prepare(_builder(tmp_path), NAME)
    assert folder.exists() is not whole
