"""Slots are refilled within a tick while frames wait, and ticks stay short where they must."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.streaming import StreamEngine

SIZE = (8, 9)
MODEL = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, kernel_size=3))
POLICY = rsf.FixedSchedule(3, 2)


@pytest.fixture(scope="module")
def variables():
    found = jax.jit(MODEL.init)(jax.random.key(3), jnp.zeros((1, 1, *SIZE, 1)))
    return rsf.prepare(MODEL, found, SIZE)


def _filled(variables, names, policy=POLICY, *, slots, frames=1, budgets=()):
    """An engine with streams whose frames wait."""
    engine = StreamEngine(MODEL, variables, policy, SIZE, slots=slots, queue=frames)
    rng, sent = np.random.default_rng(0), {}
    for name in names:
        stream = engine.open(name, budget=60.0 if name in budgets else None)
        sent[name] = rng.random((frames, *SIZE, 1), np.float32)
        for frame in sent[name]:
            engine.submit(stream, frame)
    return engine, sent


def _check(variables, sent, results, policy=POLICY):
    """Every frame once, in order within its stream, with what it gets alone."""
    found = {name: [r for r in results if r.stream == name] for name in sent}
    for name, frames in sent.items():
        out = rsf.run_video(MODEL, variables, frames[None], policy)
        assert [r.index for r in found[name]] == list(range(len(frames)))
        assert [r.steps for r in found[name]] == out.steps[0].tolist()
        np.testing.assert_allclose([r.outputs for r in found[name]], out.logits[0], atol=1e-4)


def test_slots_are_refilled_within_a_tick(variables):
    engine, sent = _filled(variables, "abcdef", slots=2)
    results = []
    # The first fills the slots; in the second two end after three steps, and leave their places to
    # the next two; and so on, until no frame waits.
    for ended in ("", "ab", "cd", "", "", "ef"):
        engine.tick()
        found = engine.poll()
        assert [r.stream for r in found] == list(ended)
        results += found
    counted = engine.statistics()
    assert (counted.ticks, counted.slot_steps, counted.useful_steps) == (6, 18, 18)
    assert counted.occupancy == 1
    _check(variables, sent, results)


@pytest.mark.parametrize("slots", [3, 4, 6])  # that begin one, four, and two at a time
def test_streams_get_what_they_get_alone(variables, slots):
    engine, sent = _filled(variables, "abcdefghijk", slots=slots, frames=4)
    _check(variables, sent, list(engine.results()))


def test_a_budget_keeps_ticks_short(variables):
    engine, _ = _filled(variables, "abcdef", slots=2, budgets="f")
    for _ in range(2):
        engine.tick()
    assert engine.statistics().slot_steps == 4
    assert [r.status for r in engine.results()] == ["done"] * 6
    # Once it is closed they may be long again.
    assert engine.statistics().ticks == 9
    engine, _ = _filled(variables, "abcdef", slots=2)
    engine.close(engine.open("g", budget=1.0))
    for _ in range(2):
        engine.tick()
    assert engine.statistics().slot_steps == 6


def test_a_tick_ends_while_frames_wait_for_one_that_takes_long(variables):
    long = rsf.FixedSchedule(70, 70)
    engine, sent = _filled(variables, "ab", long, slots=1)
    results, steps = [], [0]
    while engine.tick():
        steps.append(engine.statistics().slot_steps)
        results += engine.poll()
    # b is taken along in each tick, has not begun at its end, and is put back.
    assert [r.stream for r in results] == ["a", "b"]
    assert steps[-1] == 140
    assert 1 < max(np.diff(steps)) < 60  # 69 would be all that a has left
    _check(variables, sent, results, long)
