"""The analysis of a trained model, whole."""

import dataclasses
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax import analysis
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.policies import NEVER

FIGURES = (
    "correlation",
    "trajectory",
    "steps_vs_change",
    "distance_ratios",
    "long_run",
    "still_camera",
    "reaction_time",
)


@pytest.fixture(scope="module")
def subject(run):
    return evaluation.load_trained(run[1]), open_dataset(run[0])


@pytest.fixture(scope="module")
def analyzed(subject, tmp_path_factory):
    folder = tmp_path_factory.mktemp("analysis")
    return analysis.analyze(*subject, folder, video=3), folder


def test_results_are_machine_readable(analyzed, run):
    results, folder = analyzed
    assert json.loads((folder / "analysis.json").read_text()) == results
    assert results["policy"] == "s3f1"
    assert results["halting"] == "pattern:rtol=0.15:7"
    assert (results["videos"], results["video"]) == (10, 3)
    assert rsf.Config(**results["config"]) == run[0].replace(devices=0)
    length = len(results["trajectory"]["steps"])
    assert results["trajectory"]["steps"] == [3] + [1] * (length - 1)
    assert len(results["trajectory"]["coordinates"]) == 3 + length - 1
    assert len(results["correlation"]["drive"]) == 10 * (length - 2)
    assert results["distance_ratios"]["step"] == list(range(2, 13))
    long = results["long_run"]
    assert sum(long["behaviors"].values()) == sum(long["pattern_behaviors"].values()) == 10
    assert len(long["videos"][0]["iou"]) == long["steps"] == 50
    still = results["still_camera"]
    assert (still["policy"], still["videos"], len(still["miou"])) == ("s3f1", 10, 100)
    assert still["steps"][:3] == [3, 1, 1]
    reaction = results["reaction_time"]
    assert (reaction["uncertainty"], reaction["step"][-1]) == ("entropy", 12)
    assert np.shape(reaction["xi"]) == (10, length)
    assert 0 < np.mean(reaction["xi"]) < 11
    assert np.mean(reaction["xi"], 0).tolist() == pytest.approx(reaction["mean_by_frame"], rel=1e-5)


def test_numbers_are_those_of_the_recorded_states(analyzed, subject):
    results, (trained, dataset) = analyzed[0], subject
    frames = np.stack([dataset.test[v]["frames"] for v in range(10)]).astype(np.float32) / 255
    schedule = rsf.FixedSchedule(3, 1)
    out = rsf.run_video(trained.model, trained.variables, frames, schedule, record_states=True)
    last = np.asarray(out.states[:, :, -1])
    moved = np.linalg.norm(np.diff(last, axis=1).reshape(10, last.shape[1] - 1, -1), axis=2)[:, 1:]
    expected = moved / moved.mean(1, keepdims=True)
    np.testing.assert_allclose(results["correlation"]["hidden"], expected.ravel(), rtol=1e-3)
    path = analysis.project_trajectory(np.asarray(out.states[3]), np.asarray(out.steps[3]))
    found = results["trajectory"]["coordinates"]
    np.testing.assert_allclose(found, path.coordinates, atol=1e-2)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_pictures(analyzed, name):
    picture = plt.imread(analyzed[1] / f"{name}.png")
    assert min(picture.shape[:2]) > 300
    assert picture[..., :3].std() > 0.02
    assert "<svg" in (analyzed[1] / f"{name}.svg").read_text()


@pytest.mark.slow
def test_another_policy_has_its_own_files(analyzed, subject, tmp_path):
    # The rule that a schedule's steps are compared with: compiled already.
    policy = rsf.DistanceHalting("pattern", NEVER, max_steps=7, rtol=0.15)
    results = analysis.analyze(*subject, tmp_path, policy=policy)
    assert results["policy"] == results["halting"] == "pattern:rtol=0.15:7"
    assert results["correlation"] != analyzed[0]["correlation"]
    assert results["steps_by_change"] == analyzed[0]["steps_by_change"]
    assert (tmp_path / "analysis_pattern_1e-09_7_rtol_0.15.json").exists()
    assert (tmp_path / "long_run_pattern_1e-09_7_rtol_0.15.svg").exists()


@pytest.mark.slow
def test_frames_without_a_step_are_analyzed(subject, tmp_path):
    gate = rsf.ChangeGate(0.03, 0.9, rsf.DistanceHalting("pattern", 0.7, 5))
    for policy, halting in ((gate, gate), (rsf.Refresh(2, rsf.FixedSchedule(3, 1)), None)):
        results = analysis.analyze(*subject, tmp_path, policy=policy, videos=6)
        rule = "pattern:rtol=0.15:7" if halting is None else str(halting)
        assert (results["policy"], results["halting"]) == (str(policy), rule)
        assert (0 in results["trajectory"]["steps"]) == (policy is gate)
    analysis.print_analysis(results)


def test_the_table_shows_what_was_found(analyzed, capsys):
    analysis.print_analysis(analyzed[0])
    table = capsys.readouterr().out
    for text in (
        "hidden states of 10 test videos",
        "s3f1",
        "in 50 steps",
        "of the variance",
        "uncertain by entropy",
    ):
        assert text in table


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"video": 10}, "video is 10: the test videos are numbered 0 to 9"),
        ({"video": -1}, "video is -1"),
        ({"videos": 11}, "videos is 11: there are 1 to 10"),
        ({"videos": 0}, "videos is 0"),
        ({"video": True}, "video is True: a whole number"),
        ({"long_steps": 23}, "long_steps is 23: a whole number of at least 24"),
    ],
)
def test_numbers_out_of_range_are_refused(subject, tmp_path, options, message):
    with pytest.raises(rsf.InputError, match=message):
        analysis.analyze(*subject, tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_model_without_recurrence_is_refused(subject, tmp_path):
    trained, dataset = subject
    model = rsf.build_model(rsf.get_config("quickstart_ff6"))
    with pytest.raises(rsf.InputError, match="no recurrent steps"):
        analysis.analyze(dataclasses.replace(trained, model=model), dataset, tmp_path)
