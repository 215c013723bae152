"""Frames that a policy leaves out: answered without a slot, as `run_frame` answers them alone."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations

import rsf_jax as rsf
from rsf_jax.streaming import StreamEngine
from rsf_jax.streaming.program import Program

SIZE = (16, 18)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=3, kernel_size=5))
HALTING = rsf.DistanceHalting("l2", 1e-9, max_steps=6, rtol=0.12, min_first_steps=3)
GATE = rsf.ChangeGate(0.02, 0.5, HALTING)
SLOW = rsf.ChangeGate(0.02, 0.5, rsf.FixedSchedule(5, 5))


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


def engine_of(variables, policy=GATE, **options):
    options = {"slots": 3, "max_streams": 6, "queue": 3} | options
    return StreamEngine(MODEL, variables, policy, SIZE, **options)


class Camera:
    """Frames of a camera: of four in a row three show the same; things move, scenes change."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.frame = self._scene()

    def __call__(self):
        event = self.rng.choice(["still", "still", "still", "moves", "cut"])
        if event == "cut":
            self.frame = self._scene()
        elif event == "moves":
            row, column = self.rng.integers(0, 10, 2)
            self.frame = self.frame.copy()
            self.frame[row : row + 5, column : column + 6] = self.rng.random()
        return self.frame.copy()

    def _scene(self):
        return self.rng.random((*SIZE, 1), np.float32)


class Alone:
    """What a stream's frames must get: `run_frame`, one after the other."""

    def __init__(self, variables, policy=GATE):
        self.variables, self.policy = variables, policy
        self.reset()

    def reset(self):
        self.state = MODEL.initial_state(1, SIZE)

    def check(self, result, frame):
        self.state, expected = rsf.run_frame(
            MODEL, self.variables, self.state, frame[None], self.policy
        )
        assert result.status == ("done" if expected.steps[0] else "repeated")
        assert result.steps == int(expected.steps[0])
        np.testing.assert_allclose(result.outputs, expected.logits[0], atol=1e-4)


@pytest.mark.parametrize("when_full", ["block", "drop_oldest"])
@pytest.mark.parametrize("text", ["gate", "refresh:5+gate"])
def test_every_frame_gets_what_it_gets_alone(variables, when_full, text):
    policy = GATE if text == "gate" else rsf.Refresh(5, GATE)
    engine = engine_of(variables, policy, when_full=when_full)
    rng, statuses = np.random.default_rng(0), []
    cameras = {engine.open(str(seed)): Camera(seed) for seed in range(5)}
    frames = {s.name: [] for s in cameras}
    results = {s.name: [] for s in cameras}
    with compilations() as compiled:
        for _ in range(120):
            stream = rng.choice(list(cameras))
            frame = cameras[stream]()
            if is_reset := rng.random() < 0.1:
                engine.reset(stream)
            frames[stream.name].append((frame, is_reset))
            engine.submit(stream, frame)
            if rng.random() < 0.3:
                engine.tick()
            for result in engine.poll():
                results[result.stream].append(result)
        for result in engine.results():
            results[result.stream].append(result)
    assert not compiled  # all of it was when the engine was made
    for name, submitted in frames.items():
        assert [r.index for r in results[name]] == list(range(len(submitted)))
        alone, begins = Alone(variables, policy), True
        for result, (frame, is_reset) in zip(results[name], submitted):
            statuses.append(result.status)
            begins |= is_reset
            if result.status == "dropped":
                continue  # the next one that is computed begins the video
            if begins:
                alone.reset()
            begins = False
            alone.check(result, frame)
    counted = engine.statistics()
    for status in ("done", "repeated", "dropped"):
        assert getattr(counted, status) == statuses.count(status)
    assert counted.repeated > 20
    assert counted.waiting == 0
    assert set(counted.repeated_latency) == {50, 95, 99}


