"""Shadow frames of an engine: which there are, what they cost nobody, and what comes of them."""

import inspect

import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax.calibration import Alarm, watch
from rsf_jax.calibration.watching import disagreement
from rsf_jax.streaming import Shadow, StreamEngine
from rsf_jax.streaming.shadow import other_class

SIZE = (12, 10)
GATE = rsf.parse_policy("gate:0:0.2+s2f1")
REFERENCE = rsf.FixedSchedule(4, 3)


@pytest.fixture(scope="module")
def trained():
    return untrained(SIZE)


def _unchecked(**options):
    """A shadow as users make it: the tests' type checker would speak first."""
    shadow = object.__new__(Shadow)
    inspect.unwrap(Shadow.__init__)(shadow, REFERENCE, **options)
    return shadow


def _videos(count=3, length=8):
    """Scenes in which something moves, stands still for a while, and is another at last."""
    rng = np.random.default_rng(0)
    videos = np.zeros((count, length, *SIZE, 1), np.uint8)
    for video in videos:
        for t, at in enumerate(np.sort(rng.integers(0, 7, length))):
            video[t, at : at + 5, 2:6] = 255
        video[length - 2 :] = 0
        video[length - 2 :, 2:11, 5:9] = 180
    return videos


def _play(trained, policy, videos, **options):
    """All results, by stream and frame, and the engine."""
    engine = StreamEngine(trained.model, trained.variables, policy, SIZE, slots=2, **options)
    streams = [engine.open() for _ in videos]
    results = []
    for t in range(videos.shape[1]):
        for stream, video in zip(streams, videos):
            engine.submit(stream, video[t])
        results += engine.results()
    found = {(r.stream, r.index): r for r in results}
    return [found[s.name, t] for s in streams for t in range(videos.shape[1])], engine


def _expected(trained, policy, videos):
    """The losses of all frames, [stream, frame], computed frame by frame."""
    found = np.zeros(videos.shape[:2])
    for video, losses in zip(videos, found):
        out = trained.run(video[None], policy)
        changed = (np.diff(video.astype(int), axis=0) != 0).mean((1, 2, 3))
        begun = np.concatenate([[True], changed > GATE.cut])
        fresh = mine = trained.model.initial_state(1, SIZE)
        for t, frame in enumerate(video):
            start = fresh if begun[t] and policy == GATE else mine.replace(memory=())
            _, shadow = rsf.run_frame(
                trained.model, trained.variables, start, frame[None], REFERENCE
            )
            losses[t] = other_class(out.logits[:, t], shadow.logits)[0]
            mine, _ = rsf.run_frame(trained.model, trained.variables, mine, frame[None], policy)
    return found


@pytest.mark.parametrize("policy", [rsf.FixedSchedule(2, 1), GATE], ids=str)
def test_every_frame_may_have_a_shadow_and_is_as_it_would_be_without(trained, policy):
    videos, seen = _videos(), []
    shadow = Shadow(REFERENCE, share=1.0, on_loss=seen.append)
    with_shadow, engine = _play(trained, policy, videos, shadow=shadow)
    without, _ = _play(trained, policy, videos)
    for a, b in zip(with_shadow, without, strict=True):
        assert (a.status, a.steps) == (b.status, b.steps)
        np.testing.assert_array_equal(a.outputs, b.outputs)
    statistics = engine.statistics()
    assert statistics.shadows == len(seen) == videos.shape[0] * videos.shape[1]
    assert statistics.disagreement == pytest.approx(np.mean(seen))
    wanted = _expected(trained, policy, videos)
    np.testing.assert_allclose(np.sort(seen), np.sort(wanted.ravel()), atol=0.01)
    if policy == GATE:
        assert any(r.status == "repeated" for r in with_shadow)


def test_shadows_are_drawn_from_the_seed(trained):
    videos = _videos(2, 20)

    def count(seed, share=0.3):
        seen = []
        _play(trained, GATE, videos, shadow=Shadow(REFERENCE, share, seen.append, seed=seed))
        return seen

    first, again, other = count(1), count(1), count(2)
    assert first == again != other
    assert 4 <= len(first) <= 22
    engine = _play(trained, GATE, videos)[1]
    assert (engine.statistics().shadows, engine.statistics().disagreement) == (0, None)


def test_a_dropped_frame_has_no_shadow(trained):
    shadow = Shadow(REFERENCE, share=1.0)
    options = {"queue": 1, "when_full": "drop_oldest", "shadow": shadow}
    engine = StreamEngine(trained.model, trained.variables, GATE, SIZE, **options)
    stream = engine.open()
    for frame in _videos(1)[0]:
        engine.submit(stream, frame)
    results = list(engine.results())
    answered = sum(r.status != "dropped" for r in results)
    assert answered < len(results)
    assert engine.statistics().shadows == answered


def test_with_a_shadow_the_tick_is_compiled_once_and_so_is_the_shadow(trained):
    compiled = []

    def loss(a, b):
        compiled.append(a.shape)
        return other_class(a, b)

    _play(trained, GATE, _videos(), shadow=Shadow(REFERENCE, 1.0, loss=loss))
    assert compiled == [(1, *SIZE, 2)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shadow(REFERENCE, share=0.0), "share is 0.0: a probability above 0"),
        (lambda: Shadow(REFERENCE, share=1.5), "share is 1.5"),
        (lambda: _unchecked(on_loss=3), "on_loss is 3: a function is needed"),
        (lambda: _unchecked(loss=None), "loss is None: a function is needed"),
        (lambda: Shadow(REFERENCE, seed=-1), "seed is -1: a whole number of at least 0"),
    ],
)
def test_a_shadow_that_is_none_is_refused(make, message):
    with pytest.raises(rsf.InputError, match=message):
        make()


def _results(bound):
    return {"reference": "gate:0:0.2+s4f3", "shadow": {"mean": bound / 2, "bound": bound}}


def test_an_alarm_is_raised_where_the_guarantee_is_broken(trained):
    videos, raised = _videos(2, 40), []
    kept = watch(_results(0.99), share=1.0, together=1, on_alarm=raised.append)
    engine = _play(trained, GATE, videos, shadow=kept.shadow)[1]
    assert kept.alarm.count == engine.statistics().shadows == 80
    assert (kept.alarm.alarm, raised) == (False, [])
    assert "80 frames were compared with the reference" in str(kept)
    assert "at most 0.9900 was guaranteed: no alarm" in str(kept)
    mean = kept.alarm.mean
    assert 0 < mean < 0.99
    broken = watch(_results(mean / 20), share=1.0, together=1, on_alarm=raised.append)
    _play(trained, GATE, videos, shadow=broken.shadow)
    assert broken.alarm.alarm
    assert raised == [broken.alarm]
    assert f"ALARM after {broken.alarm.raised_at}" in str(broken)


def test_a_watch_needs_a_bound(trained):
    with pytest.raises(rsf.InputError, match="was not calibrated for a disagreement"):
        watch({"reference": "s3f1"})
    assert str(watch(_results(0.5))) == "No frame was compared with the reference so far"
    assert isinstance(watch(_results(0.5), level=0.1).alarm, Alarm)


def test_disagreement_is_one_less_the_iou_of_both():
    logits = np.zeros((1, 2, 2, 2), np.float32)
    one, two = logits.copy(), logits.copy()
    one[0, 0, :, 1], two[0, :, 0, 1] = 1, 1
    assert float(disagreement(one, two)[0]) == pytest.approx(2 / 3)
    assert float(disagreement(one, one)[0]) == 0
    assert float(other_class(one, two)[0]) == 0.5
