"""Streams that are kept in a file, go on in another engine, and outlive a change of weights."""

import asyncio
import dataclasses
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compilations import compilations
from safetensors.numpy import save

import rsf_jax as rsf
from rsf_jax.streaming import Snapshot, StreamEngine

SIZE = (12, 14)
HALTING = rsf.parse_policy("l2:1e-9:6:rtol=0.12:min_first_steps=3")
GATE = rsf.parse_policy("gate:0.01:0.9+s3f2")
REFRESH = rsf.parse_policy("refresh:2+s3f2")
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, kernel_size=3))
OTHER = rsf.build_model(rsf.get_config("quickstart").replace(channels=3, kernel_size=3))


def _variables(seed, model=MODEL):
    return jax.jit(model.init)(jax.random.key(seed), jnp.zeros((1, 1, *SIZE, 1)))


VARIABLES = _variables(3)


def _engine(policy=HALTING, model=MODEL, variables=VARIABLES, **options):
    options = {"slots": 2, "max_streams": 4, "queue": 3} | options
    return StreamEngine(model, variables, policy, SIZE, **options)


@pytest.fixture(scope="module")
def engines():
    """Two of one kind, compiled once."""
    return _engine(), _engine()


@pytest.fixture
def pair(engines):
    """Two engines of one kind without streams."""
    for engine in engines:
        engine.change(variables=VARIABLES, policy=HALTING)
        engine.snapshot(remove=True)
        engine.poll()
    return engines


@pytest.fixture
def engine(pair):
    return pair[0]


def _frames(count, seed=0):
    """Frames differ in contrast, and so in how long they take."""
    rng = np.random.default_rng(seed)
    scales = rng.choice([0.02, 0.3, 1.0], (count, 1, 1, 1))
    return np.uint8(255 * rng.random((count, *SIZE, 1)) * scales)


def _through_a_file(snapshot):
    return Snapshot.from_bytes(snapshot.to_bytes())


def _same(here, there):
    """Whether results are the same to the last bit, but for when they came."""
    for a, b in zip(here, there, strict=True):
        for field in ("stream", "index", "status", "steps", "reason", "tag", "time", "first"):
            assert getattr(a, field) == getattr(b, field), field
        np.testing.assert_array_equal(a.outputs, b.outputs)


def _by_stream(results):
    return sorted(results, key=lambda r: (r.stream, r.index))


def _busy(engine):
    """Three streams, of which frames have ended, are at work and wait."""
    streams = [engine.open(name, budget=99.0) for name in "abc"]
    for index in range(3):
        for number, stream in enumerate(streams):
            engine.submit(stream, _frames(3, number)[index], tag=f"{stream.name}{index}")
    for _ in range(6):
        engine.tick()
    return streams


def test_restored_streams_go_on_to_the_last_bit(pair):
    one, two = pair
    streams = _busy(one)
    ended = len(one.poll())
    assert 1 <= ended < 7  # some have had results, some are at work, some wait
    restored = two.restore(_through_a_file(one.snapshot()))
    assert [s.name for s in restored] == list("abc")
    for engine, own in ((one, streams), (two, restored)):
        for stream in own:
            assert engine.submit(stream, _frames(1, 9)[0]) == 3
    here, there = (_by_stream(engine.results()) for engine in (one, two))
    assert len(here) == 12 - ended
    # When the last frames were handed in differs.
    here, there = ([dataclasses.replace(r, time=0.0) for r in rs] for rs in (here, there))
    _same(here, there)


def test_what_a_gate_has_seen_goes_along(pair):
    one, two = pair
    frames = _frames(2, 4)
    for engine in pair:
        engine.change(policy=GATE)
    stream = one.open("a")
    one.submit(stream, frames[0])
    first = next(one.results())
    (again,) = two.restore(_through_a_file(one.snapshot()))
    two.submit(again, frames[0])
    repeated = next(two.results())
    assert (repeated.status, repeated.index, repeated.steps) == ("repeated", 1, 0)
    np.testing.assert_array_equal(repeated.outputs, first.outputs)


def test_the_age_of_a_state_goes_along(pair):
    """A single number for each stream."""
    one, two = pair
    for engine in pair:
        engine.change(policy=REFRESH)
    one.submit(one.open("a"), _frames(1)[0])
    assert next(one.results()).first
    (again,) = two.restore(_through_a_file(one.snapshot()))
    for frame in _frames(2):
        two.submit(again, frame)
    assert [r.first for r in two.results()] == [False, True]


