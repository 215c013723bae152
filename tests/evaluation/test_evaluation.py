import dataclasses
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from compilations import compilations

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.identity import Identity
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.models.base import prepare
from rsf_jax.parallel.devices import Devices
from rsf_jax.scoring.batch_scores import score_batch
from rsf_jax.scoring.scorer import Scorer, summarize
from rsf_jax.scoring.trivial import trivial_scores
from rsf_jax.training.loop import train


def test_results_are_machine_readable(run):
    config, workdir = run
    results = json.loads((workdir / "results.json").read_text())
    test = results["test"]
    assert 0 <= test["miou"] <= 1
    assert test["videos"] == 10
    assert np.mean(test["miou_by_frame"]) == pytest.approx(test["miou"])
    steps = [config.slow_steps] + [config.fast_steps] * (len(test["steps_by_frame"]) - 1)
    assert test["steps_by_frame"] == steps
    assert test["steps_per_video"] == sum(steps)
    assert set(results["trivial"]) == {"all_ink", "first_target_kept"}
    assert set(results["frames_per_second"]) == {"1", "4"}
    assert all(fps > 0 for fps in results["frames_per_second"].values())
    assert results["policy"] == "s3f1"
    assert results["policy_spec"] == {"kind": "schedule", "slow_steps": 3, "fast_steps": 1}
    assert rsf.Config(**results["config"]) == config.replace(devices=0)


def test_predictions_are_pictured(run):
    picture = plt.imread(run[1] / "predictions.png")
    assert min(picture.shape[:2]) > 200
    assert picture[..., :3].std() > 0.05


def test_other_schedules_have_their_own_files(run, tmp_path):
    config, workdir = run
    trained = evaluation.load_trained(workdir)
    policy = rsf.FixedSchedule(1, 2)
    results = evaluation.evaluate(trained, open_dataset(config), tmp_path, policy)
    assert json.loads((tmp_path / "results_s1f2.json").read_text()) == results
    assert results["test"]["steps_by_frame"][:2] == [1, 2]
    assert (tmp_path / "predictions_s1f2.png").exists()


def test_states_may_be_carried_otherwise_than_in_training(run, tmp_path):
    config, workdir = run
    trained = evaluation.load_trained(workdir, {"stateful": not config.stateful})
    results = evaluation.evaluate(trained, open_dataset(config), tmp_path)
    assert (tmp_path / "results_stateful=False.json").exists()
    as_trained = json.loads((workdir / "results.json").read_text())
    assert as_trained["stateful"] == {"trained": True, "tested": True}
    assert results["stateful"] == {"trained": True, "tested": False}
    scores, others = (found["test"]["miou_by_frame"] for found in (results, as_trained))
    assert scores[0] == pytest.approx(others[0], abs=1e-6)  # begins with the same state
    assert scores[1:] != pytest.approx(others[1:], abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "policy", "suffix"),
    [
        ({}, None, ""),
        ({}, "s3f1", ""),
        ({"eval_batch_size": 2, "max_minutes": 3.0, "data_dir": "/x"}, None, ""),
        ({"dataset": "pathfinder/small8"}, None, "_pathfinder-small8"),
        ({"stateful": False}, None, "_stateful=False"),
        ({"norm_statistics": "batch"}, "s2f1", "_norm_statistics=batch_s2f1"),
        # Its own schedule is that of training, whatever is asked for now.
        ({"slow_steps": 4}, "s4f1", "_s4f1"),
        ({"slow_steps": 4}, "s3f1", ""),
        # The name that it has had when texts had a threshold always.
        ({}, "pattern:rtol=0.2:12", "_pattern_1e-09_12_rtol_0.2"),
        ({}, "pattern:1e-9:12:rtol=0.2", "_pattern_1e-09_12_rtol_0.2"),
        ({"init_from": "../a b"}, "l2:1.0:12:rtol=0.001", "_l2_1.0_12_rtol_0.001"),
    ],
)
def test_names_of_files_say_all_that_is_not_the_runs_own(run, changes, policy, suffix):
    trained = evaluation.load_trained(run[1], changes)
    parsed = None if policy is None else rsf.parse_policy(policy)
    assert evaluation.name_suffix(trained, open_dataset(run[0]), parsed) == suffix


def test_another_checkpoint_than_the_best_has_its_own_files(run):
    trained = evaluation.load_trained(run[1], update=5)
    assert trained.is_best
    other = dataclasses.replace(trained, is_best=False)
    assert evaluation.name_suffix(other, open_dataset(run[0])) == "_update5"


def test_other_data_under_the_same_name_have_their_own_files(run):
    dataset, trained = open_dataset(run[0]), evaluation.load_trained(run[1])
    assert trained.data == dataset.identity
    edited = dataclasses.replace(dataset, identity=Identity("12345678ab", "edited"))
    assert evaluation.name_suffix(trained, edited) == "_data=12345678"
    # An earlier version did not say what it was trained on.
    assert evaluation.name_suffix(dataclasses.replace(trained, data=None), edited) == ""


