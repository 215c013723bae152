"""A still camera, and streams whose frames are scored by what happens at them."""

import dataclasses

import grain
import numpy as np
import pytest
from compilations import compilations
from configs import untrained

import rsf_jax as rsf
from rsf_jax.data.streams import CUT, EVENTS, PAUSE, live_streams
from rsf_jax.evaluation import live
from rsf_jax.evaluation.live_test import print_live
from rsf_jax.evaluation.still import StillCamera, still_camera, still_numbers
from rsf_jax.evaluation.told import Told
from rsf_jax.json_files import plain
from rsf_jax.measures.images import image_iou

SIZE = (12, 10)


@pytest.fixture(scope="module", params=[2, 3], ids=["two classes", "three"])
def trained(request):
    return untrained(SIZE, classes=request.param)


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 4, *SIZE, 1)).astype(np.uint8)
    masks = (frames[..., 0] > 150).astype(np.uint8)
    return grain.MapDataset.source([{"frames": f, "masks": m} for f, m in zip(frames, masks)])


def test_a_still_camera_is_a_video_of_one_frame(trained, videos):
    policy = rsf.FixedSchedule(3, 1)
    found = still_camera(trained, videos, policy, frames=7)
    frames = np.stack([np.repeat(v["frames"][-1:], 7, 0) for v in videos])
    labels = np.stack([np.repeat(v["masks"][-1:], 7, 0) for v in videos]).astype(np.int32)
    out = trained.run(frames, policy)
    np.testing.assert_allclose(found.miou, image_iou(out.logits, labels).mean(0), atol=2e-2)
    assert found.steps == [3, 1, 1, 1, 1, 1, 1]
    assert (found.policy, found.videos) == ("s3f1", 6)


def test_noise_is_drawn_anew_for_every_frame_and_from_the_seed(trained, videos):
    policy = rsf.FixedSchedule(1, 1)
    found = [
        still_camera(trained, videos, policy, frames=30, noise=noise, seed=seed).miou
        for noise, seed in ((0.0, 0), (0.2, 0), (0.2, 0), (0.2, 1))
    ]
    assert found[1] == found[2]
    assert found[1] != found[3]
    # Without noise a state settles or drifts; with it the score goes up and down.
    turns = [np.abs(np.diff(np.sign(np.diff(miou)))).sum() for miou in found[:2]]
    assert turns[1] > turns[0]


@pytest.mark.parametrize(
    ("miou", "holds", "lasts", "worst"),
    [
        ([0.5, 0.7, 0.8, 0.77, 0.79], True, 5, 0.9625),
        ([0.5, 0.7, 0.8, 0.75, 0.79], False, 3, 0.9375),
        ([0.4, 0.3, 0.9], False, 1, 0.75),
        ([0.6], True, 1, 1.0),
        ([0.0, 0.9, 0.88], True, 3, 0.88 / 0.9),
        ([0.0, 0.9, 0.5], False, 2, 0.5 / 0.9),
        ([0.0, 0.0], True, 2, 1.0),
    ],
)
def test_what_holds_is_never_far_below_its_best_so_far(miou, holds, lasts, worst):
    found = StillCamera("s1f1", 0.0, 1, miou, [1.0] * len(miou))
    assert (found.holds, found.lasts) == (holds, lasts)
    assert found.worst == pytest.approx(worst)
    assert found.shown()[1] == miou[0]


def test_frames_without_a_label_tell_nothing_of_what_holds(capsys):
    found = StillCamera("s1f1", 0.0, 1, [np.nan, np.nan], [1.0, 1.0])
    told = plain(still_numbers(found))
    assert (told["miou"], told["worst"], told["holds"]) == ([None, None], None, False)
    print_live({"still": [told], "live": []})
    assert "no label" in capsys.readouterr().out


