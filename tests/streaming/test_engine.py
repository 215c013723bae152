"""The engine against `run_frame` on each stream alone, whatever is opened, submitted and closed."""

import asyncio
import inspect
import threading

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from configs import untrained

import rsf_jax as rsf
from rsf_jax.streaming import Snapshot, StreamEngine

SIZE = (16, 18)
MAX_STREAMS = 6
# Movement relative to the state: frames of the tiny model take 2 to 6 steps.
HALTING = rsf.DistanceHalting("l2", 1e-9, max_steps=6, rtol=0.12, min_first_steps=3)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=3, kernel_size=5))


@pytest.fixture(scope="module")
def variables():
    variables = jax.jit(MODEL.init)(jax.random.key(3), jnp.zeros((1, 1, *SIZE, 1)))
    return rsf.prepare(MODEL, variables, SIZE)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def _engine(variables, policy=HALTING, **options):
    options = {"slots": 3, "max_streams": MAX_STREAMS, "queue": 3} | options
    return StreamEngine(MODEL, variables, policy, SIZE, **options)


def _constructed(kind, *args, **options):
    """As users do: the tests' type checker would speak first."""
    engine = object.__new__(kind)
    inspect.unwrap(kind.__init__)(engine, *args, **options)
    return engine


def _frame(rng):
    """Frames differ in contrast, and so in how long they take."""
    return np.float32(rng.random((*SIZE, 1)) * rng.choice([0.02, 0.3, 1.0]))


class Alone:
    """What a stream's frames must get: `run_frame`, one after the other."""

    def __init__(self, variables, policy):
        self.variables, self.policy = variables, policy
        self.state = MODEL.initial_state(1, SIZE)

    def check(self, result, frame):
        own, expected = rsf.run_frame(MODEL, self.variables, self.state, frame[None], self.policy)
        if result.status == "cut":
            assert 1 <= result.steps <= int(expected.steps[0])
            here = rsf.FixedSchedule(result.steps, result.steps)
            own, expected = rsf.run_frame(MODEL, self.variables, self.state, frame[None], here)
        else:
            assert result.status == "done"
            assert result.steps == int(expected.steps[0])
        np.testing.assert_allclose(result.outputs, expected.logits[0], atol=1e-4)
        self.state = own
        return result.steps


class Session:
    """An engine under random use, with a record of all that was submitted."""

    def __init__(self, variables, rng, **options):
        self.rng, self.clock, self.variables = rng, Clock(), variables
        self.engine = _engine(variables, clock=self.clock, **options)
        self.open, self.frames, self.results = [], {}, {}

    def act(self):
        action = self.rng.choice(["open", "submit", "submit", "submit", "tick", "close"])
        self.clock.now += self.rng.random()
        if action == "open" and self.alive() < MAX_STREAMS:
            budget = self.rng.choice([None, 3.0])
            stream = self.engine.open(f"s{len(self.frames)}", budget=budget)
            self.open.append(stream)
            self.frames[stream.name] = []
        elif action == "submit" and self.open:
            stream, frame = self.rng.choice(self.open), _frame(self.rng)
            index = self.engine.submit(stream, frame)
            assert index == len(self.frames[stream.name])
            self.frames[stream.name].append(frame)
        elif action == "tick":
            self.engine.tick()
        elif action == "close" and self.open and self.rng.random() < 0.3:
            self.engine.close(self.open.pop(self.rng.integers(len(self.open))))
        self.take(self.engine.poll())

    def alive(self):
        """Streams that are open or have frames left."""
        left = (n for n, f in self.frames.items() if len(self.results.get(n, ())) < len(f))
        return len({stream.name for stream in self.open}.union(left))

    def take(self, results):
        for result in results:
            self.results.setdefault(result.stream, []).append(result)

    def check(self, policy):
        self.take(self.engine.results())
        statuses, steps = [], []
        for name, frames in self.frames.items():
            results = self.results.get(name, [])
            assert [r.index for r in results] == list(range(len(frames)))
            alone = Alone(self.variables, policy)
            for result, frame in zip(results, frames):
                statuses.append(result.status)
                if result.status != "dropped":
                    steps.append(alone.check(result, frame))
        counted = self.engine.statistics()
        for status in ("done", "cut", "dropped", "failed"):
            assert getattr(counted, status) == statuses.count(status)
        assert counted.waiting == 0
        assert counted.useful_steps == sum(steps)
        return statuses, steps


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("when_full", ["block", "drop_oldest"])
def test_every_frame_gets_what_it_gets_alone(variables, seed, when_full):
    session = Session(variables, np.random.default_rng(seed), when_full=when_full)
    with compilations() as compiled:
        for _ in range(150):
            session.act()
        session.take(session.engine.results())
    assert not compiled
    statuses, steps = session.check(HALTING)
    assert len(set(steps)) > 2
    assert {"done", "cut"} <= set(statuses)


