"""What is saved, what is kept, and what is said of damage."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.integrity import MANIFEST
from rsf_jax.training.state import build_optimizer, create_state

CONFIG = tiny_config()


@pytest.fixture(scope="module")
def state():
    return create_state(rsf.build_model(CONFIG), build_optimizer(CONFIG, 10), 0, (8, 8))


def _at(state, step):
    params = jax.tree.map(lambda x: x + step, state.params)
    return dataclasses.replace(state, step=jnp.int32(step), params=params)


def _save(workdir, state, losses):
    with Checkpoints(workdir, create=True) as checkpoints:
        for step, loss in losses.items():
            metrics = None if loss is None else {"loss": loss, "miou": 1 - loss}
            checkpoints.save(_at(state, step), CONFIG, metrics)


def _error(workdir, state, step, config=CONFIG):
    with Checkpoints(workdir) as checkpoints, pytest.raises(rsf.InputError) as error:
        checkpoints.restore(step, state, config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_latest_and_the_best_are_kept(tmp_path, state):
    _save(tmp_path, state, {1: 0.5, 2: 0.3, 3: 0.4, 4: None, 5: 0.9, 6: None})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [2, 5, 6]
        assert checkpoints.latest_step() == 6
        assert checkpoints.best_step() == 2
        assert checkpoints.metrics(2) == {"loss": 0.3, "miou": 0.7}


def test_the_best_may_be_that_of_the_highest_miou(tmp_path, state):
    found = {1: (0.5, 0.7), 2: (0.3, 0.8), 3: (0.4, 0.9), 4: (0.6, 0.6), 5: (0.2, np.nan)}
    with Checkpoints(tmp_path, create=True, best_by="miou") as checkpoints:
        for step, (loss, miou) in found.items():
            checkpoints.save(_at(state, step), CONFIG)
            checkpoints.add_metrics(step, {"loss": loss, "miou": miou})
        assert checkpoints.best_step() == 3
    with Checkpoints(tmp_path) as checkpoints:  # whoever reads it, and does not know
        assert checkpoints.steps() == [3, 4, 5]
        assert checkpoints.best_step() == 3
        assert checkpoints.metrics(3) == {"loss": 0.4, "miou": 0.9}


def test_without_validation_the_latest_is_the_best(tmp_path, state):
    _save(tmp_path, state, {1: None, 2: None})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best_step() == 2


def test_metrics_can_be_added_to_what_was_saved(tmp_path, state):
    with Checkpoints(tmp_path, create=True) as checkpoints:
        for step, loss in {1: 0.5, 2: 0.3, 3: 0.4, 4: 0.9}.items():
            checkpoints.save(_at(state, step), CONFIG)
            checkpoints.add_metrics(step, {"loss": loss, "miou": 1 - loss})
        checkpoints.save(_at(state, 5), CONFIG)
        assert checkpoints.steps() == [2, 4, 5]
        assert checkpoints.best_step() == 2
    with Checkpoints(tmp_path) as checkpoints:  # as by Orbax's own saving
        assert checkpoints.metrics(2) == {"loss": 0.3, "miou": 0.7}
        assert checkpoints.metrics(5) == {}
        assert checkpoints.best_step() == 2
    folder = tmp_path / "checkpoints" / "2"
    assert "metrics/metrics" in json.loads((folder / MANIFEST).read_text())
    (folder / "metrics" / "metrics").write_text('{"loss": 0.0}')
    assert "metrics/metrics is not what was saved" in _error(tmp_path, state, 2)


def test_other_folders_beside_checkpoints_are_passed_over(tmp_path, state):
    """A copy that was made by hand, for instance."""
    _save(tmp_path, state, {3: None})
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "3", folder / "3 (copy)")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [3]


def test_a_state_comes_back_to_the_bit(tmp_path, state):
    _save(tmp_path, state, {7: None})
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(7, state, CONFIG)
        variables = checkpoints.restore_variables(7, state)
        assert checkpoints.config(7) == CONFIG
    jax.tree.map(np.testing.assert_array_equal, restored, _at(state, 7))
    jax.tree.map(np.testing.assert_array_equal, variables, _at(state, 7).variables)


def test_a_checkpoint_is_saved_once(tmp_path, state):
    _save(tmp_path, state, {3: 0.5})
    _save(tmp_path, state, {3: 0.1})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.metrics(3)["loss"] == 0.5


def test_every_truncated_or_missing_file_is_noticed(tmp_path, state):
    _save(tmp_path, state, {1: None, 2: None})
    folder = tmp_path / "checkpoints" / "2"
    names = [p.relative_to(folder) for p in folder.rglob("*") if p.is_file()]
    assert len(names) > 5
    for name in names:
        if name.name == MANIFEST:
            continue
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2] + b"?")
        if not name.name.startswith("_CHECKPOINT_METADATA"):  # Orbax reads this one on opening
            message = _error(tmp_path, state, 2)
            assert str(name) in message
            assert "go on from update 1" in message
        (folder / name).unlink()
        assert f"{name} is missing" in _error(tmp_path, state, 2)
        (folder / name).write_bytes(content)
    with Checkpoints(tmp_path) as checkpoints:
        assert int(checkpoints.restore(2, state, CONFIG).step) == 2


def test_flipped_bits_are_noticed(tmp_path, state):
    _save(tmp_path, state, {2: None})
    largest = max((tmp_path / "checkpoints" / "2" / "variables").rglob("*"), key=_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    assert "is not what was saved" in _error(tmp_path, state, 2)
    assert "start anew" in _error(tmp_path, state, 2)


def _size(path):
    return path.stat().st_size if path.is_file() else 0


def test_a_checkpoint_cut_off_before_its_end_does_not_count(tmp_path, state):
    _save(tmp_path, state, {1: None, 2: None})
    (tmp_path / "checkpoints" / "2" / MANIFEST).unlink()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 1
    _save(tmp_path, state, {2: None})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 2


@pytest.mark.parametrize("inside", ["params.bin", "default/params.bin", "metadata/_METADATA"])
def test_the_checkpoints_of_others_are_left_alone(tmp_path, state, inside):
    theirs = tmp_path / "checkpoints" / "5000" / inside
    theirs.parent.mkdir(parents=True)
    theirs.write_text("weeks")
    deleted = tmp_path / "checkpoints" / "deleted" / "4000"
    deleted.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(rsf.InputError, match="5000 is no checkpoint of this library: choose"):
            _save(tmp_path, state, {1: None})
    assert theirs.read_text() == "weeks"
    assert deleted.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


@pytest.mark.parametrize("content", ['{"name": "server"}', "[1]", "half of"])
def test_the_settings_of_others_are_not_written_over(tmp_path, state, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(rsf.InputError, match=r"config.json .*choose another folder"):
        rsf.experiment.run(tiny_config(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_text() == content


@pytest.mark.parametrize("left", ["2/" + MANIFEST, "2/meta/metadata", "2/variables"])
def test_what_a_kill_has_left_goes(tmp_path, state, left):
    """Before it was sealed, or while it was deleted."""
    _save(tmp_path, state, {1: None, 2: None})
    folder = tmp_path / "checkpoints"
    (folder / "2" / MANIFEST).unlink()
    path = folder / left
    if path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(folder / "1", folder / "3.orbax-checkpoint-tmp-1" / "variables")
    _save(tmp_path, state, {4: None})
    assert {path.name for path in folder.iterdir()} == {"1", "4"}


def test_no_checkpoints_is_one_clear_line(tmp_path):
    with pytest.raises(rsf.InputError, match=r"no checkpoints in .*train first"):
        Checkpoints(tmp_path / "nothing")


def test_a_run_of_other_settings_is_not_resumed(tmp_path, state):
    _save(tmp_path, state, {1: None})
    message = _error(tmp_path, state, 1, CONFIG.replace(learning_rate=0.5))
    assert "learning_rate=0.004 there, 0.5 here" in message
    with Checkpoints(tmp_path) as checkpoints:  # the time limit does not change the run
        checkpoints.restore(1, state, CONFIG.replace(max_minutes=3.0))


def test_another_model_is_named(tmp_path, state):
    _save(tmp_path, state, {1: None})
    told = r"checkpoints/1 belongs to another model: channels=3 there, 25 here"
    with pytest.raises(rsf.InputError, match=told):
        rsf.load_trained(tmp_path, {"channels": 25})


def test_settings_of_another_version_are_named(tmp_path, state, monkeypatch):
    _save(tmp_path, state, {1: None})
    monkeypatch.setattr("rsf_jax.training.checkpoints.Config", _Fewer)
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(rsf.InputError, match="version"):
        checkpoints.config(1)


@dataclasses.dataclass
class _Fewer:
    name: str


def test_a_full_disk_loses_nothing_that_was_saved(tmp_path, state, monkeypatch):
    _save(tmp_path, state, {1: None})

    def full(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsf_jax.training.checkpoints.seal", full)
    with pytest.raises(rsf.InputError, match=r"No space left on device.*make room"):
        _save(tmp_path, state, {2: None})
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 1
    shutil.rmtree(tmp_path)
