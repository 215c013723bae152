"""Scores and classes frame by frame are those of whole videos, on one device and on several."""

import grain
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax.measures.images import image_iou
from rsf_jax.scoring.frames import classify_batch, score_batch_by_frame

SIZE = (12, 10)
RULE = rsf.DistanceHalting("l2", 0.9, 4, min_first_steps=2)


@pytest.fixture(params=[(2, 1), (3, 1), (2, 2)], ids=["two classes", "three", "two devices"])
def trained(request):
    classes, devices = request.param
    return untrained(SIZE, classes=classes, eval_batch_size=4, devices=devices)


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 5, *SIZE, 1)).astype(np.uint8)
    masks = (frames[..., 0] > 150).astype(np.uint8)
    masks[2, 1] = 255  # a frame without a label
    return grain.MapDataset.source([{"frames": f, "masks": m} for f, m in zip(frames, masks)])


@pytest.mark.parametrize("policy", [rsf.FixedSchedule(3, 1), RULE], ids=str)
def test_frames_are_scored_and_classified_as_in_whole_videos(trained, videos, policy):
    frames, masks = (np.stack([v[name] for v in videos]) for name in ("frames", "masks"))
    out = trained.run(frames, policy)
    classes, steps = trained.over_split(classify_batch)(videos, policy)
    np.testing.assert_array_equal(steps, out.steps)
    assert classes.dtype == np.uint8
    # Where two classes are equally likely, rounding decides.
    assert (classes == np.asarray(out.logits.argmax(-1))).mean() > 0.999
    scores = trained.over_split(score_batch_by_frame)(videos, policy)
    np.testing.assert_array_equal(scores.steps, out.steps)
    wanted = np.asarray(image_iou(out.logits, masks.astype(np.int32)))
    np.testing.assert_allclose(scores.iou, wanted, atol=2e-2)
    assert np.isnan(scores.iou[2, 1])
    assert np.isnan(scores.iou).sum() == 1


def test_of_long_videos_fewer_are_computed_together(trained, videos):
    policy, sizes = rsf.FixedSchedule(2, 1), []

    def counted(model, prepared, batch, policy, *, stateful):
        sizes.append(len(batch.frames))
        return score_batch_by_frame(model, prepared, batch, policy, stateful=stateful)

    whole = trained.over_split(score_batch_by_frame)(videos, policy)
    bytes_of_one = videos[0]["frames"].nbytes
    found = trained.over_split(counted, 2 * bytes_of_one + 1)(videos, policy)
    np.testing.assert_allclose(found.iou, whole.iou, atol=2e-2)
    assert sum(sizes) <= 2
    sizes.clear()
    trained.over_split(counted, 1)(videos, policy)
    assert set(sizes) == {1}
