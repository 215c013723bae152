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


def test_training_goes_on_from_its_checkpoint(old, data_dir):
    saved = rsf.load_trained(old).saved
    config = saved.replace(data_dir=str(data_dir), updates=5)
    before = rsf.load_trained(old).variables
    assert train(config, open_dataset(config), old) is Outcome.FINISHED
    after = rsf.load_trained(old, update=5)
    assert after.saved.updates == 5
    moved = jax.tree.map(lambda x, y: float(np.abs(x - y).max()), before, after.variables)
    assert 0 < max(jax.tree.leaves(moved)) < 0.1
