"""The Beam pipeline makes the files of the plain build, to the byte."""

import dataclasses

import pytest
import tensorflow_datasets as tfds
from t_pathfinder.subsets import SUBSETS
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

_SUBSET = dataclasses.replace(
    SUBSETS["quickstart"], train_videos=30, test_videos=10, calibration_videos=5
)


def _files(folder, download_config):
    builder = Builder(config=SubsetConfig(name="some", subset=_SUBSET), data_dir=folder)
    builder.download_and_prepare(download_config=download_config)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# Beam itself warns of several things to come.
@pytest.mark.filterwarnings("ignore")
def test_beam_makes_the_same_bytes(tmp_path, monkeypatch):
    from apache_beam.options.pipeline_options import PipelineOptions

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    plain = _files(tmp_path / "plain", None)
    with_beam = tfds.download.DownloadConfig(
        beam_runner="DirectRunner", beam_options=PipelineOptions(flags=[])
    )
    assert _files(tmp_path / "beam", with_beam) == plain
    assert sum(name.endswith("-of-00001") for name in plain) == 3