def test_what_other_weights_have_made_of_a_frame_is_not_repeated(pair):
    """Neither in an engine that gets new weights, nor in one that has others."""
    one, two = pair
    new, frame = _variables(5), _frames(1, 4)[0]
    for engine in pair:
        engine.change(policy=GATE)
    stream = one.open("a")
    one.submit(stream, frame)
    first = next(one.results())
    two.change(variables=new)
    (again,) = two.restore(one.snapshot(), other_weights=True)
    one.change(variables=new)
    found = []
    for engine, own in ((one, stream), (two, again)):
        engine.submit(own, frame)
        found.append(next(engine.results()))
    assert [(r.status, r.steps) for r in found] == [("repeated", 0)] * 2
    assert np.abs(found[0].outputs - first.outputs).max() > 0.01
    np.testing.assert_array_equal(found[0].outputs, found[1].outputs)


def test_a_stream_is_kept_once(pair):
    one, two = pair
    stream = one.open("a")
    snapshot = one.snapshot(stream, stream)
    assert [s.name for s in snapshot.streams] == ["a"]
    with pytest.raises(rsf.InputError, match="two streams are named 'a'"):
        two.restore(dataclasses.replace(snapshot, streams=2 * snapshot.streams))
    assert two.open("a").name == "a"


def test_a_stream_that_is_moved_leaves_nothing_behind(pair):
    one, two = pair
    _, b, _ = _busy(one)
    before = {(r.stream, r.index) for r in one.poll()}
    snapshot = one.snapshot(b, remove=True)
    assert b.closed
    told = two.restore(snapshot)[0]
    rest = {(r.stream, r.index) for r in one.results()}
    moved = {(r.stream, r.index) for r in two.results()}
    assert before | rest | moved == {(s, i) for s in "abc" for i in range(3)}
    assert len(before) + len(rest) + len(moved) == 9
    assert {s for s, _ in moved} == {"b"}
    assert told.submitted == 3
    # Name and row are free again.
    assert [one.open(name).name for name in ("b", "d")] == ["b", "d"]
    with pytest.raises(rsf.InputError, match="'b': it is closed"):
        one.submit(b, _frames(1)[0])


def test_what_was_dropped_is_told_in_its_place():
    one, two = _engine(queue=1), _engine(queue=1)
    stream = one.open("a", when_full="drop_oldest")
    frames = _frames(4)
    one.submit(stream, frames[0])
    one.tick()  # at work
    for frame in frames[1:]:
        one.submit(stream, frame)
    # The results of the two that were dropped wait for the one at work; all four are counted.
    assert (one.statistics().waiting, one.statistics().dropped) == (2, 2)
    two.restore(_through_a_file(one.snapshot(remove=True)))
    results = list(two.results())
    assert [(r.index, r.status) for r in results] == [
        *((0, "done"), (1, "dropped"), (2, "dropped"), (3, "done")),
    ]
    assert results[1].reason == "newer frames came"
    assert not list(one.results())


def test_who_awaits_a_frame_that_is_moved_is_told(engine):
    async def moved():
        stream = engine.open("a")
        answer = asyncio.ensure_future(engine.answer(stream, _frames(1)[0]))
        await asyncio.sleep(0)
        snapshot = engine.snapshot(stream, remove=True)
        with pytest.raises(rsf.InputError, match="moved to another engine"):
            await answer
        return snapshot

    assert [f.index for f in asyncio.run(moved()).streams[0].frames] == [0]


def test_a_snapshot_disturbs_nothing(pair):
    engine, alone = pair
    _busy(engine)
    _busy(alone)
    engine.snapshot()
    here, there = ([*e.poll(), *e.results()] for e in (engine, alone))
    here, there = ([dataclasses.replace(r, time=0.0) for r in _by_stream(x)] for x in (here, there))
    _same(here, there)


def test_results_of_restored_streams_go_to_a_callback(engine):
    streams, found = _busy(engine), []
    engine.restore(engine.snapshot(*streams[:2], remove=True), on_result=found.append)
    rest = list(engine.results())
    assert {r.stream for r in found} == {"a", "b"}
    assert "c" in {r.stream for r in rest}


