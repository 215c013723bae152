"""Runs on arrays, under a configuration that names another dataset, and one run after another."""

import shutil

import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax import experiment, pretrained
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.sweep import sweep
from rsf_jax.run_folder import RunFolder
from rsf_jax.training import curves

POLICIES = [rsf.FixedSchedule(slow=2, fast=1)]


def _dataset(seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (12, 3, 8, 8, 1), np.uint8)
    masks = (frames[..., 0] > 150).astype(np.uint8)
    return rsf.Dataset.from_arrays(
        frames[:8], masks[:8], test=(frames[8:], masks[8:]), class_names=["sky", "bird"]
    )


def _config(data_dir, **changes):
    """With a dataset that is built here, of other videos."""
    few = {"updates": 4, "log_every": 1, "validate_every": 2, "save_every": 2, "devices": 1}
    return tiny_config(data_dir, **few, batch_size=4, slow_steps=2, augment=False, **changes)


@pytest.fixture(scope="module")
def run_on_arrays(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("arrays")
    experiment.run(_config(data_dir), workdir, _dataset(0))
    return workdir


def test_what_is_said_of_the_data_is_said_of_the_arrays(run_on_arrays, tmp_path):
    record = make_record(run_on_arrays)
    assert record.config["dataset"] == "arrays"
    assert record.frame_size == [8, 8]
    assert record.class_names == ["sky", "bird"]
    assert not record.version
    variables = rsf.load_trained(run_on_arrays).variables
    card = pretrained.save_pretrained("mine", record, variables, tmp_path)
    page = pretrained.write_model_card(card).read_text()
    assert "datasets:" not in page
    assert "t_pathfinder" not in page


def test_a_run_on_arrays_is_resumed_under_the_same_settings(run_on_arrays, data_dir, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(run_on_arrays, workdir)
    config = _config(data_dir, lr_schedule="constant")
    with pytest.raises(rsf.InputError, match="other settings: lr_schedule"):
        experiment.run(config, workdir, _dataset(0))
    with pytest.raises(rsf.InputError, match="a run on other data"):
        experiment.run(_config(data_dir), workdir, _dataset(1))
    experiment.run(_config(data_dir), workdir, _dataset(0))


def test_arrays_are_not_shrunk(data_dir, tmp_path):
    with pytest.raises(rsf.InputError, match=r"config\.shrink is 2: arrays are taken as they are"):
        experiment.run(_config(data_dir, shrink=2), tmp_path / "run", _dataset(0))


def test_arrays_are_not_found_by_their_name(run_on_arrays):
    config = rsf.load_trained(run_on_arrays).config
    with pytest.raises(rsf.InputError, match="the dataset were arrays, given in Python"):
        rsf.open_dataset(config)


def test_nothing_of_a_former_run_in_the_folder_is_taken_for_the_new_ones(
    run_on_arrays, data_dir, tmp_path
):
    workdir = tmp_path / "run"
    shutil.copytree(run_on_arrays, workdir)
    sweep(rsf.load_trained(workdir), _dataset(0), workdir, POLICIES)
    curves.append(workdir, "validation", 6, {"loss": 0.0})
    tests = {path: path.read_bytes() for path in RunFolder(workdir).tests()}
    shutil.rmtree(RunFolder(workdir).checkpoints)

    other = _dataset(1)
    experiment.run(_config(data_dir), workdir, other)
    trained = rsf.load_trained(workdir)
    found, fresh = (sweep(trained, other, place, POLICIES) for place in (workdir, tmp_path))
    assert found["points"][0]["miou"] == fresh["points"][0]["miou"]
    assert list(curves.read(workdir)["validation"]) == [2, 4]

    (path,) = tests
    own = path.read_text()
    assert make_record(workdir).tests
    path.write_text(own.replace(trained.fingerprint, "0" * 64))  # on the same data
    assert not make_record(workdir).tests
    path.write_bytes(tests[path])  # on the former run's
    assert not make_record(workdir).tests
