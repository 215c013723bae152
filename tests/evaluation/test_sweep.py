"""Sweeps: what is tested, what it costs, which policies are best."""

import dataclasses
import json
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.evaluation.usual_policies import cap_steps, default_policies
from rsf_jax.policies import to_spec
from rsf_jax.scoring.scorer import summarize
from rsf_jax.scoring.speed import Speed

POLICIES = ["s1f1", "s3f1", "s3f3", "l2:0.5:6", "l2:1.5:6", "l1:0.9:6:min_first_steps=3"]


@pytest.fixture(scope="module")
def swept(run, tmp_path_factory):
    config, workdir = run
    folder = tmp_path_factory.mktemp("sweep")
    trained, dataset = evaluation.load_trained(workdir), open_dataset(config)
    policies = [rsf.parse_policy(text) for text in POLICIES]
    return tradeoff.sweep(trained, dataset, folder, policies), folder, trained, dataset


def test_every_policy_gets_the_scores_it_gets_alone(swept):
    results, _, trained, dataset = swept
    assert [point["policy"] for point in results["points"]] == POLICIES
    specs = [to_spec(rsf.parse_policy(text)) for text in POLICIES]
    assert [point["policy_spec"] for point in results["points"]] == specs
    score = trained.scorer()
    for point in results["points"][2:5]:
        alone = summarize(score(dataset.test, rsf.parse_policy(point["policy"])))
        assert point["miou"] == pytest.approx(alone.miou, abs=1e-6)
        assert point["steps_by_frame"] == pytest.approx(alone.steps_by_frame)
        assert point["steps"] == pytest.approx(alone.steps_per_video / 5)
        assert point["frames_per_second"] > 0


def test_extrapolation_is_marked(swept):
    # Training had three steps at most.
    marked = [point["policy"] for point in swept[0]["points"] if point["extrapolates"]]
    assert marked == POLICIES[3:]


def test_results_are_left_as_numbers_and_pictures(swept):
    results, folder, *_ = swept
    assert json.loads((folder / "sweep.json").read_text()) == results
    assert min(plt.imread(folder / "sweep.png").shape[:2]) > 300
    assert "<svg" in (folder / "sweep.svg").read_text()


def test_the_table_shows_every_policy_and_explains_the_speed(swept, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    tradeoff.print_sweep(swept[0])
    table = capsys.readouterr().out
    for policy in POLICIES:
        assert policy in table
    assert "trained with s3f1" in table
    assert "ms more for each step" in table


def test_fewer_videos_may_do_and_have_files_of_their_own(swept, tmp_path):
    _, _, trained, dataset = swept
    results = tradeoff.sweep(trained, dataset, tmp_path, [rsf.FixedSchedule(1, 1)], videos=3)
    assert results["videos"] == 3
    assert json.loads((tmp_path / "sweep_3videos.json").read_text()) == results
    with pytest.raises(rsf.InputError, match="11 videos are asked for: the split has 10"):
        tradeoff.sweep(trained, dataset, tmp_path, videos=11)


def test_a_sweep_that_was_interrupted_goes_on(swept, tmp_path, monkeypatch, capsys):
    whole, _, trained, dataset = swept
    policies = [rsf.parse_policy(text) for text in POLICIES[:3]]
    with monkeypatch.context() as patch:
        scored = iter([summarize, summarize])
        patch.setattr(tradeoff, "summarize", lambda scores: next(scored)(scores))
        with pytest.raises(RuntimeError):  # StopIteration in a generator
            tradeoff.sweep(trained, dataset, tmp_path, policies)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("1 of 3: s1f1  mIoU 0.")
    left = json.loads((tmp_path / "sweep.json").read_text())["points"]
    assert [point["policy"] for point in left] == POLICIES[:2]
    results = tradeoff.sweep(trained, dataset, tmp_path, policies)
    assert capsys.readouterr().out.splitlines()[0].startswith("3 of 3: s3f3  mIoU 0.")
    assert results["points"][0] == left[0]
    for point, other in zip(results["points"], whole["points"]):
        assert point["policy"] == other["policy"]
        assert point["miou"] == pytest.approx(other["miou"], abs=1e-6)


def test_a_smaller_sweep_takes_nothing_from_a_larger_one(swept, tmp_path):
    whole, folder, trained, dataset = swept
    shutil.copy(folder / "sweep.json", tmp_path)
    one = [rsf.parse_policy(POLICIES[1])]
    results = tradeoff.sweep(trained, dataset, tmp_path, one)
    assert results["points"] == whole["points"]
    # Another model's points do not stay.
    other = dataclasses.replace(trained, update=trained.update + 1)
    results = tradeoff.sweep(other, dataset, tmp_path, one)
    assert [point["policy"] for point in results["points"]] == POLICIES[1:2]


def test_a_sweep_of_an_earlier_version_goes_on(swept, tmp_path):
    """It has other texts for the same policies, and no specs."""
    whole, _, trained, dataset = swept
    point = whole["points"][0] | {"policy": "l2:1e-09:6:rtol=0.1"}
    old = whole | {"points": [point]}
    del point["policy_spec"], old["training_schedule_spec"]
    (tmp_path / "sweep.json").write_text(json.dumps(old))
    same = rsf.parse_policy("l2:rtol=0.1:6")
    results = tradeoff.sweep(trained, dataset, tmp_path, [same])
    (found,) = results["points"]
    assert found == point | {"policy": str(same), "policy_spec": to_spec(same), "on_front": True}


def test_a_model_without_steps_has_no_trade_off(swept, tmp_path):
    *_, dataset = swept
    config = rsf.get_config("quickstart_ff6")
    trained = evaluation.Trained(config, config, rsf.build_model(config), {}, 0)
    with pytest.raises(rsf.InputError, match="model ff6 has no recurrent steps: nothing to sweep"):
        tradeoff.sweep(trained, dataset, tmp_path)


def test_the_default_sweep_has_what_the_paper_has_and_more():
    names = set(map(str, default_policies(rsf.get_config("hard_s8f8"))))
    assert len(names) == len(default_policies(rsf.get_config("hard_s8f8")))
    paper = {"s8f8", "s8f6", "s8f4", "s8f2", "s8f1", "s6f6", "s4f4", "s3f3", "s10f10", "s12f12"}
    assert paper <= names
    assert {f"{m}:{t}:12" for m in ("l1", "l2") for t in (0.8, 0.9, 1.0, 1.1)} <= names
    assert {f"{m}:0.8:12:min_first_steps=8" for m in ("l1", "l2")} <= names


@pytest.mark.parametrize(("preset", "cap"), [("hard_s8f8", 12), ("hard_s12f12", 18)])
def test_the_cap_exceeds_training(preset, cap):
    assert cap_steps(rsf.get_config(preset)) == cap


def test_the_cost_of_a_frame_and_a_step_is_found():
    speeds = [Speed(0.003 + 0.002 * steps, steps) for steps in (1.0, 2.5, 8.0)]
    cost = tradeoff.fit_cost(speeds)
    np.testing.assert_allclose([cost["frame"], cost["step"]], [3, 2])
    assert tradeoff.fit_cost(speeds[:1]) == {}