@pytest.mark.slow
def test_a_test_with_other_settings_leaves_the_runs_own_alone(run, tmp_path):
    config, workdir = run
    trained = evaluation.load_trained(workdir, {"stateful": False, "slow_steps": 2})
    results = evaluation.evaluate(trained, open_dataset(config), tmp_path)
    assert results["policy"] == "s2f1"
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{name}_stateful=False_s2f1.{ending}"
        for name, ending in (("results", "json"), ("predictions", "png"), ("playback", "json"))
    }


@pytest.mark.slow
def test_how_many_devices_a_model_was_trained_on_is_not_its_own(run, tmp_path):
    config, _ = run
    shared = config.replace(devices=3, updates=1)
    train(shared, open_dataset(config), tmp_path)
    assert evaluation.load_trained(tmp_path).config.devices == 0
    assert evaluation.load_trained(tmp_path, {"devices": 2}).config.devices == 2


def test_the_table_shows_model_and_trivial_predictors(run, capsys):
    evaluation.print_results(json.loads((run[1] / "results.json").read_text()))
    table = capsys.readouterr().out
    for text in ("mIoU", "this model", "all ink", "first target kept", "frames per second"):
        assert text in table


@pytest.mark.parametrize("frames", [8, 30])
def test_the_table_fits_a_log_file(run, capsys, monkeypatch, frames):
    """80 columns, without a terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    results = json.loads((run[1] / "results.json").read_text())
    scores = [0.9876 - 0.01 * frame for frame in range(frames)]
    results["test"] |= {"miou_by_frame": scores, "steps_by_frame": [12.25] * frames}
    evaluation.print_results(results)
    table = capsys.readouterr().out.partition("foreground:")[0]
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= 80
    for frame, score in enumerate(scores, start=1):
        (row,) = [line for line in table.splitlines() if f" frame {frame} " in line]
        assert f"{score:.3f}" in row
        assert "12.25" in row


# Batch statistics are computed on one device: see `devices_for`.
@pytest.mark.parametrize(("statistics", "count"), [("sample", 1), ("sample", 4), ("batch", 1)])
def test_every_video_counts_once_whatever_the_batch(run, statistics, count):
    config, workdir = run
    trained = evaluation.load_trained(workdir, {"norm_statistics": statistics})
    dataset, policy = open_dataset(config), rsf.FixedSchedule(2, 1)
    devices = Devices(count)
    # 10 videos in batches of 4: the last one is half full.
    size = 4 if statistics == "sample" else 5
    scorer = Scorer(trained.model, devices, size)
    summary = summarize(scorer(devices.replicate(trained.variables), dataset.test, policy))
    expected = []
    for batch in evaluation_batches(dataset.test, 1 if statistics == "sample" else 5):
        prepared = prepare(trained.model, trained.variables, dataset.frame_shape)
        expected.append(
            np.asarray(score_batch(trained.model, prepared, batch, policy).foreground.iou)
        )
    expected = np.concatenate(expected)
    assert summary.videos == len(expected) == 10
    assert summary.miou == pytest.approx(expected.mean(), abs=1e-5)
    np.testing.assert_allclose(summary.miou_by_frame, expected.mean(0), atol=1e-5)


def test_trivial_predictors():
    frames = np.zeros((1, 2, 4, 4, 1), np.uint8)
    masks = np.zeros((1, 2, 4, 4), np.uint8)
    frames[0, :, 0], frames[0, :, 3] = 255, 255  # two contours of 4 pixels
    masks[0, 0, 0, :2] = 1  # the target grows from 2 pixels to 4
    masks[0, 1, 0] = 1
    scores = trivial_scores([Batch(frames, masks, np.ones(1, np.float32))])
    assert scores["all_ink"] == pytest.approx((2 / 8 + 4 / 8) / 2)
    assert scores["first_target_kept"] == pytest.approx((1 + 1 / 2) / 2)


def test_a_trained_model_streams_with_one_compilation(run):
    trained = evaluation.load_trained(str(run[1]))
    shape = open_dataset(run[0]).frame_shape
    prepared = rsf.prepare(trained.model, trained.variables, shape)
    state = trained.model.initial_state(1, shape)
    frame, schedule = np.zeros((1, *shape, 1), np.float32), rsf.FixedSchedule(2, 1)
    state, _ = rsf.run_frame(trained.model, prepared, state, frame, schedule)
    with compilations() as compiled:
        for _ in range(2):
            state, _ = rsf.run_frame(trained.model, prepared, state, frame, schedule)
    assert not compiled


def test_a_checkpoint_that_is_not_there_is_named(run):
    with pytest.raises(rsf.InputError, match=r"no checkpoint of update 3; it has \d"):
        evaluation.load_trained(run[1], update=3)


def test_another_model_is_refused(run):
    with pytest.raises(rsf.InputError, match="belongs to another model"):
        evaluation.load_trained(run[1], {"kernel_size": 7})
