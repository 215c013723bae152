"""A device that fails, a user who interrupts: nothing hangs, and nothing is lost unsaid."""

import contextlib
import gc
import itertools
import signal
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from marks import slow

import rsf_jax as rsf
from rsf_jax.streaming import StreamEngine
from rsf_jax.streaming.program import Program

SIZE = (8, 9)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, kernel_size=3))
POLICY = rsf.FixedSchedule(3, 2)
GATE = rsf.ChangeGate(0.02, 0.9, POLICY)


@pytest.fixture(scope="module")
def variables():
    found = jax.jit(MODEL.init)(jax.random.key(3), jnp.zeros((1, 1, *SIZE, 1)))
    return rsf.prepare(MODEL, found, SIZE)


class Faults:
    """Makes the device fail, at random calls or when told to.

    Before: nothing has begun. After: the device has gone on, and what came of it is lost. Gone: the
    states of all streams are lost, as those that a program was given to overwrite.
    """

    def __init__(self, monkeypatch, share=0.0, seed=0):
        self.rng, self.share, self.next = np.random.default_rng(seed), share, []
        self.kinds = {"before": 0, "after": 0, "gone": 0}
        for method in ("tick", "leaves_out"):
            monkeypatch.setattr(Program, method, self._failing(getattr(Program, method)))

    def _failing(self, method):
        def call(program, argument):
            kind = self.next.pop(0) if self.next else self._drawn()
            if kind:
                self.kinds[kind] += 1
            if kind == "before":
                raise RuntimeError("RESOURCE_EXHAUSTED")
            found = method(program, argument)
            if kind == "gone":
                jax.tree.map(lambda leaf: leaf.delete(), program.store)
            if kind in ("after", "gone"):
                raise RuntimeError("the device fell off")
            return found

        return call

    def _drawn(self):
        if self.rng.random() >= self.share:
            return ""
        return self.rng.choice(["before", "after", "gone"], p=[0.4, 0.3, 0.3])


class Alone:
    """What the frames of a stream get by themselves."""

    def __init__(self, variables, policy):
        self.variables, self.policy = variables, policy
        self.state = MODEL.initial_state(1, SIZE)
        self.next = jax.jit(lambda s, f: rsf.run_frame(MODEL, variables, s, f, policy))

    def check(self, result, frame):
        self.state, expected = self.next(self.state, frame[None])
        np.testing.assert_allclose(result.outputs, expected.logits[0], atol=1e-4)


class Cameras:
    """Streams that are opened anew when they fail, and what was submitted to each."""

    def __init__(self, engine, seed=0, count=4):
        self.engine, self.rng, self.count = engine, np.random.default_rng(seed), count
        self.streams, self.frames, self.results, self.raised = [], {}, {}, 0

    def act(self):
        while len(self.streams) < self.count:
            self.streams.append(self.engine.open())
            self.frames[self.streams[-1].name] = []
        stream = self.rng.choice(self.streams)
        sent = self.frames[stream.name]
        still = sent and self.rng.random() < 0.5
        frame = sent[-1] if still else self.rng.random((*SIZE, 1), np.float32)
        if stream.failure:
            with pytest.raises(rsf.InputError, match=r"failed at frame|failed after frame"):
                self.engine.submit(stream, frame)
            self.engine.close(stream)
            self.streams.remove(stream)
        elif self.engine.has_room(stream):
            self.engine.submit(stream, frame)
            sent.append(frame)
        try:
            self.engine.tick()
        except RuntimeError:
            self.raised += 1
        self._take(self.engine.poll())

    def finish(self):
        while True:
            try:
                self._take(self.engine.results())
                return
            except RuntimeError:
                self.raised += 1

    def _take(self, results):
        for result in results:
            self.results.setdefault(result.stream, []).append(result)

    def check(self, variables, policy):
        for name, frames in self.frames.items():
            results = self.results.get(name, [])
            assert [r.index for r in results] == list(range(len(frames)))
            alone, over = Alone(variables, policy), False
            for result, frame in zip(results, frames):
                assert not (over and result.status in ("done", "repeated"))
                over = over or result.status in ("failed", "dropped")
                assert bool(result.reason) == over
                if not over:
                    alone.check(result, frame)


