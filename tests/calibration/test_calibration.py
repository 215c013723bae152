"""Choosing a policy for a target, on a tiny model and on scores that are made up."""

import dataclasses
import inspect
import json

import grain
import jax
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax import calibration
from rsf_jax.calibration import scored
from rsf_jax.calibration.choose import in_order
from rsf_jax.calibration.resplits import repeat
from rsf_jax.calibration.scored import Scored
from rsf_jax.calibration.target import Target
from rsf_jax.calibration.units import Units
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.scoring.frames import score_batch_by_frame

RULES = {
    "safe": rsf.DistanceHalting(threshold=0.1, max_steps=8),
    "middle": rsf.DistanceHalting(threshold=0.5, max_steps=8),
    "cheap": rsf.DistanceHalting(threshold=1.5, max_steps=8),
    "poor": rsf.DistanceHalting(threshold=0.2, max_steps=8),
}
# Drop of mIoU against the reference, and steps: "poor" is beaten by "safe" in both.
TRUTH = {"safe": (0.0, 6.0), "middle": (0.02, 4.0), "cheap": (0.2, 2.0), "poor": (0.05, 7.0)}
REFERENCE = rsf.FixedSchedule(8, 8)
_NAMES = {str(policy): name for name, policy in RULES.items()}


def _made_up(policy, split):
    """Scores of a policy on a "split", a number of videos."""
    rng = np.random.default_rng(split)
    difficulty = rng.uniform(0.5, 0.9, split)
    if policy == REFERENCE:
        return Scored(difficulty, np.full(split, 8.0))
    drop, steps = TRUTH[_NAMES[str(policy)]]
    return Scored(difficulty - drop + rng.normal(0, 0.02, split), steps + rng.normal(0, 0.3, split))


@pytest.fixture
def made_up(monkeypatch, run):
    """`calibrate` on made-up scores: 200 videos for validation and 1,000 for calibration."""
    trained = evaluation.load_trained(run[1])
    videos = grain.MapDataset.range
    score = lambda policy, videos: _made_up(policy, len(videos))  # noqa: E731
    for module in ("choose", "guarantee", "resplits"):
        monkeypatch.setattr(f"rsf_jax.calibration.{module}.scorer_for", lambda *given: score)
    return trained, Units("videos", videos(200), videos(1000), videos(500))


def _calibrate(made_up, folder, target, **options):
    policies = list(RULES.values())
    return calibration.calibrate(
        *made_up, folder, target, reference=REFERENCE, policies=policies, **options
    )


@pytest.mark.parametrize(("limit", "chosen"), [(0.01, "safe"), (0.03, "middle"), (0.3, "cheap")])
def test_the_cheapest_that_keeps_the_accuracy_is_chosen(made_up, tmp_path, limit, chosen):
    results = _calibrate(made_up, tmp_path, Target("miou_drop", limit))
    assert results["policy"] == str(RULES[chosen])
    tested = [_NAMES[row["policy"]] for row in results["tested"]]
    order = ["safe", "middle", "cheap"]
    # One more than passed is tested, the first that fails.
    assert tested == order[: order.index(chosen) + 2]
    for row in results["tested"]:
        assert row["estimate"] < row["bound"]
    assert json.loads((tmp_path / calibration.FILE).read_text()) == results


@pytest.mark.parametrize(("limit", "chosen"), [(2.5, "cheap"), (4.5, "middle"), (7.9, "safe")])
def test_the_most_accurate_within_a_budget_is_chosen(made_up, tmp_path, limit, chosen):
    assert _calibrate(made_up, tmp_path, Target("steps", limit))["policy"] == str(RULES[chosen])


def test_what_another_beats_is_no_candidate():
    target = Target("miou_drop", 0.1)
    score = lambda policy, videos: _made_up(policy, len(videos))  # noqa: E731
    order = in_order(target, list(RULES.values()), REFERENCE, grain.MapDataset.range(200), score)
    assert [_NAMES[str(policy)] for policy in order] == ["safe", "middle", "cheap"]


def test_a_target_that_cannot_be_met_names_what_can(made_up, tmp_path):
    with pytest.raises(rsf.InputError, match="no policy can be guaranteed") as error:
        _calibrate(made_up, tmp_path, Target("steps", 1.5))
    message = str(error.value)
    assert str(RULES["cheap"]) in message
    least = float(message.split(", and ")[1].split()[0])
    assert 2 < least < 2.5
    assert not (tmp_path / calibration.FILE).exists()
    assert _calibrate(made_up, tmp_path, Target("steps", least + 0.01))["policy"]