@pytest.mark.parametrize("policy", [rsf.FixedSchedule(3, 1), rsf.DistanceHalting("l1", 0.9, 4)])
@pytest.mark.parametrize("steps_per_tick", [1, 2])
def test_every_policy_streams(variables, policy, steps_per_tick):
    rng = np.random.default_rng(9)
    engine = _engine(variables, policy, steps_per_tick=steps_per_tick, slots=2)
    streams = [engine.open() for _ in range(3)]
    frames = {stream.name: [_frame(rng) for _ in range(3)] for stream in streams}
    for t in range(3):
        for stream in streams:
            engine.submit(stream, frames[stream.name][t])
    alone = {name: Alone(variables, policy) for name in frames}
    for result in engine.results():
        alone[result.stream].check(result, frames[result.stream][result.index])
    assert engine.statistics().done == 9


@pytest.mark.slow
def test_the_recurrent_u_net_streams_without_its_state_too():
    model = rsf.build_model(rsf.get_config("camvid_s2f1_dru").replace(channels=2, classes=3))
    frames = np.random.default_rng(0).random((2, 2, 16, 16, 3), np.float32)
    variables, policy = jax.jit(model.init)(jax.random.key(0), frames), rsf.FixedSchedule(2, 1)
    for stateful in (True, False):
        expected = rsf.run_video(model, variables, frames, policy, stateful=stateful)
        engine = StreamEngine(model, variables, policy, (16, 16), slots=2, stateful=stateful)
        streams = [engine.open("0"), engine.open("1")]
        for t in range(2):
            for stream, video in zip(streams, frames):
                engine.submit(stream, video[t])
        for r in engine.results():
            np.testing.assert_allclose(
                r.outputs, expected.logits[int(r.stream), r.index], atol=1e-4
            )


def test_bytes_are_frames_and_outputs_are_transformed(variables):
    engine = _engine(variables, transform=lambda logits: {"class": logits.argmax(-1)})
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 1)).astype(np.uint8)
    engine.submit(engine.open(), frame)
    engine.submit(engine.open(), np.float32(frame) / 255)
    first, second = engine.results()
    assert first.outputs["class"].shape == SIZE
    chex.assert_trees_all_equal(first.outputs, second.outputs)


def test_streams_of_bytes_and_of_floats_share_ticks_and_a_program(variables):
    engine = _engine(variables)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, *SIZE, 1)).astype(np.uint8)
    ticks = []
    # Alone, together with floats, and with floats alone: frames travel as the widest of a tick.
    for group in (frames, [*frames[:1], *np.float32(frames[1:]) / 255], np.float32(frames) / 255):
        streams = [engine.open() for _ in frames]
        for stream, frame in zip(streams, group):
            engine.submit(stream, frame)
            engine.close(stream)
        with compilations() as compiled:
            results = list(engine.results())
        ticks += [name for name in compiled if "advance" in name]
        for result in results:
            index = [s.name for s in streams].index(result.stream)
            Alone(variables, HALTING).check(result, frames[index])
    assert not ticks  # it was compiled when the engine was made


def test_a_frame_out_of_time_gets_one_step_at_least(variables):
    clock = Clock()
    engine = _engine(variables, rsf.FixedSchedule(5, 5), clock=clock)
    hurried, calm = engine.open("hurried", budget=1.0), engine.open("calm", budget=9.0)
    rng = np.random.default_rng(0)
    for stream in (hurried, calm):
        engine.submit(stream, _frame(rng))
    clock.now = 2.0
    found = {r.stream: (r.status, r.steps) for r in engine.results()}
    assert found == {"hurried": ("cut", 1), "calm": ("done", 5)}