def test_no_slot_is_waited_for(variables):
    engine = engine_of(variables, SLOW, slots=1)
    camera, other = engine.open("camera"), engine.open("other")
    frames = [Camera(seed).frame for seed in range(2)]
    engine.submit(camera, frames[0])
    list(engine.results())
    engine.submit(other, frames[1])
    engine.tick()  # the only slot is taken for five ticks
    for _ in range(2):
        engine.submit(camera, frames[0])
    engine.tick()
    found = engine.poll()
    assert [(r.stream, r.index, r.status, r.steps) for r in found] == [
        ("camera", 1, "repeated", 0), ("camera", 2, "repeated", 0),
    ]  # fmt: skip
    assert [(r.stream, r.status) for r in engine.results()] == [("other", "done")]


def test_many_are_asked_about_at_once_while_slots_have_work(variables, monkeypatch):
    engine, asked = engine_of(variables, SLOW, slots=4, max_streams=16, queue=30), []
    ask = Program.leaves_out

    def count(program, look):
        asked.append(int(look.count))
        return ask(program, look)

    monkeypatch.setattr(Program, "leaves_out", count)
    cameras = {engine.open(): Camera(seed) for seed in range(16)}
    for stream, camera in cameras.items():
        for _ in range(12):
            engine.submit(stream, camera())
    assert len(list(engine.results())) == 16 * 12
    assert sum(asked) == 16 * 11  # all but the first of each
    assert np.mean(asked) > 3.2


@pytest.mark.parametrize(("urgent", "tick"), [({}, 3), ({"priority": 1}, 2), ({"budget": 9.0}, 2)])
def test_nobody_waits_longer_for_being_asked_than_for_a_slot(variables, urgent, tick):
    engine = engine_of(variables, SLOW, slots=2, max_streams=30, clock=Clock())
    camera, frame = engine.open("camera", **urgent), Camera(0).frame
    engine.submit(camera, frame)
    list(engine.results())
    answered = {}
    for n in range(6):
        if n == 2:
            engine.submit(camera, frame)
        for _ in range(3):  # more than there are slots: some always wait
            engine.submit(engine.open(), frame)
        engine.tick()
        answered |= {result.stream: n for result in engine.poll()}
    assert answered["camera"] == tick
    assert answered.get("7", 6) > tick  # which came after it


def test_results_stay_in_order(variables):
    engine = engine_of(variables, SLOW, queue=6, slots=1)
    stream, camera = engine.open(), Camera(0)
    still, moved = camera.frame, camera.frame.copy()
    moved[:4, :4] = 1 - moved[:4, :4]
    for frame in (still, still, moved, moved, still, still):
        engine.submit(stream, frame)
    found = list(engine.results())
    assert [r.index for r in found] == list(range(6))
    assert [r.steps for r in found] == [5, 0, 5, 0, 5, 0]
    for n in (1, 3, 5):
        np.testing.assert_array_equal(found[n].outputs, found[n - 1].outputs)


def test_who_writes_to_a_result_writes_to_that_alone(variables):
    engine = engine_of(variables, transform=lambda logits: {"class": logits.argmax(-1)})
    stream, frame = engine.open(), Camera(0).frame
    for _ in range(3):
        engine.submit(stream, frame)
    found = list(engine.results())
    expected = found[0].outputs["class"].copy()
    for result in found:
        np.testing.assert_array_equal(result.outputs["class"], expected)
        result.outputs["class"][:] = 7
    engine.submit(stream, frame)
    (last,) = engine.results()
    np.testing.assert_array_equal(last.outputs["class"], expected)


def test_bytes_are_looked_at_too(variables):
    engine = engine_of(variables)
    frame = (255 * Camera(0).frame).astype(np.uint8)
    streams = [engine.open() for _ in range(2)]
    for _ in range(2):
        engine.submit(streams[0], frame)
        engine.submit(streams[1], np.float32(frame) / 255)
    with compilations() as compiled:
        assert sorted(r.status for r in engine.results()) == ["done"] * 2 + ["repeated"] * 2
    assert not any("look" in name or "advance" in name for name in compiled)


def test_a_frame_out_of_time_is_repeated_still(variables):
    clock = Clock()
    engine = engine_of(variables, SLOW, clock=clock)
    stream, frame = engine.open(budget=1.0), Camera(0).frame
    engine.submit(stream, frame)
    clock.now = 2.0
    engine.submit(stream, frame)
    clock.now = 9.0
    found = [(r.status, r.steps) for r in engine.results()]
    # The first is cut after its first step; the second repeats that.
    assert found == [("cut", 1), ("repeated", 0)]


