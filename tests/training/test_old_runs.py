"""A run of version 0.1, as it lay in its folder: tested, recorded, gone on with."""

import json
import shutil

import jax
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.testing import evaluate
from rsf_jax.training.loop import Outcome, train


@pytest.fixture
def old(tmp_path, request):
    return shutil.copytree(request.config.rootpath / "tests/golden/run_0_1", tmp_path / "run")


def test_it_is_loaded_and_tests_as_it_did(old, data_dir):
    trained = rsf.load_trained(old, {"data_dir": str(data_dir)})
    assert (trained.update, trained.schedule) == (3, rsf.FixedSchedule(1, 1))
    assert trained.saved.options == ""  # a setting that has come since
    before = json.loads((old / "results.json").read_text())
    results = evaluate(trained, open_dataset(trained.config), old)
    assert results["data"] == before["data"]
    for name, value in before["test"].items():
        # Compiled otherwise, a pixel at the edge may fall to the other side.
        np.testing.assert_allclose(results["test"][name], value, atol=2e-3, err_msg=name)


def test_it_is_recorded(old):
    record = make_record(old)
    assert list(record.tests) == ["s1f1"]
    assert (record.update, record.updates, record.parameters) == (3, 3, 220)


def test_a_test_on_other_videos_of_that_name_is_not_recorded(old):
    path = old / "results.json"
    results = json.loads(path.read_text())
    results["data"]["digest"] = "0" * 64
    path.write_text(json.dumps(results))
    assert not make_record(old).tests


def test_data_that_were_built_anew_of_others_are_not_described(
    old, data_dir, tmp_path, monkeypatch
):
    copy = shutil.copytree(data_dir, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    record = make_record(old)
    assert record.version == "2.0.0"

    (metadata,) = copy.glob("t_pathfinder/tiny/*/metadata.json")
    made = json.loads(metadata.read_text())
    metadata.write_text(json.dumps(made | {"settings": "others"}))
    others = make_record(old)
    assert not others.version
    assert others.tests == record.tests  # which was on those of training


def test_training_goes_on_from_its_checkpoint(old, data_dir):
    saved = rsf.load_trained(old).saved
    config = saved.replace(data_dir=str(data_dir), updates=5)
    before = rsf.load_trained(old).variables
    assert train(config, open_dataset(config), old) is Outcome.FINISHED
    after = rsf.load_trained(old, update=5)
    assert after.saved.updates == 5
    moved = jax.tree.map(lambda x, y: float(np.abs(x - y).max()), before, after.variables)
    assert 0 < max(jax.tree.leaves(moved)) < 0.1
