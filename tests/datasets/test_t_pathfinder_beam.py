"""The Beam pipeline makes the records of the plain build, to the byte."""

import dataclasses

import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader
from t_pathfinder.subsets import SUBSETS
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

_SUBSET = dataclasses.replace(
    SUBSETS["quickstart"], train_videos=30, test_videos=10, calibration_videos=5
)


def _contents(folder, download_config):
    builder = Builder(config=SubsetConfig(name="some", subset=_SUBSET), data_dir=folder)
    builder.download_and_prepare(download_config=download_config)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _content(path) for path in files}


def _content(path):
    # Whole files differ from build to build: array_record compresses in threads.
    if "array_record" in path.name:
        return ArrayRecordReader(str(path)).read_all()
    return path.read_bytes()


# Beam itself warns of several things to come.
@pytest.mark.filterwarnings("ignore")
def test_beam_makes_the_same_records(tmp_path, monkeypatch):
    from apache_beam.options.pipeline_options import PipelineOptions

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    plain = _contents(tmp_path / "plain", None)
    with_beam = tfds.download.DownloadConfig(
        beam_runner="DirectRunner", beam_options=PipelineOptions(flags=[])
    )
    assert _contents(tmp_path / "beam", with_beam) == plain
    assert sum(name.endswith("-of-00001") for name in plain) == 3
