"""What holds of the public functions for any input: shapes and ranges, of few and small shapes."""

import functools
import itertools

import grain
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from bad_cases import check_message
from configs import tiny_config
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays

import rsf_jax as rsf
from rsf_jax.calibration.risk import p_value, upper_bound
from rsf_jax.data import batches
from rsf_jax.data import dataset as data
from rsf_jax.data.augmentation import augment
from rsf_jax.measures import segmentation
from rsf_jax.measures.foreground import foreground_iou, foreground_scores
from rsf_jax.measures.losses import IGNORED, focal_loss, mean_over_labeled
from rsf_jax.ops import conv
from rsf_jax.ops.tiles import blocks, join_blocks, tile_axis, windows
from rsf_jax.policies import METRICS

# Threads that other tests have left, reading data, may draw random numbers while Hypothesis does.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

QUICK = tiny_config(channels=2)
MODEL = rsf.build_model(QUICK)
# Every new shape is compiled.
IMAGES = (2, 3, 4)
CLASSES = 3


def examples(count):
    """Settings of a property: the same examples in every run."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def floats(shape, low, high):
    return arrays(np.float32, shape, elements=st.floats(low, high, width=32))


def labels(shape):
    return arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, IGNORED]))


def bits(shape):
    return arrays(bool, shape)


seeds = st.integers(0, 2**32 - 1)
halting = st.builds(
    functools.partial(rsf.DistanceHalting, max_steps=4),
    st.just("l2"),
    st.floats(1e-3, 1e3),
    rtol=st.floats(0, 1),
)


@functools.cache
def _variables(seed=0):
    return jax.jit(MODEL.init)(jax.random.key(seed), jnp.zeros((1, 1, 6, 5, 1)))


def _videos(seed, count):
    rng = np.random.default_rng(seed)
    return np.float32(rng.random((count, 2, 6, 5, 1)) * rng.choice([0.0, 0.1, 1.0]))


@given(seeds, st.sampled_from([1, 2]), halting | st.just(rsf.FixedSchedule(3, 1)))
@examples(12)
def test_outputs_have_their_shapes_and_steps_their_range(seed, count, policy):
    out = rsf.run_video(MODEL, _variables(), _videos(seed, count), policy)
    assert out.logits.shape == (count, 2, 6, 5, 2)
    assert out.steps.shape == (count, 2)
    assert np.isfinite(out.logits).all()
    assert out.steps.min() >= 1
    assert out.steps.max() <= policy.max_steps


@given(seeds)
@examples(8)
def test_frames_one_after_the_other_are_the_video(seed):
    videos, state = _videos(seed, 2), MODEL.initial_state(2, (6, 5))
    schedule = rsf.FixedSchedule(3, 1)
    whole = rsf.run_video(MODEL, _variables(), videos, schedule)
    for t in range(2):
        state, out = rsf.run_frame(MODEL, _variables(), state, videos[:, t], schedule)
        np.testing.assert_allclose(out.logits, whole.logits[:, t], atol=1e-4)
        assert out.steps.tolist() == whole.steps[:, t].tolist()
        assert state.frame_index.tolist() == [t + 1, t + 1]


@given(floats((*IMAGES, CLASSES), -30, 30), labels(IMAGES), st.sampled_from([0.0, 1.0, 2.0]))
@examples(20)
def test_the_focal_loss_is_at_most_the_cross_entropy(logits, truth, gamma):
    known = np.where(truth == IGNORED, 0, truth).astype(np.int32)
    found = focal_loss(logits, known, gamma)
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    assert (found >= 0).all()
    assert (found <= entropy + 1e-5).all()


@given(floats(IMAGES, 0, 100), labels(IMAGES))
@examples(20)
def test_a_mean_lies_among_the_labeled_losses(losses, truth):
    means = mean_over_labeled(losses, truth.astype(np.int32), (1.0, 0.5, 3.0))
    for mean, values, mask in zip(means, losses, truth):
        kept = values[mask != IGNORED]
        low, high = (kept.min(), kept.max()) if kept.size else (0, 0)
        assert low * (1 - 1e-5) - 1e-6 <= mean <= high * (1 + 1e-5) + 1e-6


@given(bits(IMAGES), bits(IMAGES))
@examples(20)
def test_scores_of_the_foreground_lie_between_0_and_1(predicted, truth):
    found = foreground_scores(predicted, truth)
    for score in jax.tree.leaves(found):
        assert ((score >= 0) & (score <= 1)).all()
    np.testing.assert_allclose(foreground_iou(predicted, truth), foreground_iou(truth, predicted))
    assert (found.iou <= found.f1 + 1e-6).all()
    assert (foreground_iou(truth, truth) == 1).all()


@given(labels(IMAGES), labels(IMAGES))
@examples(20)
def test_a_confusion_matrix_counts_every_labeled_pixel_once(predicted, truth):
    predicted = np.where(predicted == IGNORED, 0, predicted)
    matrices = np.asarray(segmentation.confusion_matrix(predicted, truth, CLASSES))
    assert (matrices.sum((1, 2)) == (truth != IGNORED).sum((1, 2))).all()
    for k in range(CLASSES):
        assert (matrices[:, k].sum(1) == (truth == k).sum((1, 2))).all()
    scores = segmentation.scores(matrices.sum(0))
    turned = segmentation.scores(matrices.sum(0)[::-1, ::-1])
    np.testing.assert_allclose(scores.miou, turned.miou)
    known = [x for x in (*scores.iou, scores.miou, scores.accuracy) if not np.isnan(x)]
    assert all(0 <= x <= 1 for x in known)


@given(labels(IMAGES), labels(IMAGES))
@examples(15)
def test_a_constant_prediction_never_flickers(predicted, truth):
    changed, counted = segmentation.flicker(predicted, truth)
    assert 0 <= int(changed) <= int(counted) <= truth[1:].size
    assert int(segmentation.flicker(np.zeros_like(truth), truth)[0]) == 0


@given(arrays(np.int64, 4, elements=st.integers(0, 10**9)), st.floats(0, 1))
@examples(50)
def test_balanced_weights_keep_the_scale_of_the_loss(counts, power):
    if not counts.any():
        return
    weights = segmentation.balanced_weights(counts, power)
    assert (weights > 0).all()
    assert (counts * weights).sum() / counts.sum() == pytest.approx(1)


positive = st.floats(1e-30, 1e30)
policies = st.builds(rsf.FixedSchedule, st.integers(1, 10**6), st.integers(1, 10**6)) | st.builds(
    rsf.DistanceHalting,
    st.sampled_from(sorted(METRICS)),
    positive,
    st.integers(50, 2**31 - 1),
    min_steps=st.integers(1, 50),
    min_first_steps=st.integers(1, 50),
    epsilon=positive,
    rtol=st.just(0.0) | positive,
)


@given(policies)
@examples(200)
def test_every_policy_is_read_as_it_is_written(policy):
    assert rsf.parse_policy(str(policy)) == policy


texts = st.text(max_size=30) | st.from_regex(r"(s\d*f\d*|l2:[\w.:=+-]*)\n?", fullmatch=True)


@given(texts)
@examples(300)
def test_any_text_is_a_policy_or_one_line(text):
    try:
        policy = rsf.parse_policy(text)
    except rsf.InputError as error:
        check_message(str(error), "policy")
    else:
        assert rsf.parse_policy(str(policy)) == policy


@given(st.text(max_size=30) | st.from_regex(r"(hard|quickstart)_[a-z0-9_]*\n?", fullmatch=True))
@examples(150)
def test_any_text_is_a_preset_or_one_line(text):
    try:
        assert rsf.get_config(text).name == text
    except rsf.InputError as error:
        check_message(str(error), "preset")


@given(st.integers(1, 400), st.integers(0, 20), st.integers(1, 200), st.sampled_from([1, 8, 16]))
@examples(200)
def test_tiles_cover_an_axis(size, radius, longest, multiple):
    tiles = tile_axis(size, 2 * radius + 1, longest, multiple=multiple)
    assert tiles.count * tiles.stride >= size > (tiles.count - 1) * tiles.stride
    assert tiles.period % multiple == 0
    assert tiles.period >= tiles.window >= tiles.stride
    assert tiles.count == 1 or tiles.window == tiles.stride + 2 * radius


@given(seeds, st.sampled_from([(7, 5, 4), (10, 3, 6), (9, 1, 4)]))
@examples(9)
def test_tiles_hold_the_line(seed, case):
    tiles, line = tile_axis(*case), np.random.default_rng(seed).random(case[0], np.float32)
    np.testing.assert_array_equal(join_blocks(blocks(line, tiles), tiles), line)
    seen = windows(line, tiles)[:, tiles.halo : tiles.halo + tiles.stride]
    np.testing.assert_array_equal(seen.reshape(-1)[: case[0]], line)


@given(seeds, st.sampled_from([((8, 8), (3, 3)), ((5, 9), (5, 3)), ((3, 4), (7, 7))]))
@examples(12)
def test_both_ways_of_convolving_agree(seed, sizes):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1, 2, *sizes[0])).astype(np.float32)
    kernel = rng.normal(size=(*sizes[1], 2, 1)).astype(np.float32)
    direct, spectral = (conv.convolve(x, kernel, method=m) for m in ("direct", "fft"))
    np.testing.assert_allclose(direct, spectral, atol=1e-4)


@given(seeds, st.booleans(), st.sampled_from([1.0, 1.5, 3.0]))
@examples(40)
def test_augmentation_keeps_labels_with_their_pixels(seed, upside_down, zoom):
    rng = np.random.default_rng(seed)
    # Areas of one class: whatever part is shown, an inner pixel has the gray of its class.
    masks = np.kron(rng.integers(0, 3, (2, 3, 4)), np.ones((1, 8, 8))).astype(np.uint8)
    masks[1] = masks[0]
    video = {"frames": masks[..., None] * 100, "masks": masks}
    changed = augment(video, rng, QUICK.replace(flip_vertical=upside_down, zoom=zoom))
    frames, found = changed["frames"][..., 0], changed["masks"]
    assert frames.shape == found.shape == masks.shape
    assert set(np.unique(found)) <= set(np.unique(masks))
    pure = np.isin(frames, (0, 100, 200))
    if zoom == 1:
        np.testing.assert_array_equal(frames, found * 100)
    # Where two classes meet, their mean may be the gray of a third.
    assert (frames[pure] == found[pure] * 100).mean() > 0.9
    np.testing.assert_array_equal(found[0], found[1])


@given(st.integers(1, 9), st.integers(1, 4), seeds.map(lambda s: s % 2**31), st.booleans())
@examples(8)
def test_batches_hold_every_video_once(count, size, seed, augmented):
    size = min(size, count)  # more are refused
    videos = [
        {"frames": np.full((1, 2, 2, 1), i + 1, np.uint8), "masks": np.zeros((1, 2, 2), np.uint8)}
        for i in range(count)
    ]
    source = grain.MapDataset.source(videos)
    dataset = data.Dataset(source, source, source, None, (2, 2))
    config = QUICK.replace(batch_size=size, seed=seed, augment=augmented)
    per_epoch = batches.updates_per_epoch(dataset, config)
    trained = list(itertools.islice(batches.training_batches(dataset, config, 0), per_epoch))
    frames = np.concatenate([b.frames[b.weights == 1, 0, 0, 0, 0] for b in trained])
    assert sorted(frames) == list(range(1, count + 1))
    assert all(len(b.weights) == size for b in trained)
    tested = list(batches.evaluation_batches(source, size))
    assert np.concatenate([b.frames[:, 0, 0, 0, 0] for b in tested]).tolist() == list(
        range(1, count + 1)
    )


@given(arrays(np.float64, 30, elements=st.floats(0, 1)), st.floats(0.01, 0.99))
@examples(60)
def test_bounds_lie_above_what_was_seen(losses, limit):
    value = p_value(losses, limit)
    assert 0 <= value <= 1
    bound = upper_bound(losses, 0.05)
    assert losses.min() <= bound <= 1
    assert p_value(losses, bound) <= 0.05 or bound == 1
