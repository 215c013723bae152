"""Queues that are played: worked examples, and the formulas of queueing theory."""

import math

import numpy as np
import pytest
from benchmarks import queueing
from benchmarks.queueing import Service

STEP = Service(fixed=0.0, step=1.0, frame=0.0)


def test_times_are_found_from_samples():
    samples = [(n, k, 2 + 3 * n + 0.5 * k) for n in (1, 2, 5) for k in (0, 1, 4)]
    # One that was held up does not count.
    found = Service.fitted(samples * 3 + [(1, 0, 1000.0)])
    np.testing.assert_allclose((found.fixed, found.step, found.frame), (2, 3, 0.5), atol=1e-9)
    assert found.seconds(4, 2) == pytest.approx(15)


def test_times_of_which_one_would_be_below_zero():
    # Frames cost nothing that can be told: what they seem to save is no time.
    samples = [(n, k, 2 + 3 * n - 0.01 * k) for n in (1, 2, 5) for k in (0, 1, 4)]
    found = Service.fitted(samples)
    np.testing.assert_allclose((found.fixed, found.step, found.frame), (2, 3, 0), atol=0.05)


def test_slots_are_refilled_where_lock_step_waits():
    # Three streams, two slots, all there at once: the second frame ends, the third takes its place.
    arrivals, steps = [(0.0, 0), (0.0, 1), (0.0, 2)], [4, 1, 2]
    # The tick ends when no frame waits, after one step; then ticks are a step long.
    assert queueing.refilled(arrivals, steps, 2, STEP).tolist() == [4, 1, 3]
    assert queueing.lock_step(arrivals, steps, 2, STEP).tolist() == [4, 4, 6]


def test_a_tick_goes_on_while_frames_wait():
    # The long one holds a slot; the other two come during the first tick and share the second,
    # which lasts until the last of them has a slot.
    arrivals, steps = [(0.0, 0), (0.5, 1), (0.5, 2)], [5, 2, 1]
    service = Service(fixed=1.0, step=1.0, frame=0.0)
    assert queueing.refilled(arrivals, steps, 2, service).tolist() == [9, 4.5, 6.5]


def test_frames_of_a_stream_come_one_after_the_other():
    arrivals, steps = [(0.0, 0), (0.0, 0), (0.5, 1)], [2, 2, 1]
    assert queueing.refilled(arrivals, steps, 2, STEP).tolist() == [2, 4, 1.5]
    assert queueing.lock_step(arrivals, steps, 2, STEP).tolist() == [2, 4, 3.5]


def test_a_queue_with_one_server_is_as_the_formula_says():
    # M/D/1 at half load: a frame waits for half a service in the mean.
    rng, count = np.random.default_rng(0), 20_000
    times = rng.exponential(2.0, count).cumsum().tolist()
    arrivals = list(zip(times, range(count)))
    for play in (queueing.refilled, queueing.lock_step):
        mean = play(arrivals, [1] * count, 1, STEP).mean()
        assert mean == pytest.approx(1.5, rel=0.03)
    assert queueing.mean_latency(0.5, np.ones(1), 1, 1.0) == pytest.approx(1.5)


def test_the_formula_for_several_servers():
    # M/M/1 would be 1 / (1 - 0.5): steps whose spread is their mean.
    exponential = np.random.default_rng(0).exponential(1.0, 200_000)
    assert queueing.mean_latency(0.5, exponential, 1, 1.0) == pytest.approx(2, rel=0.02)
    # Erlang's C of two servers at a load of one half is 1/3.
    assert queueing.mean_latency(1.0, np.ones(1), 2, 2.0) == pytest.approx(1 + 1 / 3 / 2)
    assert queueing.mean_latency(2.0, np.ones(1), 2, 2.0) == math.inf
