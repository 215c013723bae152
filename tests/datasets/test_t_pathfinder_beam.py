"""The Beam pipeline makes the examples of the plain build, to the byte."""

import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds
from t_pathfinder.subsets import SUBSETS
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

_SUBSET = dataclasses.replace(
    SUBSETS["quickstart"], train_videos=30, test_videos=10, calibration_videos=5
)


def _examples(folder, download_config):
    """Every feature of every example, as bytes, in order."""
    builder = Builder(config=SubsetConfig(name="some", subset=_SUBSET), data_dir=folder)
    builder.download_and_prepare(download_config=download_config)
    return [
        {name: np.asarray(value).tobytes() for name, value in example.items()}
        for split in ("train", "test", "calibration")
        for example in builder.as_data_source(split)
    ]


# Beam itself warns of several things to come.
@pytest.mark.filterwarnings("ignore")
def test_beam_makes_the_same_examples(tmp_path, monkeypatch):
    from apache_beam.options.pipeline_options import PipelineOptions

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    plain = _examples(tmp_path / "plain", None)
    with_beam = tfds.download.DownloadConfig(
        beam_runner="DirectRunner", beam_options=PipelineOptions(flags=[])
    )
    assert _examples(tmp_path / "beam", with_beam) == plain
    assert len(plain) == 45
