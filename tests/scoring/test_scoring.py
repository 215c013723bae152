"""What frames and videos without a label are to the scores of a split: not there."""

import dataclasses

import flax.struct
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config, untrained

import rsf_jax as rsf
from rsf_jax.data.arrays import as_split
from rsf_jax.data.batch import Batch
from rsf_jax.evaluation.per_frame import score_each
from rsf_jax.json_files import plain
from rsf_jax.measures import segmentation
from rsf_jax.measures.losses import IGNORED
from rsf_jax.scoring.batch_scores import Scores, score_batch
from rsf_jax.scoring.scorer import ForegroundSummary, SegmentationSummary, measures, summarize
from rsf_jax.scoring.trivial import trivial_scores
from rsf_jax.training.state import build_optimizer, create_state

_POLICY = rsf.FixedSchedule(1, 1)


def _videos():
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 256, (3, 4, 8, 9, 1), np.uint8)
    masks = (frames[..., 0] > 150).astype(np.uint8)
    masks[0, 1] = 0  # an object that is gone is labeled as gone
    return Batch(frames, masks, np.ones(3, np.float32))


def _score(batch, classes):
    config = tiny_config(classes=classes)
    model = rsf.build_model(config)
    variables = create_state(model, build_optimizer(config, 10), 0, (8, 9)).variables
    found = score_batch(model, rsf.prepare(model, variables, (8, 9)), batch, _POLICY)
    return Scores(**{k: _arrays(v) for k, v in vars(found).items()})


def _arrays(value):
    if value is None or isinstance(value, (np.ndarray, float)):
        return value
    if hasattr(value, "iou"):
        return type(value)(**{k: np.asarray(v) for k, v in vars(value).items()})
    return np.asarray(value)


def _unlabeled(batch, *places):
    masks = batch.masks.copy()
    for place in places:
        masks[place] = IGNORED
    return batch.replace(masks=masks)


def test_scores_of_two_classes_are_those_of_the_labeled_frames():
    batch = _videos()
    whole = _score(batch, 2).foreground
    sparse = summarize(_score(_unlabeled(batch, (0, 0), (1, slice(1, None)), 2), 2))
    assert isinstance(sparse, ForegroundSummary)
    counted = [whole.iou[0, 1], whole.iou[0, 2], whole.iou[0, 3], whole.iou[1, 0]]
    assert sparse.miou == pytest.approx(np.mean(counted), rel=1e-6)
    by_frame = [whole.iou[1, 0], whole.iou[0, 1], whole.iou[0, 2], whole.iou[0, 3]]
    np.testing.assert_allclose(sparse.miou_by_frame, by_frame, rtol=1e-6)
    by_video = [np.mean(counted[:3]), counted[3]]
    assert sparse.miou_deviation == pytest.approx(np.std(by_video), rel=1e-5)
    for name in ("precision", "recall", "f1", "balanced_accuracy"):
        scores = getattr(whole, name)
        expected = np.mean([*scores[0, 1:], scores[1, 0]])
        assert getattr(sparse, name) == pytest.approx(expected, rel=1e-6), name
    fields = {field.name for field in dataclasses.fields(whole)} - {"iou"}
    assert set(measures(dataclasses.asdict(sparse))) == fields
    assert sparse.videos == 3
    assert len(sparse.steps_by_frame) == 4
    assert 0 < sparse.miou < 0.9


def test_scores_of_more_classes_are_those_of_their_matrix():
    summary = summarize(_score(_videos(), 3))
    assert isinstance(summary, SegmentationSummary)
    of_split = segmentation.scores(np.array(summary.confusion))
    for field in dataclasses.fields(of_split):
        np.testing.assert_equal(getattr(summary, field.name), getattr(of_split, field.name))
    single = {field.name for field in dataclasses.fields(of_split)} - {"iou", "miou"}
    assert set(measures(plain(dataclasses.asdict(summary)))) == {*single, "flicker"}


@pytest.mark.parametrize("classes", [2, 3])
def test_loss_and_deviation_leave_out_videos_without_a_label(classes):
    batch = _videos()
    two = batch.replace(frames=batch.frames[:2], masks=batch.masks[:2], weights=batch.weights[:2])
    expected = summarize(_score(two, classes))
    found = summarize(_score(_unlabeled(batch, 2), classes))
    for name in ("loss", "miou", "miou_deviation"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5), name


@pytest.mark.parametrize("classes", [2, 3])
def test_nothing_is_scored_where_nothing_is_labeled(classes):
    batch = _videos()
    position = summarize(_score(_unlabeled(batch, (slice(None), 2)), classes))
    assert np.isnan(position.miou_by_frame).tolist() == [False, False, True, False]
    nothing = summarize(_score(_unlabeled(batch, slice(None)), classes))
    assert np.isnan([nothing.miou, nothing.loss, nothing.miou_deviation]).all()


def test_trivial_predictors_are_scored_on_labeled_frames():
    batch = _videos()
    sparse = _unlabeled(batch, (0, 0), (0, 3), 1, 2)
    truth = batch.masks[0] == 1
    ink = batch.frames[0, ..., 0] > 51

    def iou(found, frame):
        return (found & truth[frame]).sum() / (found | truth[frame]).sum()

    found = trivial_scores([sparse])
    # Frame 1 is the first with a label, and has nothing to find.
    assert found["first_target_kept"] == pytest.approx(np.mean([1, 0]))
    assert found["all_ink"] == pytest.approx(np.mean([iou(ink[t], t) for t in (1, 2)]))
    later = trivial_scores([_unlabeled(sparse, (0, 1))])
    assert later["first_target_kept"] == 1
    assert np.isnan(trivial_scores([_unlabeled(batch, slice(None))])["all_ink"])


@flax.struct.dataclass
class _OfAChannel(rsf.policies.Stepwise):
    """Steps while a channel is not zero, or until it is: numbers that are counts and flags."""

    channel: int = 1
    until: bool = False
    max_steps: int = flax.struct.field(pytree_node=False, default=3)

    @property
    def singles_out_first_frame(self):
        return False

    def should_continue(self, n, before, after, state, first):
        is_there = jnp.abs(after[:, self.channel]).max((1, 2)) > 0
        return jnp.where(~self.until, is_there, ~is_there) & (n < self.max_steps), state


@pytest.mark.parametrize(("until", "steps"), [(False, 3), (True, 1)])
def test_counts_and_flags_of_a_policy_are_what_they_are_in_a_run(until, steps):
    trained, policy = untrained((8, 9)), _OfAChannel(until=until)
    batch = _videos()
    videos = as_split([{"frames": f, "masks": m} for f, m in zip(batch.frames, batch.masks)])
    ran = trained.run(batch.frames, policy).steps
    assert (np.asarray(ran) == steps).all()
    np.testing.assert_array_equal(trained.scorer()(videos, policy).steps, ran)
    ((_, by_frame),) = score_each(trained, videos, [policy], batch_size=2)
    np.testing.assert_array_equal(by_frame, ran)