def test_full_queues(variables):
    rng, frames = np.random.default_rng(0), []
    frames = [_frame(rng) for _ in range(5)]
    engine = _engine(variables, queue=2, when_full="drop_oldest")
    stream = engine.open()
    for frame in frames:
        engine.submit(stream, frame)
    results = list(engine.results())
    assert [(r.index, r.status) for r in results] == [
        (0, "dropped"), (1, "dropped"), (2, "dropped"), (3, "done"), (4, "done"),
    ]  # fmt: skip
    assert results[0].reason == "newer frames came"
    # The first that is computed is the stream's first.
    alone = Alone(variables, HALTING)
    for result in results[3:]:
        alone.check(result, frames[result.index])

    engine = _engine(variables, queue=2, when_full="error")
    stream = engine.open("door")
    for frame in frames[:2]:
        engine.submit(stream, frame)
    with pytest.raises(rsf.InputError, match="stream 'door': its queue is full"):
        engine.submit(stream, frames[2])
    assert engine.statistics().refused == 1
    assert [r.index for r in engine.results()] == [0, 1]


def test_a_stream_may_have_a_rule_of_its_own(variables):
    rng, engine = np.random.default_rng(0), _engine(variables, queue=1, when_full="error")
    camera, file = engine.open("camera", when_full="drop_oldest"), engine.open("file")
    for _ in range(2):
        engine.submit(camera, _frame(rng))
    engine.submit(file, _frame(rng))
    with pytest.raises(rsf.InputError, match=r"'file': its queue is full \(1\)"):
        engine.submit(file, _frame(rng))
    assert [r.status for r in engine.results()] == ["dropped", "done", "done"]
    with pytest.raises(rsf.InputError, match="when_full is 'wait'"):
        engine.open(when_full="wait")


def test_dropped_frames_come_after_the_one_in_a_slot(variables):
    rng = np.random.default_rng(0)
    engine = _engine(variables, rsf.FixedSchedule(4, 4), queue=1, when_full="drop_oldest")
    stream = engine.open()
    engine.submit(stream, _frame(rng))
    engine.tick()
    for _ in range(2):
        engine.submit(stream, _frame(rng))
    found = [(r.index, r.status) for r in engine.results()]
    assert found == [(0, "done"), (1, "dropped"), (2, "done")]


