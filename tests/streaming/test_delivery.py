"""Results on their way to who asked for them: callbacks, tags, bounds, asyncio."""

import asyncio
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.streaming import StreamEngine
from rsf_jax.streaming.program import Program

SIZE = (8, 9)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, kernel_size=3))


@pytest.fixture(scope="module")
def variables():
    found = jax.jit(MODEL.init)(jax.random.key(3), jnp.zeros((1, 1, *SIZE, 1)))
    return rsf.prepare(MODEL, found, SIZE)


@pytest.fixture
def engine_of(variables):
    def make(steps=2, **options):
        policy = rsf.FixedSchedule(steps, steps)
        return StreamEngine(MODEL, variables, policy, SIZE, **({"slots": 2, "queue": 3} | options))

    return make


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    return lambda: rng.random((*SIZE, 1), np.float32)


def test_a_callback_that_raises_fails_its_stream_alone(engine_of, frame, caplog):
    engine, seen = engine_of(), []

    def on_result(result):
        seen.append(result.index)
        if result.index == 1:
            raise rsf.InputError("the disk is full for A")

    bad, good = engine.open("A", on_result=on_result), engine.open("B")
    for _ in range(3):
        engine.submit(bad, frame())
        engine.submit(good, frame())
    results = list(engine.results())
    assert seen == [0, 1]
    assert [r.index for r in results if r.stream == "B"] == [0, 1, 2]
    ((left, reason),) = [(r.index, r.reason) for r in results if r.stream == "A"]
    assert (left, reason) == (2, "its on_result raised InputError: the disk is full for A")
    with pytest.raises(rsf.InputError, match="stream 'A': its on_result raised"):
        engine.submit(bad, frame())
    assert engine.submit(good, frame()) == 3
    counted = engine.statistics()
    assert (counted.done, counted.dropped, counted.refused, counted.waiting) == (5, 1, 1, 1)
    assert "on_result of stream 'A' raised" in caplog.text
    engine.close(bad)
    engine.open("A")


def test_results_that_a_failed_callback_was_to_get_come_in_order(engine_of, frame):
    engine = engine_of(slots=1, queue=6)

    def on_result(result):
        raise ValueError(result.index)

    stream = engine.open(on_result=on_result)
    for _ in range(4):
        engine.submit(stream, frame())
    # Before anything is delivered, one more is ended and two wait.
    engine.discard(engine.open())
    found = [(r.index, r.status) for r in engine.results()]
    assert found == [(1, "dropped"), (2, "dropped"), (3, "dropped")]


def test_callbacks_may_submit_any_number_of_times(engine_of, frame):
    engine, count = engine_of(queue=1), 0

    def on_result(result):
        nonlocal count
        count += 1
        for _ in range(2):
            if stream.submitted < 1500:
                engine.submit(stream, frame())

    stream = engine.open(on_result=on_result)
    engine.submit(stream, frame())
    assert list(engine.results()) == []
    assert count == stream.submitted == 1500


def test_results_carry_tag_time_and_frame(engine_of, frame):
    engine = engine_of(when_full="drop_oldest", queue=1)
    keeps, forgets = engine.open("keeps", keep_frames=True), engine.open("forgets")
    frames, before = [frame() for _ in range(2)], time.time()
    for stream in (keeps, forgets):
        for index, one in enumerate(frames):
            engine.submit(stream, one, tag={"number": index})
    for result in engine.results():
        assert result.tag == {"number": result.index}
        assert before <= result.time <= time.time()
        if result.stream == "keeps":
            np.testing.assert_array_equal(result.frame, frames[result.index])
        else:
            assert result.frame is None


def test_streams_of_a_higher_priority_get_slots_first(engine_of, frame):
    engine = engine_of(slots=1)
    for name, priority in (("low", -1), ("a", 0), ("b", 0), ("high", 1)):
        stream = engine.open(name, priority=priority)
        for _ in range(2):
            engine.submit(stream, frame())
    assert [r.stream for r in engine.results()] == [
        *("high", "high"), *("a", "b", "a", "b"), *("low", "low"),
    ]  # fmt: skip


def test_what_waits_can_be_discarded(engine_of, frame):
    engine = engine_of(steps=3)
    stream, other = engine.open(), engine.open()
    for _ in range(3):
        engine.submit(stream, frame())
        engine.submit(other, frame())
    engine.tick()
    assert engine.discard(stream) == 2
    engine.close(stream)
    found = [(r.index, r.status, r.reason) for r in engine.results() if r.stream == stream.name]
    reason = "it was discarded"
    assert found == [(0, "done", ""), (1, "dropped", reason), (2, "dropped", reason)]
    assert engine.statistics().waiting == 0


def test_unread_results_are_bounded(engine_of, frame):
    engine = engine_of(unread_bytes=10_000)
    stream, read = engine.open(), engine.open(on_result=lambda result: None)

    def fill():
        for _ in range(100):
            engine.submit(stream, frame())

    with pytest.raises(rsf.InputError, match=r"results wait to be read, .* take them with results"):
        fill()
    engine.submit(read, frame())  # of which nothing stays
    assert engine.statistics().refused == 1
    assert len(list(engine.results())) == stream.submitted < 100
    engine.submit(stream, frame())


