"""Several streams of a network with reuse: each gets what the network gives it alone."""

import asyncio
import inspect

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.reuse import ReuseNetwork
from rsf_jax.streaming import ReuseEngine

SHAPE = (16, 18, 2)


class Network(nn.Module):
    """Classes of every pixel, and of the frame."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(4, (3, 3))(x))
        return nn.Conv(3, (3, 3))(x), nn.Dense(2)(x.mean((1, 2)))


@pytest.fixture(scope="module")
def reuse():
    variables = jax.jit(Network().init)(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    return ReuseNetwork(Network(), variables, tile_side=4)


def _video(seed, count):
    """A square that moves over a still background, float32 [T, H, W, C]."""
    rng = np.random.default_rng(seed)
    frames = np.repeat(rng.uniform(size=(1, *SHAPE)).astype(np.float32), count, 0)
    for t in range(count):
        frames[t, t : t + 4, t : t + 4] = seed / 10
    return frames


def _alone(reuse, frame):
    return [np.asarray(x)[0] for x in reuse.whole(frame[None])]


def test_every_stream_gets_what_the_network_gives_it_alone(reuse):
    engine = ReuseEngine(reuse, SHAPE, max_streams=3)
    videos = {name: _video(i + 1, 4 + i) for i, name in enumerate("abc")}
    streams = {name: engine.open(name) for name in videos}
    buffer, found = np.empty(SHAPE, np.float32), {name: [] for name in videos}
    for t in range(6):
        for name, video in videos.items():
            if t < len(video):
                buffer[:] = video[t]  # as a camera does
                assert engine.submit(streams[name], buffer, tag=(name, t)) == t
        for result in engine.poll() if t < 2 else engine.results():
            found[result.stream].append(result)
    for name, video in videos.items():
        assert [r.index for r in found[name]] == list(range(len(video)))
        for result, frame in zip(found[name], video):
            assert (result.status, result.steps, result.tag) == ("done", 1, (name, result.index))
            for one, other in zip(result.outputs, _alone(reuse, frame)):
                np.testing.assert_allclose(one, other, atol=1e-5)
    told = engine.statistics()
    assert (told.done, told.waiting, told.refused) == (15, 0, 0)


def test_streams_without_a_new_frame_cost_nothing_and_places_are_given_on(reuse):
    engine = ReuseEngine(reuse, SHAPE, max_streams=4, transform=lambda out: out[0].argmax(-1))
    first, second = engine.open(), engine.open()
    for stream, seed in ((first, 1), (second, 2)):
        engine.submit(stream, _video(seed, 1)[0])
    assert len(list(engine.results())) == 2
    engine.submit(first, _video(1, 2)[1])
    (result,) = engine.results()
    assert 0 < engine.share < 0.25
    expected = _alone(reuse, _video(1, 2)[1])[0].argmax(-1)
    assert (result.outputs == expected).mean() > 0.99
    engine.close(first)
    names = [engine.open().name for _ in range(3)]
    assert len(set(names)) == 3
    with pytest.raises(rsf.InputError, match="4 streams are open, as many as this engine keeps"):
        engine.open()


def test_queues_are_bounded_as_asked(reuse):
    engine = ReuseEngine(reuse, SHAPE, max_streams=2, queue=1)
    old, strict = engine.open(when_full="drop_oldest"), engine.open(when_full="error")
    frames = (np.stack([*_video(1, 3)]) * 255).astype(np.uint8)
    for frame in frames:
        engine.submit(old, frame)
    engine.submit(strict, frames[0])
    with pytest.raises(rsf.InputError, match="its queue is full"):
        engine.submit(strict, frames[1])
    assert not engine.has_room(strict)
    assert engine.discard(strict) == 1
    statuses = [(r.stream, r.index, r.status) for r in engine.results()]
    assert sorted(statuses) == [
        *((old.name, 0, "dropped"), (old.name, 1, "dropped"), (old.name, 2, "done")),
        (strict.name, 0, "dropped"),
    ]
    with pytest.raises(rsf.InputError, match=r"the frame is .* is needed"):
        engine.submit(old, frames[0][:3])
    with pytest.raises(rsf.InputError, match="is of another engine"):
        ReuseEngine(reuse, SHAPE, max_streams=2).submit(old, frames[0])


def test_bad_options_are_refused_where_they_are_given(reuse):
    engine = ReuseEngine(reuse, SHAPE, max_streams=2)
    for options, message in (
        ({"priority": "high"}, "priority is 'high': a whole number is needed"),
        ({"keep_frames": "no"}, "keep_frames is 'no': True or False is needed"),
        ({"name": 5}, "name is 5: a text is needed"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            inspect.unwrap(ReuseEngine.open)(engine, **options)
    with pytest.raises(rsf.InputError, match=r"reuse is .*: a ReuseNetwork is needed"):
        inspect.unwrap(ReuseEngine.__init__)(engine, lambda v, x: x, SHAPE)
    for options, message in (
        ({"transform": None}, "transform is None: a function is needed"),
        ({"clock": None}, "clock is None: a function is needed"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            inspect.unwrap(ReuseEngine.__init__)(engine, reuse, SHAPE, **options)


def test_a_video_owes_nothing_to_the_one_before(reuse):
    engine = ReuseEngine(reuse.with_thresholds(0.2), SHAPE, max_streams=2)
    stream, frame = engine.open(), np.full(SHAPE, 0.5, np.float32)
    engine.submit(stream, frame)
    engine.submit(stream, frame + 0.1)
    kept = [r.outputs[0] for r in engine.results()]
    np.testing.assert_array_equal(kept[0], kept[1])  # below the threshold
    engine.reset(stream)
    engine.submit(stream, frame + 0.1)
    (anew,) = engine.results()
    assert (anew.first, engine.share) == (True, 1)
    np.testing.assert_allclose(anew.outputs[0], _alone(reuse, frame + 0.1)[0], atol=1e-5)


def test_streams_are_asked_and_answered_as_recurrent_ones(reuse, monkeypatch):
    engine, taken, step = ReuseEngine(reuse, SHAPE, max_streams=2), [], reuse.step

    def noting(state, frames):
        taken.append(frames)
        return step(state, frames)

    monkeypatch.setattr(reuse, "step", noting)
    late, soon = engine.open("late"), engine.open("soon", priority=1, keep_frames=True)
    frame = (_video(1, 1)[0] * 255).astype(np.uint8)
    for stream in (late, soon):
        engine.submit(stream, frame)
    first, second = engine.results()
    assert (first.stream, second.stream) == ("soon", "late")
    np.testing.assert_array_equal(first.frame, frame)
    assert second.frame is None
    # Bytes are sent as they are, and stay on the device: never floats of the host.
    assert all(isinstance(batch, jax.Array) for batch in taken)
    answer = asyncio.run(engine.answer(late, frame, tag="x"))
    assert (answer.index, answer.tag, answer.first) == (1, "x", False)
    assert engine.poll() == []
    engine.reset_statistics()
    assert engine.statistics().done == 0


def test_a_failure_is_tried_again_and_a_callback_fails_alone(reuse, monkeypatch):
    engine, got = ReuseEngine(reuse, SHAPE, max_streams=2), []

    def refuse(result):
        raise ValueError("the disk is full")

    good, bad = engine.open(on_result=got.append), engine.open(on_result=refuse)
    step, failures = reuse.step, iter([RuntimeError("device lost")])

    def failing(*args):
        for error in failures:
            raise error
        return step(*args)

    monkeypatch.setattr(reuse, "step", failing)
    for stream in (good, bad):
        engine.submit(stream, _video(1, 1)[0])
    with pytest.raises(RuntimeError, match="device lost"):
        engine.tick()
    assert list(engine.results()) == []
    assert [r.status for r in got] == ["done"]
    with pytest.raises(rsf.InputError, match="its on_result raised ValueError: the disk is full"):
        engine.submit(bad, _video(1, 1)[0])
    engine.submit(good, _video(1, 2)[1])
    list(engine.results())
    assert [r.index for r in got] == [0, 1]


def test_networks_in_which_frames_of_a_batch_meet_are_refused():
    def centered(variables, x):
        return x - x.mean((0, 1, 2), keepdims=True)

    with pytest.raises(rsf.InputError, match="frames of a batch change each other"):
        ReuseEngine(ReuseNetwork(centered, {}), SHAPE, max_streams=2)
    with pytest.raises(rsf.InputError, match="every array needs one value for each of them"):
        ReuseEngine(ReuseNetwork(lambda v, x: x.mean(), {}), SHAPE, max_streams=2)
