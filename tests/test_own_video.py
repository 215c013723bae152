"""From a folder of color frames and masks to a tested recurrent U-Net."""

import json

import jax
import matplotlib.image
import numpy as np
import pytest
from PIL import Image

import rsf_jax as rsf
from rsf_jax import experiment
from rsf_jax.analysis import analyze
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import class_weights, open_dataset
from rsf_jax.evaluation.testing import load_trained
from rsf_jax.measures.losses import Objective
from rsf_jax.parallel.processes import here
from rsf_jax.training.journal import Journal
from rsf_jax.training.setup import build_setup

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning"),
]

SIZE = (36, 40)


def _write(folder):
    """A green square that moves over a red background: three classes with its upper edge."""
    for name in ("one", "two", "three"):
        for part in (name, f"{name}_mask"):
            (folder / part).mkdir(parents=True)
        for t in range(3):
            mask = np.zeros(SIZE, np.uint8)
            mask[8:24, 4 * t : 4 * t + 16] = 1
            mask[8:12, 4 * t : 4 * t + 16] = 2
            frame = np.zeros((*SIZE, 3), np.uint8)
            frame[..., 0], frame[..., 1] = 200 * (mask == 0), 200 * (mask > 0)
            mask[0] = 255
            Image.fromarray(frame).save(folder / name / f"{t}.png")
            Image.fromarray(mask).save(folder / f"{name}_mask" / f"{t}.png")
    (folder / "dataset.yaml").write_text(
        "classes: [ground, square, edge]\n"
        "colors: [[90, 60, 30], [0, 200, 0], [250, 250, 0]]\n"
        "splits: {train: [one], validation: [two], test: [three]}\n"
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    manual = tmp_path_factory.mktemp("frames")
    _write(manual)
    return rsf.get_config("camvid_s2f1_dru").replace(
        dataset="own_video/default",
        data_dir=str(tmp_path_factory.mktemp("built")),
        manual_dir=str(manual),
        classes=3,
        channels=2,
        batch_size=2,
        epochs=3,
        eval_batch_size=2,
        devices=1,
    )


@pytest.fixture(scope="module")
def workdir(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    experiment.run(config, workdir)
    return workdir


def test_clips_come_with_splits_names_and_weights(config):
    dataset = open_dataset(config)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (2, 2, 2)
    assert dataset.class_names == ["ground", "square", "edge"]
    assert dataset.colors.tolist() == [[90, 60, 30], [0, 200, 0], [250, 250, 0]]
    (batch,) = evaluation_batches(dataset.test, 2)
    assert batch.frames.shape == (2, 2, *SIZE, 3)
    assert set(np.unique(batch.masks)) == {0, 1, 2, 255}
    ground, square, edge = class_weights(dataset, config)
    assert ground < 1 < square < edge
    assert edge / square == pytest.approx(3**0.5, rel=1e-3)  # three times as rare, to the power 1/2
    assert class_weights(dataset, config.replace(class_balance=0.0)) is None


def test_training_weighs_the_classes(config):
    dataset = open_dataset(config)
    setup = build_setup(config, dataset, here())
    assert setup.objective == Objective(0.0, class_weights(dataset, config), 0.4, annealing=1000)


def test_frames_can_be_made_smaller(config):
    dataset = open_dataset(config.replace(shrink=2))
    assert dataset.frame_shape == (18, 20)
    (whole,), (small,) = (evaluation_batches(d.test, 2) for d in (open_dataset(config), dataset))
    assert small.frames.shape == (2, 2, 18, 20, 3)
    np.testing.assert_array_equal(small.masks, whole.masks[:, :, 1::2, 1::2])
    blocks = whole.frames.reshape(2, 2, 18, 2, 20, 2, 3).mean((3, 5))
    np.testing.assert_allclose(small.frames, blocks, atol=0.5)


def test_a_run_is_trained_and_tested(config, workdir):
    results = json.loads((workdir / "results.json").read_text())
    test = results["test"]
    confusion = np.array(test["confusion"])
    (batch,) = evaluation_batches(open_dataset(config).test, 2)
    np.testing.assert_array_equal(confusion.sum(1), [(batch.masks == k).sum() for k in range(3)])
    assert test["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
    assert len(test["iou"]) == 3
    assert test["steps_by_frame"] == [2, 1]
    assert results["class_names"] == ["ground", "square", "edge"]
    ground = confusion[0].sum() / confusion.sum()
    assert results["trivial"] == {"most_frequent_class": pytest.approx(ground / 3)}
    for name in ("predictions.png", "confusion.png"):
        assert matplotlib.image.imread(workdir / name).size > 0


def test_halting_and_states_that_are_not_carried(config, workdir):
    test, schedule = open_dataset(config).test, rsf.FixedSchedule(2, 1)

    def scores(policy, **changes):
        return load_trained(workdir, changes).scorer()(test, policy)

    halting = scores(rsf.parse_policy("l2:1e-9:3"))
    np.testing.assert_array_equal(halting.steps, 3)
    # Three frames in two clips: the one in both counts once, in pixels and in the loss.
    by_frame = halting.confusion.sum((2, 3))
    np.testing.assert_array_equal(by_frame, [[1400, 1400], [0, 1400]])
    alone = _loss_of_the_last_frame(config, workdir)
    assert halting.loss[1] == pytest.approx(alone, rel=1e-4)
    losses = [
        scores(schedule, **changes).loss.mean()
        for changes in ({}, {"stateful": False}, {"carry_output": False})
    ]
    assert len(set(losses)) == 3


def _loss_of_the_last_frame(config, workdir):
    trained, (batch,) = load_trained(workdir), evaluation_batches(open_dataset(config).test, 2)
    frames, labels = batch.frames[1:] / np.float32(255), np.int32(batch.masks[1:])
    policy = rsf.parse_policy("l2:1e-9:3")
    logits = rsf.run_video(trained.model, trained.variables, frames, policy).logits
    return float(Objective(0.0)(logits, labels)[0, 1])


def test_training_begins_with_the_weights_of_another_run(config, workdir, tmp_path):
    dataset, finer = open_dataset(config), config.replace(init_from=str(workdir), slow_steps=1)

    def start(config):
        setup = build_setup(config, dataset, here())
        with Journal(setup, tmp_path) as journal:
            return journal.state

    begun, trained = start(finer), load_trained(workdir)
    assert begun.step == 0
    jax.tree.map(np.testing.assert_array_equal, begun.variables, trained.variables)
    with pytest.raises(rsf.InputError, match="cannot be begun with: channels=2 there, 4 here"):
        start(finer.replace(channels=4))


def test_the_analysis_says_that_clips_are_too_short(config, workdir):
    with pytest.raises(rsf.InputError, match=r"the correlation needs 4, .* with clip_length: 4"):
        analyze(load_trained(workdir), open_dataset(config), workdir)


MISTAKES = [
    ({"classes": 4}, r"has 3 classes \(ground, square, edge\): use config.classes=3"),
    ({"model": "hgru", "input_channels": 1}, "has frames of 3 channels, config.input_channels is"),
    ({"shrink": 64}, "config.shrink is 64: no pixel is left"),
    ({"dataset": "own_video/other"}, "own_video has the configs default"),
    ({"init_from": "/nowhere"}, "init_from: there are no checkpoints in /nowhere"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_mistakes_are_named(config, tmp_path, changes, message):
    with pytest.raises(rsf.InputError, match=message):
        experiment.run(config.replace(**changes), tmp_path)


def test_a_mistake_leaves_no_folder_that_was_not_there(config, tmp_path):
    wrong, folder = config.replace(dataset="own_video/other"), tmp_path / "run"
    with pytest.raises(rsf.InputError, match="own_video has the configs"):
        experiment.run(wrong, folder)
    assert not folder.exists()
    folder.mkdir()
    with pytest.raises(rsf.InputError, match="own_video has the configs"):
        experiment.run(wrong, folder)
    assert folder.is_dir()


def test_what_a_run_begins_with_is_looked_for_before_data_are_built(config, tmp_path):
    data = tmp_path / "data"
    changed = config.replace(data_dir=str(data), init_from=str(tmp_path / "gone"))
    with pytest.raises(rsf.InputError, match="there are no checkpoints in"):
        experiment.run(changed, tmp_path / "run")
    assert not data.exists()


def test_a_folder_that_cannot_be_used_is_named(config, tmp_path):
    elsewhere = config.replace(data_dir=str(tmp_path / "data"))
    with pytest.raises(rsf.InputError, match="manual_dir=FOLDER"):
        experiment.run(elsewhere.replace(manual_dir=""), tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(rsf.InputError, match=r"dataset\.yaml is missing|manual_dir"):
        experiment.run(elsewhere.replace(manual_dir=str(tmp_path / "empty")), tmp_path / "run")


def test_presets_of_driving_video():
    config = rsf.get_config("camvid_s3f1_dru_stateless")
    assert (config.model, config.dataset) == ("dru", "camvid/pairs")
    assert (config.slow_steps, config.fast_steps, config.stateful) == (3, 1, False)
    assert rsf.get_config("camvid_s3f1") == rsf.get_config("camvid_s3f1_dru").replace(
        name="camvid_s3f1"
    )
    for name in ("hard_s3f1_dru", "camvid_s3f1_clstm"):
        with pytest.raises(rsf.InputError, match="unknown preset"):
            rsf.get_config(name)
