"""The benchmark of streaming: both ways give the same, and what is measured of them."""

import json

import matplotlib.image
import numpy as np
import pytest
from benchmarks import plot, streaming
from benchmarks.lock_step import LockStep

import rsf_jax as rsf
from rsf_jax.evaluation import testing as evaluation

POLICY = rsf.DistanceHalting("l2", 1e-9, max_steps=5, rtol=0.05)


@pytest.fixture(scope="module")
def report(run):
    settings = streaming.Settings(
        POLICY,
        slots=2,
        streams=5,
        many=7,
        loads=(0.5, 2.0),
        seconds=0.1,
        rounds=2,
        tick_seconds=(0.05,),
        turns=2,
        frames=4,
        large_frames=3,
    )
    trained = evaluation.load_trained(run[1])
    return settings, streaming.run(trained, settings, large=trained)


def test_both_give_the_same(report):
    for case in report[1].cases:
        assert case.gain.difference < 1e-4
        assert case.gain.other_steps == 0


def test_nobody_waits_for_slots_without_a_frame(run):
    trained = evaluation.load_trained(run[1])
    frame = streaming.live(trained.config, 1, 1)[0]
    prepared = trained.prepare(frame.shape[1:3])
    # The streams that are not shown have not begun: their frame would take three steps.
    batches = LockStep(trained.model, prepared, rsf.FixedSchedule(3, 1), slots=2, rows=3)
    steps = [int(batches(np.zeros(1, np.int32), frame)[1].item()) for _ in range(2)]
    assert steps == [3, 1]
    assert batches.slot_steps == 2 * (3 + 1)


def test_throughput_and_useful_steps(report):
    cases, many = report[1].cases, report[1].many
    assert [(case.shown, case.frames) for case in cases] == [
        ("live", 20), ("clips", 25), ("live", 15),
    ]  # fmt: skip
    for case in cases:
        refilled, lock_step = case.throughput
        assert (refilled.name, lock_step.name) == ("refilled", "lock-step")
        assert refilled.mean_steps > 1
        # All streams have frames waiting, until the last ones of so few.
        assert 0.5 < refilled.useful_share <= 1
        assert 0 < lock_step.useful_share <= 1
        for row in case.throughput:
            assert 0 < row.slowest <= row.frames_per_second <= row.fastest
        assert 0 < case.gain.least <= case.gain.ratio <= case.gain.most
        # A batch runs as long as its slowest frame.
        assert case.gain.bound >= 1
    assert many.streams == 7
    assert many.mean_steps > 1


def test_latencies_are_of_the_same_arrivals(report):
    latency = report[1].latency
    assert [(row.load, row.name) for row in latency] == [
        (0.5, "refilled"), (0.5, "lock-step"), (2.0, "refilled"), (2.0, "lock-step"),
    ]  # fmt: skip
    assert latency[0].frames == latency[1].frames <= latency[2].frames
    for row in latency:
        for values in (row.lowest, row.milliseconds, row.highest, row.expected):
            assert 0 < values[50] <= values[95] <= values[99]
        assert row.lowest[50] <= row.milliseconds[50] <= row.highest[50]
        assert min(row.mean, row.expected_mean) > 0
    assert latency[0].mgc_mean > 0
    assert latency[2].mgc_mean == float("inf")  # more come than can be computed


def test_cameras_do_not_wait_for_ticks(report):
    waits = {wait.call: wait for wait in report[1].waits}
    assert list(waits) == ["submit", "has_room", "statistics"]
    for wait in waits.values():
        median, late, longest = wait.milliseconds
        assert 0 < median <= late <= longest
        assert wait.calls >= 8  # threads; on busy cores each has little time
        # Half of all calls would wait for most of a tick.
        assert median < wait.tick_milliseconds / 2


def test_it_is_saved_printed_and_drawn(report, tmp_path, capsys):
    settings, found = report
    saved = json.loads(streaming.save(tmp_path, settings, found).read_text())
    assert saved["settings"]["policy"] == str(POLICY)
    assert [case["shown"] for case in saved["cases"]] == ["live", "clips", "live"]
    assert set(saved["services"]) == {"refilled", "lock-step"}
    assert [wait["call"] for wait in saved["waits"]] == ["submit", "has_room", "statistics"]
    streaming.print_report(found)
    shown = capsys.readouterr().out
    assert f"{found.cases[0].gain.ratio:.2f}" in shown.replace("\n", " ")
    plot.save_latency(tmp_path / "latency.png", found.latency)
    assert matplotlib.image.imread(tmp_path / "latency.png").std() > 0