@pytest.mark.parametrize("policy", [POLICY, slow(GATE)], ids=["schedule", "gate"])
@pytest.mark.parametrize("actions", [400, slow(10_000)])
def test_a_device_that_fails_at_random_loses_nothing_unsaid(
    variables, policy, actions, monkeypatch
):
    engine = StreamEngine(MODEL, variables, policy, SIZE, slots=3, max_streams=4)
    faults, cameras = Faults(monkeypatch, share=0.05), Cameras(engine)
    for _ in range(actions):
        cameras.act()
    faults.share = 0.0
    cameras.finish()
    assert cameras.raised == sum(faults.kinds.values())
    assert min(faults.kinds.values()) > 0
    counted = engine.statistics()
    assert counted.waiting == 0
    assert counted.done > actions / 4
    sent = sum(map(len, cameras.frames.values()))
    assert sent == counted.done + counted.repeated + counted.dropped + counted.failed
    # A sample of the streams is enough in the long run.
    cameras.frames = dict(list(cameras.frames.items())[-40:])
    cameras.check(variables, policy)


@pytest.fixture
def engine(variables):
    return StreamEngine(MODEL, variables, POLICY, SIZE, slots=1)


def _submit(engine, *names):
    rng = np.random.default_rng(0)
    streams = [engine.open(name) for name in names]
    for stream in streams:
        for _ in range(2):
            engine.submit(stream, rng.random((*SIZE, 1), np.float32))
    return streams


def _outcome(results):
    found = {}
    for result in results:
        found.setdefault(result.stream, []).append(result.status)
    return found


def test_a_tick_that_fails_once_is_done_again(engine, monkeypatch):
    _submit(engine, "a", "b")
    Faults(monkeypatch).next = ["before"]
    with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
        engine.tick()
    assert _outcome(engine.results()) == {"a": ["done"] * 2, "b": ["done"] * 2}


def test_frames_that_fail_twice_fail_their_streams_alone(engine, monkeypatch):
    _submit(engine, "a", "b")
    Faults(monkeypatch).next = ["before"] * 2
    for _ in range(2):
        with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
            engine.tick()
    results = list(engine.results())
    assert _outcome(results) == {"a": ["failed", "dropped"], "b": ["done"] * 2}
    assert results[0].reason == (
        "the engine could not compute it: RuntimeError: RESOURCE_EXHAUSTED"
    )


def test_states_that_are_lost_fail_those_that_have_one(engine, monkeypatch):
    (begun,) = _submit(engine, "begun")
    assert _outcome(engine.results()) == {"begun": ["done"] * 2}
    _submit(engine, "new", "newer")
    Faults(monkeypatch).next = ["gone"]
    with pytest.raises(RuntimeError, match="fell off"):
        engine.tick()
    # The one whose frame was under way is lost with its state, the other had none yet.
    assert _outcome(engine.results()) == {"new": ["failed", "dropped"], "newer": ["done"] * 2}
    with pytest.raises(rsf.InputError, match="it failed after frame 1: its state was lost"):
        engine.submit(begun, np.zeros((*SIZE, 1), np.float32))


class Interrupted(BaseException):
    """Ctrl-C, of this test alone."""