def test_bad_frames_are_refused_and_leave_the_stream_as_it_was(variables):
    engine, rng = _engine(variables), np.random.default_rng(0)
    stream, frames = engine.open("gate"), [_frame(rng) for _ in range(2)]
    engine.submit(stream, frames[0])
    nan = frames[1].copy()
    nan[3, 4] = np.nan
    for bad, message in (
        (nan, "stream 'gate': frames hold 1 NaN"),
        (frames[1] * 255, "divide by 255"),
        (frames[1].astype(np.float64), "frames are float64"),
        (frames[1][:-1], r"the frame is \[15, 18, 1\]: an array \[16, 18, 1\] is needed"),
        (None, "the frame is NoneType"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            engine.submit(stream, bad)
    engine.submit(stream, frames[1])
    alone = Alone(variables, HALTING)
    for result in engine.results():
        alone.check(result, frames[result.index])
    counted = engine.statistics()
    assert (counted.done, counted.refused) == (2, 5)


def test_a_state_that_is_no_number_fails_its_stream_alone():
    # Weights for frames of next to no contrast: on those of any other the state overflows.
    large = jax.jit(MODEL.init)(jax.random.key(3), jnp.zeros((1, 1, *SIZE, 1)))
    large["params"]["stem"]["kernel"] *= 1e20
    variables = rsf.prepare(MODEL, large, SIZE)
    engine, rng = _engine(variables), np.random.default_rng(0)
    broken, sound = engine.open("broken"), engine.open("sound")
    frames = [_frame(rng) * np.float32(1e-20) for _ in range(4)]
    for frame in (frames[0], frames[1] * np.float32(1e20), frames[2]):
        engine.submit(broken, frame)
    for frame in frames:
        engine.submit(sound, frame)
    results = list(engine.results())
    first, lost, dropped = (r for r in results if r.stream == "broken")
    assert [r.status for r in (first, lost, dropped)] == ["done", "failed", "dropped"]
    assert lost.reason == "the state became NaN or infinite"
    assert lost.outputs is None
    with pytest.raises(rsf.InputError, match="'broken': it failed at frame 1"):
        engine.submit(broken, frames[0])
    Alone(variables, HALTING).check(first, frames[0])
    alone = Alone(variables, HALTING)
    for result in [r for r in results if r.stream == "sound"]:
        assert result.status == "done"
        alone.check(result, frames[result.index])
    # Its row is given to another, which starts anew.
    engine.close(broken)
    fresh = engine.open("broken")
    assert fresh.row == broken.row
    engine.submit(fresh, frames[0])
    (result,) = engine.results()
    Alone(variables, HALTING).check(result, frames[0])


def test_opening_and_closing(variables):
    engine, rng = _engine(variables, max_streams=2), np.random.default_rng(0)
    stream = engine.open("a")
    with pytest.raises(rsf.InputError, match="'a' is open"):
        engine.open("a")
    engine.open("b")
    with pytest.raises(rsf.InputError, match="2 streams are open, as many as"):
        engine.open("c")
    engine.submit(stream, _frame(rng))
    engine.close(stream)
    with pytest.raises(rsf.InputError, match="closed already"):
        engine.close(stream)
    with pytest.raises(rsf.InputError, match="'a': it is closed"):
        engine.submit(stream, _frame(rng))
    assert [r.status for r in engine.results()] == ["done"]
    engine.open("a")
    with pytest.raises(rsf.InputError, match="budget is 0: seconds above 0"):
        _engine(variables).open(budget=0)


def test_the_name_of_an_abandoned_stream_is_free_at_once_and_its_row_later(variables):
    rng = np.random.default_rng(0)
    policy = rsf.FixedSchedule(4, 4)
    engine, seen = _engine(variables, policy, max_streams=2), []
    old = engine.open("door", on_result=seen.append)
    frames = [_frame(rng) for _ in range(3)]
    for frame in frames[:2]:
        engine.submit(old, frame)
    engine.tick()  # the first one is at work
    engine.abandon(old)
    new = engine.open("door")
    assert new.row != old.row
    assert [stream.name for stream in engine.snapshot().streams] == ["door"]
    with pytest.raises(rsf.InputError, match="'door' is over"):
        engine.snapshot(old)
    with pytest.raises(rsf.InputError, match="2 streams are open, as many as"):
        engine.open("yard")
    engine.submit(new, frames[2])
    (result,) = engine.results()
    Alone(variables, policy).check(result, frames[2])
    assert [(r.index, r.status) for r in seen] == [(0, "done"), (1, "dropped")]
    assert engine.open("yard").row == old.row


def test_what_is_put_back_of_an_abandoned_stream_holds_no_row(variables):
    streams, rng = [], np.random.default_rng(0)

    def clock():
        """At the end of the tick for which a frame was taken that has not begun in it."""
        if sum(stream.at_work for stream in streams) == 2:
            while streams:
                engine.abandon(streams.pop())
        return 0.0

    engine = _engine(variables, rsf.FixedSchedule(4, 4), max_streams=3, slots=1, clock=clock)
    streams += [engine.open(str(number)) for number in range(3)]
    for stream in streams:
        engine.submit(stream, _frame(rng))
    engine.tick()
    engine.tick()
    assert not streams
    assert len([engine.open(), engine.open()]) == 2  # the third row is of the frame in the slot


BAD_OPTIONS = [
    ({"priority": "high"}, "priority is 'high': a whole number is needed"),
    ({"priority": float("nan")}, "priority is nan: a whole number is needed"),
    ({"priority": True}, "priority is True: a whole number is needed"),
    ({"keep_frames": "no"}, "keep_frames is 'no': True or False is needed"),
    ({"on_result": 3}, "on_result is 3: a function is needed"),
    ({"name": 5}, "name is 5: a text is needed"),
    ({"name": ["a"]}, r"name is \['a'\]: a text is needed"),
    ({"when_full": ["block"]}, "when_full is .* choose one of"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options_of_a_stream_are_refused_where_it_is_opened(variables, options, message):
    engine = _engine(variables)
    with pytest.raises(rsf.InputError, match=message):
        inspect.unwrap(StreamEngine.open)(engine, **options)
    assert len(engine.snapshot().streams) == 0


def test_numbers_of_numpy_become_those_of_python(variables):
    given = {"stateful": np.True_, "queue": np.int64(2), "slots": np.int64(3)}
    engine = _constructed(StreamEngine, MODEL, variables, HALTING, SIZE, **given)
    options = {"budget": np.float32(3), "priority": np.int64(2), "keep_frames": np.True_}
    inspect.unwrap(StreamEngine.open)(engine, **options)
    snapshot = Snapshot.from_bytes(engine.snapshot().to_bytes())
    (stream,) = snapshot.streams
    assert (stream.budget, stream.priority, stream.keep_frames) == (3.0, 2, True)
    assert snapshot.stateful


@pytest.mark.parametrize(
    ("method", "more"),
    [
        *((name, ()) for name in ("reset", "close", "abandon", "discard", "has_room", "snapshot")),
        *((name, (np.zeros((*SIZE, 1)),)) for name in ("submit", "answer")),
    ],
)
def test_a_name_is_no_stream(variables, method, more):
    engine = _engine(variables)
    engine.open("door")
    with pytest.raises(rsf.InputError, match="stream is 'door': give the Stream that `open`"):
        _done(inspect.unwrap(getattr(StreamEngine, method))(engine, "door", *more))


def _done(found):
    return asyncio.run(found) if inspect.iscoroutine(found) else found


def test_what_is_no_model_or_snapshot_is_refused(variables):
    for model, message in (
        (None, "model is None: give one, such as"),
        (rsf.RecurrentModel, "model is the class RecurrentModel"),
        (untrained(SIZE), "model is .*: give one, such as"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            _constructed(StreamEngine, model, variables, HALTING, SIZE)
    with pytest.raises(rsf.InputError, match="snapshot is bytes: a Snapshot is needed"):
        inspect.unwrap(StreamEngine.restore)(_engine(variables), b"abc")


def test_bad_options_of_snapshots_are_named(variables):
    engine = _engine(variables)
    snapshot, restore = engine.snapshot(), inspect.unwrap(StreamEngine.restore)
    for options, message in (
        ({"on_result": 3}, "on_result is 3: a function is needed"),
        ({"other_weights": "no"}, "other_weights is 'no': True or False"),
        ({"other_policy": "no"}, "other_policy is 'no': True or False"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            restore(engine, snapshot, **options)
    with pytest.raises(rsf.InputError, match="remove is 'no': True or False"):
        inspect.unwrap(StreamEngine.snapshot)(engine, remove="no")


def test_threads_share_an_engine(variables):
    engine = _engine(variables, queue=1)
    seen = {}

    def feed(seed):
        stream = engine.open(str(seed), on_result=seen.setdefault(str(seed), []).append)
        rng = np.random.default_rng(seed)
        for _ in range(10):
            engine.submit(stream, _frame(rng))

    threads = [threading.Thread(target=feed, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(engine.results()) == []
    for seed in range(5):
        rng, alone = np.random.default_rng(seed), Alone(variables, HALTING)
        results = seen[str(seed)]
        assert [r.index for r in results] == list(range(10))
        for result in results:
            alone.check(result, _frame(rng))


def test_bad_arguments_are_named(variables):
    for options, message in (
        ({"slots": 0}, "slots is 0"),
        ({"slots": 0.5}, "slots is 0.5"),
        ({"queue": -1}, "queue is -1"),
        ({"when_full": "wait"}, "when_full is 'wait': choose one of block, drop_oldest, error"),
        ({"stateful": "no"}, "stateful is 'no': True or False is needed"),
        ({"transform": None}, "transform is None: a function is needed"),
        ({"clock": None}, "clock is None: a function is needed"),
        ({"shadow": 0.1}, "shadow is 0.1: a Shadow is needed"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            _constructed(StreamEngine, MODEL, variables, HALTING, SIZE, **options)
    with pytest.raises(rsf.InputError, match="streams share one rule"):
        _engine(variables, rsf.DistanceHalting(threshold=np.ones(3)))
    with pytest.raises(rsf.InputError, match="were prepared for frames of 16x18"):
        StreamEngine(MODEL, variables, HALTING, (16, 16))
    for config, message in (
        (rsf.get_config("quickstart_ff6"), "no recurrent steps"),
        (rsf.get_config("quickstart").replace(norm_statistics="batch"), "would change each other"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            StreamEngine(rsf.build_model(config), variables, HALTING, SIZE)


def test_results_say_where_a_video_began(variables):
    rng, engine = np.random.default_rng(0), _engine(variables, rsf.Refresh(2, HALTING))
    stream = engine.open(when_full="block")
    for n in range(6):
        if n == 3:
            engine.reset(stream)
        engine.submit(stream, _frame(rng))
    # Every second frame begins anew, counted from the reset on.
    firsts = [result.first for result in engine.results()]
    assert firsts == [True, False, True, True, False, True]
