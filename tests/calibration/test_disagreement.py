"""Calibration without labels, on live streams and on clips of one's own video."""

import dataclasses
import json

import filming
import grain
import jax
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax import calibration
from rsf_jax.calibration.candidates import default_candidates, default_reference
from rsf_jax.calibration.clips import as_split, read_clips
from rsf_jax.calibration.scored import agreement_scorer
from rsf_jax.calibration.target import Target
from rsf_jax.calibration.units import Units, units_to_test
from rsf_jax.data.batch import stack
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.streams import live_streams
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.measures.images import image_iou
from rsf_jax.policies import ChangeGate
from rsf_jax.scoring.frames import classify_batch, score_batch_by_frame
from rsf_jax.trained.model import Trained

SIZE = (12, 10)
REFERENCE = rsf.FixedSchedule(4, 4)
GATE = rsf.parse_policy("gate:0.05:0.5+s2f1")


def _untrained(classes=2):
    return untrained(SIZE, classes=classes, eval_batch_size=4)


@pytest.fixture(scope="module")
def trained():
    return _untrained()


def _clips(count, length=6, seed=0):
    """Videos without labels, of which some frames repeat the one before."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (count, length, *SIZE, 1)).astype(np.uint8)
    frames[:, 2] = frames[:, 1]
    return as_split(list(frames))


@pytest.mark.parametrize(("classes", "policy"), [(2, GATE), (3, rsf.FixedSchedule(2, 1))], ids=str)
def test_disagreement_is_what_two_outputs_differ_in(classes, policy):
    trained, clips = _untrained(classes), _clips(6)
    score = agreement_scorer(trained, REFERENCE)
    found, own = score(policy, clips), score(REFERENCE, clips)
    np.testing.assert_array_equal(own.quality, np.ones(6))
    frames = np.stack([clip["frames"] for clip in clips])
    labels = np.asarray(trained.run(frames, REFERENCE).logits.argmax(-1))
    out = trained.run(frames, policy)
    wanted = np.asarray(image_iou(out.logits, labels)).mean(1)
    np.testing.assert_allclose(found.quality, wanted, atol=2e-2)
    np.testing.assert_allclose(found.steps, np.asarray(out.steps).mean(1))
    losses = Target("disagreement", 0.1).losses(found, own)
    np.testing.assert_allclose(losses, 1 - found.quality)
    assert (losses >= 0).all()
    assert (losses <= 1).all()


def test_a_frame_that_is_left_out_counts_as_no_step(trained):
    score = agreement_scorer(trained, REFERENCE)
    never = rsf.parse_policy("gate:1:1+s2f1")  # the first frame alone gets steps
    np.testing.assert_allclose(score(never, _clips(4)).steps, 2 / 6)


def test_a_reference_is_run_once_over_a_split(trained, monkeypatch):
    runs = []
    over_split = Trained.over_split

    def counted(self, function, *more):
        apply = over_split(self, function, *more)
        if function is not classify_batch:
            return apply
        return lambda *given: runs.append(given) or apply(*given)

    monkeypatch.setattr(Trained, "over_split", counted)
    score, clips, others = agreement_scorer(trained, REFERENCE), _clips(4), _clips(3)
    for split in (clips, others, clips):
        score(rsf.FixedSchedule(1, 1), split)
    assert [len(split) for split, _ in runs] == [4, 3]


def _units(clips=40):
    return Units("clips", _clips(8, seed=1), _clips(clips, seed=2), None, {"length": 6})


def _calibrate(trained, units, folder, limit, **options):
    policies = [REFERENCE, *map(rsf.parse_policy, ("s3f3", "s2f1", "gate:0.05:0.5+s4f4"))]
    target = Target(options.pop("quantity", "disagreement"), limit, confidence=0.8)
    return calibration.calibrate(
        trained, units, folder, target, reference=REFERENCE, policies=policies, **options
    )


def test_a_policy_is_chosen_without_labels(trained, tmp_path, capsys):
    chosen = {limit: _calibrate(trained, _units(), tmp_path, limit) for limit in (0.1, 0.3)}
    assert [found["policy"] for found in chosen.values()] == ["s2f1", "gate:0.05:0.5+s4f4"]
    free = chosen[0.3]
    assert free["judged_by"] == "reference"
    assert free["units"] == {"kind": "clips", "length": 6}
    assert free["calibration_videos"] == 40
    row = free["tested"][-1]
    assert row["agreement"] == pytest.approx(1 - row["estimate"])
    calibration.print_calibration(free)
    shown = " ".join(capsys.readouterr().out.split())
    assert "With confidence 80%, the expected disagreement with the reference s4f4" in shown
    assert "at most 0.3 on clips like these" in shown
    assert calibration.load_calibration(tmp_path, trained) == free
    found = calibration.compare(trained, _clips(10, seed=3), free)
    assert 0 < found["measured"] < 0.3
    assert (found["units"], found["count"]) == ("clips", 10)
    resplits = calibration.resplit(trained, _units(), tmp_path, free, 20)
    assert "20 calibrations on random halves of 40 held-out clips" in str(resplits)


def test_within_a_budget_of_steps_the_reference_judges_what_has_no_labels(trained, tmp_path):
    found = _calibrate(trained, _units(), tmp_path, 2.0, quantity="steps")
    assert found["judged_by"] == "reference"
    assert found["policy"] == "s2f1"
    with pytest.raises(rsf.InputError, match="a disagreement needs none"):
        _calibrate(trained, _units(), tmp_path, 0.5, quantity="miou_drop")


def test_fewer_steps_than_frames_can_be_guaranteed(trained, tmp_path):
    target = Target("steps", 0.9, confidence=0.8)
    never = [rsf.parse_policy("gate:1:1+s2f1")]
    found = calibration.calibrate(
        trained, _units(), tmp_path, target, reference=REFERENCE, policies=never
    )
    assert found["tested"][0]["steps"] == pytest.approx(2 / 6)
    assert found["tested"][0]["bound"] < 0.9


def test_too_few_clips_are_called_clips(trained, tmp_path):
    with pytest.raises(rsf.InputError, match="10 calibration clips can guarantee"):
        _calibrate(trained, _units(10), tmp_path, 0.01)


def test_long_streams_need_no_more_than_their_frames(trained):
    """What is computed with grows by frames and classes, never by logits."""
    length = 400
    videos = _clips(2, length)
    prepared = trained.prepare(SIZE)
    batch = stack(list(videos))
    logits = 4 * 2 * length * SIZE[0] * SIZE[1] * 2
    for function in (score_batch_by_frame, classify_batch):
        apply = jax.jit(lambda p, b, f=function: f(trained.model, p, b, REFERENCE, stateful=True))
        used = apply.lower(prepared, batch).compile().memory_analysis().temp_size_in_bytes
        assert used < logits / 2


def test_on_streams_the_reference_is_behind_a_gate_that_skips_only_what_stands_still(trained):
    reference = default_reference(trained, "streams")
    assert isinstance(reference, ChangeGate)
    assert (reference.skip, reference.inner) == (0, trained.schedule)
    assert default_reference(trained, "videos") == trained.schedule
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (8, 4, *SIZE, 1)).astype(np.uint8)
    videos = grain.MapDataset.source([{"frames": v, "masks": v[..., 0] % 2} for v in values])
    (stream,) = live_streams(videos, 1, 24, seed=0, pause=2.0, drop=0.0)
    shown = np.flatnonzero(stream["events"] != 3)
    steps = np.asarray(trained.run(stream["frames"][None], reference).steps[0])
    assert (steps > 0).sum() == len(shown)
    with pytest.raises(rsf.InputError, match="gate is 'refresh:8'"):
        default_reference(trained, "clips", "refresh:8")


def test_candidates_on_streams_have_gates_and_the_reference(trained):
    reference = default_reference(trained, "streams")
    found = default_candidates(trained.config, "streams", reference)
    assert found[0] == reference
    kinds = {rsf.policies.to_spec(policy)["kind"] for policy in found}
    assert kinds == {"gate", "schedule", "halting", "refresh"}
    inside = {type(policy.inner).__name__ for policy in found if isinstance(policy, ChangeGate)}
    assert inside == {"FixedSchedule", "DistanceHalting"}
    gates = default_candidates(trained.config, "streams", reference, of="gates")
    assert all(isinstance(policy, ChangeGate) for policy in gates)
    with pytest.raises(rsf.InputError, match="candidates are gates"):
        default_candidates(trained.config, "videos", REFERENCE, of="gates")


@pytest.mark.slow
def test_streams_of_a_run_are_calibrated_and_checked(run, tmp_path):
    config, workdir = run
    trained, dataset = evaluation.load_trained(workdir), open_dataset(config)
    units = calibration.streams_of(trained, dataset, 10)
    assert (units.kind, len(units.calibration), len(units.test)) == ("streams", 10, 5)
    assert units.made == {"length": 10, "seed": 0, "composed": True}
    target = Target("disagreement", 0.9, confidence=0.5)
    policies = [rsf.parse_policy("gate:0.0023:0.046+s1f1")]
    results = calibration.calibrate(trained, units, tmp_path, target, policies=policies)
    assert results["reference"].startswith("gate:0.0:0.046")
    assert results["tested"][0]["steps"] < 1
    for a, b in zip(units.test, units_to_test(dataset, results["units"])):
        np.testing.assert_array_equal(a["frames"], b["frames"])
    found = calibration.check(trained, dataset, tmp_path, results)
    assert (found["guarantee"]["units"], found["guarantee"]["count"]) == ("streams", 5)
    assert found["test"]["steps_per_video"] > 0
    resplits = calibration.resplit(trained, units, tmp_path, results, 10)
    assert (resplits.videos, resplits.kind) == (15, "streams")
    # By labels, too.
    drop = Target("miou_drop", 0.9, confidence=0.5)
    labeled = calibration.calibrate(trained, units, tmp_path, drop, policies=policies)
    assert labeled["judged_by"] == "labels"
    other = {**results, "dataset": "t_pathfinder/other"}
    with pytest.raises(rsf.InputError, match="calibrated on streams of t_pathfinder/other"):
        calibration.check(trained, dataset, tmp_path, other)


def test_streams_of_a_dataset_may_be_another_than_that_of_training(run):
    config, workdir = run
    trained, dataset = evaluation.load_trained(workdir), open_dataset(config)
    streams = {
        name: live_streams(getattr(dataset, name), 4, 12, seed=0)
        for name in ("validation", "calibration", "test")
    }
    live = dataclasses.replace(dataset, **streams)
    elsewhere = dataclasses.replace(
        trained, config=trained.config.replace(dataset="t_pathfinder_live/tiny")
    )
    for units in (calibration.streams_of(elsewhere, live), calibration.as_units(elsewhere, live)):
        assert (units.kind, len(units.calibration), len(units.validation)) == ("streams", 4, 4)
        assert units.made == {"length": 12, "seed": 0, "composed": False}
    assert len(calibration.streams_of(elsewhere, live, 5).test[0]["frames"]) == 5
    with pytest.raises(rsf.InputError, match="the checkpoint was trained with"):
        calibration.streams_of(elsewhere, dataset)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return [filming.film(folder / f"{n}.mp4", filming.scenes(20)) for n in range(2)]


def test_videos_are_cut_into_clips(trained, films):
    clips = read_clips(trained, films[0], 6, frame_size=SIZE)
    assert [clip.shape for clip in clips] == [(6, *SIZE, 1)] * 3
    apart = read_clips(trained, films[0], 6, gap=3, frame_size=SIZE)
    assert len(apart) == 2
    np.testing.assert_array_equal(apart[1], np.concatenate(clips)[9:15])
    assert len(read_clips(trained, films[0], 6, count=2, frame_size=SIZE)) == 2
    units = calibration.clips_of(trained, films, 4, frame_size=SIZE)
    assert (units.kind, len(units.validation), len(units.calibration)) == ("clips", 2, 8)
    assert units.made["inputs"] == [str(film) for film in films]
    assert (units.calibration[0]["masks"] == 255).all()
    first = read_clips(trained, films[0], 4, frame_size=SIZE)[0]
    np.testing.assert_array_equal(units.validation[0]["frames"], first)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 20, "frame_size": SIZE}, "there are 1 clips of 20 frames: some are needed"),
        ({"length": 0, "frame_size": SIZE}, "length is 0"),
        ({"length": 4, "gap": -1, "frame_size": SIZE}, "gap is -1"),
        ({"length": 4}, "the frame size of training is not known: give frame_size"),
        ({"inputs": "door.mp4"}, "inputs is 'door.mp4': a list of video files"),
    ],
)
def test_clips_that_are_none_are_refused(trained, films, options, message):
    with pytest.raises(rsf.InputError, match=message):
        calibration.clips_of(trained, **{"inputs": films[:1]} | options)


@pytest.mark.slow
def test_the_guarantee_of_clips_is_checked_on_other_video_alone(trained, films, tmp_path, run):
    units = calibration.clips_of(trained, films[:1], 4, frame_size=SIZE)
    results = _calibrate(trained, units, tmp_path, 0.9, videos=4)
    found = calibration.compare_on(trained, films[1:], results)
    assert (found["units"], found["count"]) == ("clips", 5)
    assert 0 <= found["measured"] <= 0.9
    with pytest.raises(rsf.InputError, match="on clips of one's own video"):
        calibration.check(trained, open_dataset(run[0]), tmp_path, results)
    videos = {**results, "units": {"kind": "videos"}}
    with pytest.raises(rsf.InputError, match="calibrated on videos: its guarantee says nothing"):
        calibration.compare_on(trained, films[1:], videos)
    stored = json.loads((tmp_path / calibration.FILE).read_text())
    assert calibration.compare_on(trained, films[1:], stored) == found