def test_full_queues(variables):
    engine = engine_of(variables, SLOW, queue=1, when_full="drop_oldest")
    stream, frame = engine.open(), Camera(0).frame
    for _ in range(3):
        engine.submit(stream, frame)
    assert [r.status for r in engine.results()] == ["dropped", "dropped", "done"]
    for _ in range(3):
        engine.submit(stream, frame)
    assert [r.status for r in engine.results()] == ["dropped", "dropped", "repeated"]
    # The frame that begins a video is dropped: the one after it does then.
    engine.submit(stream, frame)
    engine.reset(stream)
    for _ in range(2):
        engine.submit(stream, frame)
    assert [(r.status, r.steps) for r in engine.results()] == [
        ("dropped", 0), ("dropped", 0), ("done", 5),
    ]  # fmt: skip
    blocking = engine_of(variables, SLOW, queue=1)
    stream = blocking.open()
    for _ in range(4):
        blocking.submit(stream, frame)
    assert [r.status for r in blocking.results()] == ["done"] + 3 * ["repeated"]


def test_reset_begins_a_video_with_the_next_frame(variables):
    for policy, expected in ((GATE, "r"), (rsf.FixedSchedule(3, 1), "d")):
        engine = engine_of(variables, policy, queue=5)
        stream, frame = engine.open("door"), Camera(0).frame
        for _ in range(2):
            engine.submit(stream, frame)
        engine.reset(stream)
        engine.submit(stream, frame)
        found = list(engine.results())
        assert [r.status[0] for r in found] == ["d", expected, "d"]
        assert found[2].steps == found[0].steps
        np.testing.assert_allclose(found[2].outputs, found[0].outputs, atol=1e-5)
        engine.close(stream)
        with pytest.raises(rsf.InputError, match="stream 'door': it is closed"):
            engine.reset(stream)


def test_a_row_that_is_given_on_has_nothing_of_the_stream_before(variables):
    engine = engine_of(variables, SLOW, max_streams=1)
    frame = Camera(0).frame
    for _ in range(2):
        stream = engine.open()
        for _ in range(2):
            engine.submit(stream, frame)
        engine.close(stream)
        assert [r.steps for r in engine.results()] == [5, 0]


def test_callbacks_are_called_before_slots_are_computed(variables, monkeypatch):
    engine, seen = engine_of(variables, SLOW), []
    other = engine.open("other")
    stream = engine.open("camera", on_result=lambda r: seen.append((r.index, r.status)))
    engine.submit(stream, Camera(0).frame)
    list(engine.results())
    compute = Program.tick
    monkeypatch.setattr(Program, "tick", lambda *call: (seen.append("tick"), compute(*call))[1])
    engine.submit(stream, Camera(0).frame)
    engine.submit(other, Camera(1).frame)
    engine.tick()
    assert seen == [(0, "done"), (1, "repeated"), "tick"]


def test_threads_share_an_engine(variables):
    engine, seen = engine_of(variables, queue=1), {}

    def feed(seed):
        stream = engine.open(str(seed), on_result=seen.setdefault(str(seed), []).append)
        camera = Camera(seed)
        for _ in range(15):
            engine.submit(stream, camera())

    threads = [threading.Thread(target=feed, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(engine.results()) == []
    for seed in range(5):
        camera, alone = Camera(seed), Alone(variables)
        assert [r.index for r in seen[str(seed)]] == list(range(15))
        for result in seen[str(seed)]:
            alone.check(result, camera())


def test_policies_that_leave_nothing_out_are_not_asked(variables, monkeypatch):
    monkeypatch.setattr(Program, "leaves_out", None)
    for policy in (HALTING, rsf.Refresh(2, HALTING)):
        engine, frame = engine_of(variables, policy), Camera(0).frame
        stream = engine.open()
        for _ in range(3):
            engine.submit(stream, frame)
        assert [r.status for r in engine.results()] == 3 * ["done"]
        assert stream.outputs is None