def test_too_few_videos_are_named(made_up, tmp_path):
    with pytest.raises(
        rsf.InputError, match=r"100 calibration videos can guarantee 0\.0337 at best"
    ):
        _calibrate(made_up, tmp_path, Target("miou_drop", 0.01), videos=100)
    with pytest.raises(rsf.InputError, match="1001 videos are asked for: the split has 1000"):
        _calibrate(made_up, tmp_path, Target("miou_drop", 0.01), videos=1001)


def test_a_chosen_policy_is_found_by_name_and_checked(made_up, run, tmp_path, capsys):
    results = _calibrate(made_up, tmp_path, Target("miou_drop", 0.03))
    assert calibration.load_calibration(tmp_path, made_up[0]) == results
    calibration.print_calibration(results)
    assert str(RULES["middle"]) in capsys.readouterr().out.replace("\n", "")
    trained, dataset = made_up[0], open_dataset(run[0])
    found = calibration.check(trained, dataset, tmp_path, results)
    assert found["guarantee"]["measured"] == pytest.approx(0.02, abs=0.02)
    assert found["test"]["steps_per_video"] > 0
    calibration.print_check(found)
    assert "Guaranteed: mIoU at most 0.03 below" in capsys.readouterr().out


def test_a_policy_made_for_something_else_is_refused(made_up, tmp_path):
    trained, _ = made_up
    with pytest.raises(rsf.InputError, match=r"has no calibrated policy: calibrate one first"):
        calibration.load_calibration(tmp_path, trained)
    results = _calibrate(made_up, tmp_path, Target("miou_drop", 0.03))
    other = dataclasses.replace(trained, update=trained.update + 1)
    with pytest.raises(
        rsf.InputError, match=f"for update {trained.update}, this is {other.update}"
    ):
        calibration.load_calibration(tmp_path, other)
    stateless = dataclasses.replace(trained, config=trained.config.replace(stateful=False))
    with pytest.raises(rsf.InputError, match="for stateful True, this is False: calibrate anew"):
        calibration.load_calibration(tmp_path, stateless)
    weights = jax.tree.map(lambda x: x + 1, trained.variables)
    with pytest.raises(rsf.InputError, match="for other weights: calibrate anew"):
        calibration.load_calibration(tmp_path, dataclasses.replace(trained, variables=weights))
    for damage in ("{", "{}", json.dumps({**results, "policy": "l3:1:2"})):
        (tmp_path / calibration.FILE).write_text(damage)
        with pytest.raises(rsf.InputError, match="is damaged"):
            calibration.load_calibration(tmp_path, trained)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "t_pathfinder/hard"}, "config.dataset is 't_pathfinder/hard', the checkpoint"),
        ({"calibration_share": 0.2}, "config.calibration_share is 0.2, the checkpoint"),
    ],
)
def test_videos_that_may_have_been_seen_are_refused(made_up, run, tmp_path, changes, message):
    trained, dataset = made_up[0], open_dataset(run[0])
    other = dataclasses.replace(trained, config=trained.config.replace(**changes))
    with pytest.raises(rsf.InputError, match=message):
        _calibrate((other, dataset), tmp_path, Target("miou_drop", 0.03))


def test_a_dataset_without_calibration_videos_is_refused(made_up, run, tmp_path):
    trained, dataset = made_up[0], dataclasses.replace(open_dataset(run[0]), calibration=None)
    with pytest.raises(rsf.InputError, match=r"train with config\.calibration_share=0\.1"):
        _calibrate((trained, dataset), tmp_path, Target("miou_drop", 0.03))


BAD_TARGETS = [
    (("miou_drop", 0.0), "max_miou_drop is 0.0: it must be between 0 and 1"),
    (("miou_drop", float("nan")), "max_miou_drop is nan"),
    (("steps", 0.0), "mean_steps is 0.0: it must be above 0"),
    (("disagreement", 1.0), "max_disagreement is 1.0: it must be between 0 and 1"),
    (("disagreement", 0.0), "max_disagreement is 0.0: it must be between 0 and 1"),
    (("steps", float("inf")), "mean_steps is inf"),
    (("steps", 3.0, 1.0), "confidence is 1.0: it must be between 0 and 1"),
    (("steps", 3.0, 0.0), "confidence is 0.0"),
]


@pytest.mark.parametrize(("values", "message"), BAD_TARGETS)
def test_bad_targets_are_named(values, message):
    with pytest.raises(rsf.InputError, match=message):
        Target(*values)