def test_a_file_is_read_as_it_was_written(engine, tmp_path):
    _busy(engine)
    snapshot = engine.snapshot()
    read = Snapshot.load(snapshot.save(tmp_path / "streams.safetensors"))
    assert [p.name for p in tmp_path.iterdir()] == ["streams.safetensors"]
    for told, again in zip(snapshot.streams, read.streams):
        np.testing.assert_equal(dataclasses.asdict(again), dataclasses.asdict(told))
    assert dataclasses.replace(read, streams=()) == dataclasses.replace(snapshot, streams=())


def test_a_file_may_lie_at_home(snapshot, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert snapshot.save("~/streams") == tmp_path / "streams"
    assert Snapshot.load("~/streams").model == snapshot.model
    with pytest.raises(
        rsf.InputError, match="streams cannot be written: No such file or directory"
    ):
        snapshot.save("~/away/streams")


def test_notes_of_a_program_are_kept_with_the_streams(snapshot):
    assert snapshot.notes == {}
    noted = dataclasses.replace(snapshot, notes={"door": [1, None, "a"]})
    assert Snapshot.from_bytes(noted.to_bytes()).notes == {"door": [1, None, "a"]}


def test_an_engine_that_always_computes_keeps_nobody_out(engine):
    stream, ends = engine.open("a", when_full="drop_oldest"), threading.Event()
    computes = threading.Thread(target=_compute_until, args=(engine, stream, ends))
    computes.start()
    try:
        for _ in range(20):
            began = time.monotonic()
            engine.snapshot(stream)
            assert time.monotonic() - began < 20
    finally:
        ends.set()
        computes.join()


def _compute_until(engine, stream, ends):
    frame = _frames(1)[0]
    while not ends.is_set():
        engine.submit(stream, frame)
        engine.tick()
        engine.poll()


class _Weights:
    """What a stream gets under weights that change: `run_frame`, each frame by one of them."""

    def __init__(self):
        self.state = MODEL.initial_state(1, SIZE)

    def run(self, variables, frame, policy):
        self.state, out = rsf.run_frame(MODEL, variables, self.state, frame[None], policy)
        return out


def test_other_weights_lose_neither_streams_nor_frames(engine):
    new, frames, alone, policy = _variables(5), _frames(4), _Weights(), rsf.FixedSchedule(3, 3)
    engine.change(policy=policy)
    stream = engine.open("a")
    results = []
    engine.submit(stream, frames[0])
    results += engine.results()
    engine.submit(stream, frames[1])
    engine.tick()  # at work
    engine.submit(stream, frames[2])
    engine.change(variables=new)
    engine.submit(stream, frames[3])
    results += engine.results()
    assert [r.index for r in results] == [0, 1, 2, 3]
    for result, frame, variables in zip(results, frames, (VARIABLES, new, new, new)):
        expected = alone.run(variables, frame, policy)
        np.testing.assert_allclose(result.outputs, expected.logits[0], atol=1e-5)


def test_another_threshold_is_the_same_program(engine):
    other = rsf.parse_policy("l2:1e-9:6:rtol=1e-9:min_first_steps=3")
    engine.change(policy=HALTING)
    with compilations() as compiled:
        engine.change(policy=other)
    assert not compiled
    stream = engine.open("a")
    engine.submit(stream, _frames(1)[0])
    assert next(engine.results()).steps == 6


def test_another_kind_of_policy_is_gone_on_with(engine):
    frame = _frames(1)[0]
    engine.change(policy=GATE)
    stream = engine.open("a")
    engine.submit(stream, frame)
    engine.submit(stream, frame)
    assert [r.steps for r in engine.results()] == [3, 0]
    engine.submit(stream, frame)  # would be left out
    engine.change(policy=rsf.FixedSchedule(4, 1))
    assert [r.steps for r in engine.results()] == [1]
    engine.change(policy=GATE)
    engine.submit(stream, frame)  # the gate has seen none yet
    engine.submit(stream, frame)
    assert [(r.index, r.steps) for r in engine.results()] == [(3, 2), (4, 0)]


def test_what_cannot_be_changed_to_is_refused_and_nothing_has_changed(engine):
    many = rsf.DistanceHalting("l2", np.float32([1, 2]), max_steps=6)
    for options in ({"variables": _variables(0, OTHER)}, {"policy": many}):
        with pytest.raises(rsf.InputError):
            engine.change(**options)
    stream = engine.open("a")
    engine.submit(stream, _frames(1)[0])
    assert next(engine.results()).status == "done"


@pytest.fixture
def snapshot(pair):
    engine = pair[1]
    _busy(engine)
    return engine.snapshot(remove=True)


def _edited(snapshot, **changes):
    """A file that says something else, with a checksum that is right."""
    first = dataclasses.replace(snapshot.streams[0], **changes)
    return dataclasses.replace(snapshot, streams=(first, *snapshot.streams[1:]))


_NEEDS = {
    "another model": (lambda s: dataclasses.replace(s, model="Toy()"), lambda e: None),
    "another frame size": (lambda s: dataclasses.replace(s, frame=(9, 9, 1)), lambda e: None),
    "another setting of stateful": (
        lambda s: dataclasses.replace(s, stateful=False),
        lambda e: None,
    ),
    "other weights": (lambda s: s, lambda e: e.change(variables=_variables(5))),
    "policy l2": (lambda s: s, lambda e: e.change(policy=rsf.FixedSchedule(2, 1))),
    "larger max_streams": (lambda s: s, lambda e: (e.open(), e.open())),
    "its state is": (
        lambda s: _edited(s, carry=[x[:1] for x in s.streams[0].carry]),
        lambda e: None,
    ),
    "of another size or type": (
        lambda s: _edited(
            s, frames=[dataclasses.replace(s.streams[0].frames[0], frame=np.zeros((2, 2, 1)))]
        ),
        lambda e: None,
    ),
}


@pytest.mark.parametrize("words", _NEEDS)
def test_what_does_not_fit_is_refused_and_nothing_has_changed(engine, snapshot, words):
    change, prepare = _NEEDS[words]
    prepare(engine)
    with pytest.raises(rsf.InputError, match=words):
        engine.restore(change(snapshot))
    assert engine.statistics().waiting == 0
    assert engine.open("a").name == "a"


def test_a_snapshot_of_another_model_is_refused(snapshot):
    """Not by what the file says alone."""
    engine = StreamEngine(OTHER, _variables(0, OTHER), HALTING, SIZE, slots=1, max_streams=4)
    with pytest.raises(rsf.InputError, match="another model"):
        engine.restore(snapshot, other_weights=True, other_policy=True)


def test_a_name_in_use_is_refused(engine, snapshot):
    engine.open("b")
    with pytest.raises(rsf.InputError, match="'b' is open"):
        engine.restore(snapshot)


def test_other_weights_and_policies_are_taken_if_one_says_so(engine, snapshot):
    engine.change(policy=rsf.FixedSchedule(2, 1), variables=_variables(5))
    engine.restore(snapshot, other_weights=True, other_policy=True)
    assert {r.steps for r in engine.results()} <= {1, 2}


def test_streams_that_are_over_or_another_engines_are_refused(pair, snapshot):
    engine, other = pair
    (stream, *_) = other.restore(snapshot)
    with pytest.raises(rsf.InputError, match="of another engine"):
        engine.snapshot(stream)
    other.snapshot(stream, remove=True)
    with pytest.raises(rsf.InputError, match="is over"):
        other.snapshot(stream)


def test_a_tag_that_no_file_can_hold_is_refused(engine):
    stream = engine.open("a")
    engine.submit(stream, _frames(1)[0], tag=object())
    snapshot = engine.snapshot(stream, remove=True)
    with pytest.raises(rsf.InputError, match="the tag of frame 0 of stream 'a'"):
        snapshot.to_bytes()
    assert [s.name for s in engine.restore(snapshot)] == ["a"]  # it need not be written


def test_damage_is_noticed_wherever_it_is(snapshot):
    content = snapshot.to_bytes()
    places = np.random.default_rng(0).choice(len(content), 60, replace=False)
    for place in [*range(12), *places, len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(rsf.InputError):
            Snapshot.from_bytes(bytes(damaged))
    for length in (0, 7, 100, len(content) - 1):
        with pytest.raises(rsf.InputError):
            Snapshot.from_bytes(content[:length])


def test_another_version_and_other_files_are_told_apart(snapshot, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("rsf_jax.streaming.snapshot.VERSION", 2)
        later = snapshot.to_bytes()
    with pytest.raises(rsf.InputError, match="of version 2: this version of the library reads 1"):
        Snapshot.from_bytes(later)
    with pytest.raises(rsf.InputError, match="no snapshot of streams"):
        Snapshot.from_bytes(save({"x": np.zeros(3)}))
    with pytest.raises(rsf.InputError, match=r"none\.safetensors cannot be read"):
        Snapshot.load(tmp_path / "none.safetensors")
    with pytest.raises(rsf.InputError, match="cannot be written"):
        snapshot.save(tmp_path / "no" / "folder")