def test_streams_of_another_engine_are_refused(engine_of, frame):
    mine, others = engine_of(), engine_of()
    stream, same_name = others.open("x"), mine.open("x")
    for call in (mine.close, mine.reset, mine.discard, mine.has_room):
        with pytest.raises(rsf.InputError, match="stream 'x' is of another engine"):
            call(stream)
    with pytest.raises(rsf.InputError, match="stream 'x' is of another engine"):
        mine.submit(stream, frame())
    others.close(stream)
    with pytest.raises(rsf.InputError, match="of another engine"):
        mine.submit(stream, frame())
    mine.submit(same_name, frame())
    assert [r.status for r in mine.results()] == ["done"]


class Device:
    """Ticks that last until a test lets them go on."""

    def __init__(self, monkeypatch):
        self.at_work, self.go_on = threading.Event(), threading.Event()
        tick = Program.tick

        def held_up(program, load):
            self.at_work.set()
            assert self.go_on.wait(60)
            return tick(program, load)

        monkeypatch.setattr(Program, "tick", held_up)


def test_nothing_but_what_waits_for_results_waits_for_the_device(engine_of, frame, monkeypatch):
    engine = engine_of(queue=1, when_full="drop_oldest")
    camera, busy = engine.open("camera"), engine.open("busy")
    engine.submit(busy, frame())
    device = Device(monkeypatch)
    computes = threading.Thread(target=engine.tick)
    computes.start()
    assert device.at_work.wait(60)
    # All of this while a tick is on the device.
    for _ in range(3):
        engine.submit(camera, frame())
        engine.submit(busy, frame())
    assert not engine.has_room(camera)
    assert engine.statistics().waiting == 3
    engine.close(engine.open("third"))
    engine.reset(camera)
    assert [(r.stream, r.index) for r in engine.poll()] == [("camera", 0), ("camera", 1)]
    device.go_on.set()
    computes.join()
    assert [(r.index, r.status) for r in engine.results() if r.stream == "busy"] == [
        *((0, "done"), (1, "dropped"), (2, "dropped"), (3, "done")),
    ]


def test_a_full_queue_waits_for_the_tick_of_another_thread(engine_of, frame, monkeypatch):
    engine = engine_of(steps=1, queue=1)
    stream = engine.open()
    engine.submit(stream, frame())
    device = Device(monkeypatch)
    computes = threading.Thread(target=engine.tick)
    computes.start()
    assert device.at_work.wait(60)
    engine.submit(stream, frame())
    submits = threading.Thread(target=engine.submit, args=(stream, frame()))
    submits.start()
    submits.join(0.2)
    assert submits.is_alive()
    device.go_on.set()
    submits.join(60)
    computes.join()
    assert [r.index for r in engine.results()] == [0, 1, 2]


def test_answers_are_awaited_while_the_loop_goes_on(engine_of, frame, monkeypatch):
    engine, device = engine_of(queue=1), Device(monkeypatch)
    others = []
    quiet = engine.open("quiet", on_result=others.append)
    engine.submit(quiet, frame())

    async def camera(name):
        stream = engine.open(name)
        answers = [await engine.answer(stream, frame(), tag=n) for n in range(3)]
        engine.close(stream)
        return [(a.stream, a.index, a.tag, a.status) for a in answers]

    async def beside():
        while not device.at_work.is_set():
            await asyncio.sleep(0.01)
        device.go_on.set()  # by the loop, which goes on

    async def program():
        *found, _ = await asyncio.gather(camera("a"), camera("b"), camera("c"), beside())
        return found

    assert asyncio.run(program()) == [[(n, i, i, "done") for i in range(3)] for n in "abc"]
    assert [r.index for r in others] == [0]
    assert engine.poll() == []


def test_an_answer_is_refused_as_a_frame_is(engine_of, frame):
    engine = engine_of(queue=1, when_full="error")
    stream = engine.open("x")
    engine.submit(stream, frame())
    for bad, message in ((frame()[1:], "an array"), (frame(), "its queue is full")):
        with pytest.raises(rsf.InputError, match=message):
            asyncio.run(engine.answer(stream, bad))
    assert [r.index for r in engine.results()] == [0]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_deadlines_survive_a_stall(engine_of, frame, monkeypatch):
    clock, tick, seconds = Clock(), Program.tick, iter([0.01] * 9 + [50.0] + [0.01] * 99)

    def slow(program, load):
        ended = tick(program, load)
        clock.now += next(seconds)
        return ended

    engine = engine_of(steps=4, clock=clock)
    monkeypatch.setattr(Program, "tick", slow)
    stream = engine.open(budget=0.1)
    status = []
    for _ in range(8):
        engine.submit(stream, frame())
        status += [r.status for r in engine.results()]
    # The frame that was held up came late; none after it.
    assert status == ["done", "done", "cut", *["done"] * 5]


@pytest.mark.parametrize("budget", [np.float32(0.01), np.int64(1), 2])
def test_budgets_are_numbers(engine_of, budget):
    assert engine_of().open(budget=budget).budget == budget


def test_a_budget_is_no_truth_value(engine_of):
    with pytest.raises(rsf.InputError, match="budget is True: seconds above 0"):
        engine_of().open(budget=True)