def test_streams_are_scored_by_frame_and_event(trained, videos):
    streams = live_streams(videos, 3, 20, seed=0, pause=2.0)
    policy = rsf.FixedSchedule(3, 2)
    (found,) = live.score_streams(trained, streams, [policy], batch_size=2)
    frames, masks, events = (
        np.stack([s[name] for s in streams]) for name in ("frames", "masks", "events")
    )
    iou = np.asarray(image_iou(trained.run(frames, policy).logits, masks.astype(np.int32)))
    assert found.miou == pytest.approx(iou.mean(), abs=2e-2)
    assert found.changed == pytest.approx(iou[events != PAUSE].mean(), abs=2e-2)
    assert found.steps == pytest.approx((3 + 19 * 2) / 20)
    assert (found.policy, found.told) == ("s3f2", False)
    for number, name in enumerate(EVENTS):
        score = found.by_event[name]
        assert score.frames == (events == number).sum()
        assert score.miou == pytest.approx(iou[events == number].mean(), abs=3e-2)
    assert found.by_event["start"].steps == 3
    assert found.by_event["cut"].steps == 2
    assert sum(s.frames for s in found.by_event.values()) == 60
    assert dataclasses.asdict(found)["policy_spec"]["kind"] == "schedule"


def test_streams_may_tell_more_of_their_frames(trained, videos):
    def told(stream):
        event = np.arange(20) % 3
        return stream | {
            "event": event.astype(np.uint8),
            "distance": np.array([5] + [0, 3] * 9 + [0]),
        }

    streams = live_streams(videos, 2, 20, seed=0).map(told)
    policies = [rsf.FixedSchedule(3, 2), rsf.FixedSchedule(2, 2)]
    first, always = live.score_streams(trained, streams, policies, event_names=("a", "b", "c", "d"))
    assert {name: score.frames for name, score in first.by_kind.items()} == {
        "a": 14,
        "b": 14,
        "c": 12,
    }
    assert first.by_kind["a"].steps == pytest.approx((2 * 3 + 12 * 2) / 14)
    assert first.follows == pytest.approx(1)  # over the frames with a distance: 5 has more than 3
    assert always.follows is None
    kept = live.LiveScore.of(dataclasses.asdict(first))
    assert kept == first
    live.print_scores([dataclasses.asdict(first), dataclasses.asdict(always)], 0.0)


def test_a_policy_that_is_told_takes_no_step_in_a_pause_and_begins_anew_at_a_cut(trained, videos):
    streams = live_streams(videos, 2, 16, seed=1, pause=2.0)
    (found,) = live.score_streams(trained, streams, [rsf.FixedSchedule(3, 2)], told=True)
    steps = {name: score.steps for name, score in found.by_event.items()}
    assert steps == {"start": 3, "cut": 3, "change": 2, "pause": 0}
    frames, events = (np.stack([s[name] for s in streams]) for name in ("frames", "events"))
    out = trained.run(frames, Told(events, rsf.FixedSchedule(3, 2)))
    for b, t in zip(*np.nonzero(events == CUT)):
        alone = trained.run(frames[b : b + 1, t:], rsf.FixedSchedule(3, 2))
        np.testing.assert_allclose(out.logits[b, t], alone.logits[0, 0], atol=1e-4)
    for b, t in zip(*np.nonzero(events == PAUSE)):
        np.testing.assert_array_equal(out.logits[b, t], out.logits[b, t - 1])


def test_one_program_for_many_thresholds(trained, videos):
    streams = live_streams(videos, 2, 6, seed=0)
    policies = [rsf.DistanceHalting("l2", t, 3) for t in (0.5, 0.9)]
    found = live.score_streams(trained, streams, policies)
    next(found)
    with compilations() as compiled:
        next(found)
    assert not compiled


def test_streams_to_test_have_noise_and_videos_are_no_streams(trained, videos):
    clean, noisy = (live.streams_to_test(videos, 2, 9, noise=noise) for noise in (0.0, 0.1))
    for a, b in zip(clean, noisy):
        np.testing.assert_array_equal(a["events"], b["events"])
        difference = b["frames"].astype(float) - a["frames"]
        assert 15 < difference[(a["frames"] > 60) & (a["frames"] < 200)].std() < 35
    with pytest.raises(rsf.InputError, match="no streams"):
        next(live.score_streams(trained, videos, [rsf.FixedSchedule(1, 1)]))
