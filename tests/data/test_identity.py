"""Equal data are known as such, and a run is not resumed on others."""

import dataclasses
import json
import shutil

import pytest

import rsf_jax as rsf
from rsf_jax.data.building import find_or_build
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.identity import identity
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.integrity import seal
from rsf_jax.training.loop import train
from rsf_jax.training.state import build_optimizer, create_state
from tests.datasets.frame_files import write_frame, write_mask

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")


def _videos(folder, first):
    for name in ("one", "two"):
        for i in range(6):
            write_frame(folder / name / f"{i}.png", first + i, (16, 16))
            write_mask(folder / f"{name}_mask" / f"{i}.png", size=(16, 16))
    (folder / "dataset.yaml").write_text("classes: [ground, person]")
    return str(folder)


def _config(data_dir, manual):
    return rsf.get_config("camvid_s1f1_dru").replace(
        dataset="own_video/default",
        classes=2,
        channels=2,
        batch_size=2,
        epochs=1,
        eval_batch_size=2,
        devices=1,
        data_dir=str(data_dir),
        manual_dir=manual,
    )


def _identity(config):
    return identity(find_or_build(config))


def test_data_are_the_same_wherever_they_lie_and_whatever_they_are_called(tmp_path):
    one, other = _videos(tmp_path / "a", 10), _videos(tmp_path / "b", 100)
    copy = str(shutil.copytree(one, tmp_path / "copy", copy_function=shutil.copyfile))
    first = _identity(_config(tmp_path / "1", one))
    assert _identity(_config(tmp_path / "2", copy)).digest == first.digest
    second = _identity(_config(tmp_path / "1", other))  # has a name of its own there
    assert second.digest != first.digest
    assert _identity(_config(tmp_path / "3", other)).digest == second.digest
    assert "own_video/default/" in first.words
    assert "5 train, 3 test videos, made of" in first.words


def test_generated_data_are_known_by_their_settings(data_dir, tmp_path):
    from t_pathfinder.subsets import SUBSETS
    from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

    config = rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/tiny", data_dir=str(data_dir)
    )
    opened = open_dataset(config).identity
    shutil.copytree(data_dir / "t_pathfinder", tmp_path / "t_pathfinder")
    assert open_dataset(config.replace(data_dir=str(tmp_path))).identity == opened
    subset = dataclasses.replace(
        SUBSETS["quickstart"], train_videos=3, test_videos=1, calibration_videos=1
    )
    found = set()
    for seed in (0, 1):
        same = dataclasses.replace(subset, seed=seed)
        builder = Builder(
            config=SubsetConfig(name="tiny", subset=same), data_dir=tmp_path / str(seed)
        )
        builder.download_and_prepare()
        found.add(identity(builder).digest)
    assert len(found) == 2


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was stopped: its settings and its folder."""
    folder = tmp_path_factory.mktemp("stopped")
    config = _config(folder / "data", _videos(folder / "a", 10))
    workdir = folder / "run"
    train(config.replace(max_minutes=1e-4), open_dataset(config), workdir)
    return config, workdir


@pytest.mark.slow
def test_a_run_is_not_resumed_on_other_data(stopped, tmp_path):
    config, workdir = stopped
    others = config.replace(manual_dir=_videos(tmp_path / "b", 100))
    with pytest.raises(rsf.InputError, match=r"holds a run on other data: .* there, .* here") as e:
        train(others, open_dataset(others), workdir)
    assert "\n" not in str(e.value)
    assert "/b" in str(e.value)


def _forget_data(checkpoint):
    """Makes a checkpoint one of an earlier version, which did not keep what it was trained on."""
    path = checkpoint / "meta" / "metadata"
    meta = json.loads(path.read_text())
    del meta["data"]
    path.write_text(json.dumps(meta))
    seal(checkpoint)


def test_a_run_is_resumed_on_a_copy_and_by_checkpoints_of_before(stopped, tmp_path):
    config, workdir = stopped
    copy = shutil.copytree(config.manual_dir, tmp_path / "a", copy_function=shutil.copyfile)
    same = open_dataset(config.replace(data_dir=str(tmp_path / "data"), manual_dir=str(copy)))
    ours = open_dataset(config)
    assert same.identity.digest == ours.identity.digest
    start = create_state(rsf.build_model(config), build_optimizer(config, 3), 0, (16, 16))
    with Checkpoints(workdir, data=same.identity) as checkpoints:
        (step,) = checkpoints.steps()
        assert checkpoints.data(step).digest == ours.identity.digest
        assert checkpoints.restore(step, start, config).step == step
    earlier = shutil.copytree(workdir, tmp_path / "run")
    _forget_data(earlier / "checkpoints" / str(step))
    other = dataclasses.replace(same.identity, digest="another")
    with Checkpoints(earlier, data=other) as checkpoints:
        assert checkpoints.data(step) is None
        assert checkpoints.restore(step, start, config).step == step