def test_a_budget_below_one_step_is_one_for_gates(made_up, tmp_path):
    target = Target("steps", 0.9)
    with pytest.raises(rsf.InputError, match=r"1000 calibration videos can guarantee 1\.\d+ at"):
        _calibrate(made_up, tmp_path, target)
    halting = RULES["cheap"]
    assert target.least([halting, rsf.Refresh(8, halting)]) == 1
    assert target.least([halting, rsf.ChangeGate(0.01, 0.5, halting)]) == 0
    assert Target("miou_drop", 0.1).least([halting]) == 0


def test_a_real_model_is_calibrated_from_end_to_end(run, tmp_path):
    config, workdir = run
    trained, dataset = evaluation.load_trained(workdir), open_dataset(config)
    policies = [rsf.DistanceHalting(threshold=t, max_steps=3) for t in (0.5, 2.0)]
    policies.append(rsf.ChangeGate(0.01, 0.5, policies[1]))
    target = Target("steps", 2.95, confidence=0.5)
    results = calibration.calibrate(trained, dataset, tmp_path, target, policies=policies)
    assert results["calibration_videos"] == 20
    assert results["tested"][0]["steps"] <= 2.95
    resplits = calibration.resplit(trained, dataset, tmp_path, results, 20)
    assert resplits.videos == 30
    assert json.loads((tmp_path / calibration.FILE).read_text())["resplits"]["count"] == 20


def test_the_guarantee_holds_over_many_draws():
    rng = np.random.default_rng(0)
    # Nine policies, each later one riskier: the true risk crosses the limit between the fifth and
    # the sixth.
    risks = np.linspace(-0.02, 0.025, 9)[:, None]
    losses = risks + rng.normal(0, 0.05, (9, 3000))
    losses -= losses.mean(1, keepdims=True) - risks
    steps = np.linspace(8, 2, 9)[:, None] + np.zeros((9, 3000))
    target = Target("miou_drop", 0.005, confidence=0.9)
    resplits = repeat(losses, steps, target, 1.0, 400)
    assert resplits.guaranteed == 1
    assert resplits.broken <= 0.1
    # Not by being timid: almost always one of the two last that are allowed is taken.
    assert resplits.steps < 5.5
    assert "400 calibrations on random halves of 3000 held-out videos" in str(resplits)


@pytest.mark.parametrize("by_frame", [False, True])
def test_losses_are_of_the_frames_that_have_labels(run, monkeypatch, by_frame):
    config, workdir = run
    trained = evaluation.load_trained(workdir)
    test = open_dataset(config).test
    if by_frame:
        scores = trained.over_split(score_batch_by_frame)(test, REFERENCE)
        iou = np.array(scores.iou)
        replaced = lambda iou: scores.replace(iou=iou)  # noqa: E731
    else:
        scores = trained.scorer()(test, REFERENCE)
        iou = np.array(scores.foreground.iou)
        of = scores.foreground
        replaced = lambda iou: scores.replace(foreground=of.replace(iou=iou))  # noqa: E731
    iou[0, 1:], iou[1] = np.nan, np.nan  # one label in the first video, none in the second
    given = lambda *_: lambda split, policy: replaced(iou)  # noqa: E731
    monkeypatch.setattr(type(trained), "over_split" if by_frame else "scorer", given)
    score = scored.label_scorer(trained, by_frame=by_frame)
    found = score(REFERENCE, test)
    np.testing.assert_allclose(found.quality, [iou[0, 0], *iou[2:].mean(1)], rtol=1e-6)
    assert len(found.steps) == len(iou) - 1
    iou[:] = np.nan
    with pytest.raises(rsf.InputError, match="none of these videos has a label"):
        score(REFERENCE, test)


def test_videos_without_a_label_guarantee_nothing(made_up, tmp_path, monkeypatch):
    def few(policy, videos):
        whole = _made_up(policy, len(videos))
        return Scored(whole.quality[:20], whole.steps[:20]) if len(videos) == 1000 else whole

    monkeypatch.setattr("rsf_jax.calibration.choose.scorer_for", lambda *given: few)
    with pytest.raises(rsf.InputError, match="20 calibration videos can guarantee"):
        _calibrate(made_up, tmp_path, Target("miou_drop", 0.03))


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([], "there are no policies to choose from"),
        ([rsf.DistanceHalting(lambda a, b: a[:, 0, 0, 0])], "cannot be written to policy.json"),
        ([rsf.DistanceHalting(threshold=np.ones(3))], "cannot be written to policy.json"),
    ],
)
def test_candidates_that_are_none_are_refused(made_up, tmp_path, policies, message):
    with pytest.raises(rsf.InputError, match=message):
        inspect.unwrap(calibration.calibrate)(
            *made_up, tmp_path, calibration.Target("miou_drop", 0.5), policies=policies
        )
    assert not any(tmp_path.iterdir())
