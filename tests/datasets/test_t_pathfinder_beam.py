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
@pytest.mark.parametrize(("most", "count"), [(None, 45), (6, 6 + 6 + 5)])
def test_beam_makes_the_same_examples(tmp_path, monkeypatch, most, count):
    from apache_beam.options.pipeline_options import PipelineOptions

    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    without_beam = tfds.download.DownloadConfig(max_examples_per_split=most)
    plain = _examples(tmp_path / "plain", without_beam)
    with_beam = tfds.download.DownloadConfig(
        beam_runner="DirectRunner",
        beam_options=PipelineOptions(flags=[]),
        max_examples_per_split=most,
    )
    assert _examples(tmp_path / "beam", with_beam) == plain
    assert len(plain) == count