@contextlib.contextmanager
def _interrupted_after(seconds):
    def interrupt(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_engine_that_was_interrupted_goes_on(variables):
    engine = StreamEngine(MODEL, variables, POLICY, SIZE, slots=2, queue=40)
    rng, results, interruptions = np.random.default_rng(0), {}, 0
    streams = [engine.open(str(n)) for n in range(4)]
    frames = {s.name: [rng.random((*SIZE, 1), np.float32) for _ in range(30)] for s in streams}
    for stream in streams:
        for frame in frames[stream.name]:
            engine.submit(stream, frame)
    over = False
    while not over:
        try:
            with _interrupted_after(rng.uniform(0.0005, 0.02)):
                while engine.tick():
                    pass
                over = True
        except Interrupted:
            interruptions += 1
        for result in engine.poll():
            results.setdefault(result.stream, []).append(result)
    assert interruptions > 3
    for name, of_stream in frames.items():
        alone = Alone(variables, POLICY)
        assert [r.index for r in results[name]] == list(range(30))
        for result, frame in zip(results[name], of_stream):
            alone.check(result, frame)


_INTERRUPTED = ("rsf_jax", "threading", "queue", "concurrent")


def _interrupted_at(moment, work):
    """Does work, with Ctrl-C at one of the moments at which Python looks for it.

    Which are a call and its end, also of what is written in C. Returns whether there were so many.
    """
    moments, came = itertools.count(), []

    def look(frame, event, value):
        # Not between a `with` and the call that ends it, where Python looks for nothing; nor in
        # checks of types, which users do not have.
        here = event != "c_call" and frame.f_globals.get("__name__", "").startswith(_INTERRUPTED)
        if here and next(moments) == moment:
            came.append(frame)
            raise Interrupted

    try:
        sys.setprofile(look)
        work()
    except Interrupted:
        pass
    finally:
        sys.setprofile(None)
    return bool(came)


def _in_time(work, seconds=20.0):
    """Does it in another thread, so that what hangs fails."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it hangs"


def test_an_engine_that_was_interrupted_at_any_moment_goes_on(variables):
    engine = StreamEngine(MODEL, variables, POLICY, SIZE, slots=2, queue=2)
    called, frame = [], np.zeros((*SIZE, 1), np.float32)
    stream = engine.open(on_result=called.append)
    for moment in itertools.count():
        engine.submit(stream, frame)
        came = _interrupted_at(moment, engine.tick)
        _in_time(lambda: list(engine.results()))
        if not came:
            break
    assert moment > 20
    assert engine.statistics().done == stream.submitted == moment + 1
    # The one result that a call had in hand may be lost with it.
    numbers = [result.index for result in called]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 0.9 * moment


def _a_day(engine, frame):
    """Streams as they come and go."""
    stream = engine.open(when_full="drop_oldest", priority=1)
    for _ in range(3):
        engine.submit(stream, frame)
    engine.reset(stream)
    engine.submit(stream, frame)
    other = engine.open()
    engine.submit(other, frame)
    engine.discard(other)
    engine.abandon(other)
    engine.close(stream)


# What raises while a generator is thrown away is reported, and raised nowhere.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_streams_are_whole_at_whatever_moment_a_call_was_interrupted(variables):
    engine = StreamEngine(MODEL, variables, POLICY, SIZE, slots=2, max_streams=3, queue=2)
    frame = np.zeros((*SIZE, 1), np.float32)
    (kept,) = _submit(engine, "kept")
    for moment in itertools.count():
        came = _interrupted_at(moment, lambda: _a_day(engine, frame))
        engine.submit(kept, frame)
        _in_time(lambda: list(engine.results()))
        assert not engine.statistics().waiting
        for stream in engine.streams:  # what was interrupted before it had one may ask for it
            if stream is not kept:
                engine.abandon(stream)
        assert engine.streams == [kept]
        again = [engine.open() for _ in range(2)]  # as many as there are rows
        for stream in again:
            engine.submit(stream, frame)
            engine.close(stream)
        assert [r.status for r in engine.results()] == ["done", "done"]
        if not came:
            break
    assert moment > 50


def test_the_thread_of_an_engine_ends_with_it(variables):
    before = set(threading.enumerate())
    engine = StreamEngine(MODEL, variables, POLICY, SIZE)
    _submit(engine, "a")
    assert len(list(engine.results())) == 2
    (thread,) = set(threading.enumerate()) - before
    del engine
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()
