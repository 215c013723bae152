"""The benchmark of streaming: both ways give the same, and what is measured of them."""

import json

import matplotlib.image
import pytest
from benchmarks import plot, streaming

import rsf_jax as rsf
from rsf_jax.evaluation import testing as evaluation

POLICY = rsf.DistanceHalting("l2", 1e-9, max_steps=5, rtol=0.05)


@pytest.fixture(scope="module")
def report(run):
    settings = streaming.Settings(
        POLICY, slots=2, streams=5, many=7, loads=(0.5, 2.0), seconds=0.1, tick_seconds=(0.05,)
    )
    return settings, streaming.run(evaluation.load_trained(run[1]), settings)


def test_both_give_the_same(report):
    assert report[1].difference < 1e-4
    assert report[1].other_steps == 0


def test_throughput_and_useful_steps(report):
    refilled, lock_step, many = report[1].throughput
    assert [row.streams for row in report[1].throughput] == [5, 5, 7]
    assert refilled.mean_steps == lock_step.mean_steps > 1
    # All streams have frames waiting, until the last ones of so few.
    assert 0.5 < refilled.useful_share <= 1
    assert 0 < lock_step.useful_share < 1
    assert min(row.frames_per_second for row in report[1].throughput) > 0
    assert many.mean_steps > 1


def test_latencies_are_of_the_same_arrivals(report):
    latency = report[1].latency
    assert [(row.load, row.name) for row in latency] == [
        (0.5, "refilled"), (0.5, "lock-step"), (2.0, "refilled"), (2.0, "lock-step"),
    ]  # fmt: skip
    assert latency[0].frames == latency[1].frames < latency[2].frames
    for row in latency:
        percentiles = [row.milliseconds[p] for p in (50, 95, 99)]
        assert 0 < percentiles[0] <= percentiles[1] <= percentiles[2]


def test_cameras_do_not_wait_for_ticks(report):
    waits = {wait.call: wait for wait in report[1].waits}
    assert list(waits) == ["submit", "has_room", "statistics"]
    for wait in waits.values():
        median, late, longest = wait.milliseconds
        assert 0 < median <= late <= longest
        assert wait.calls > 8
        # Half of all calls would wait for most of a tick.
        assert median < wait.tick_milliseconds / 2


def test_it_is_saved_printed_and_drawn(report, tmp_path, capsys):
    settings, found = report
    saved = json.loads(streaming.save(tmp_path, settings, found).read_text())
    assert saved["settings"]["policy"] == str(POLICY)
    assert len(saved["throughput"]) == 3
    assert [wait["call"] for wait in saved["waits"]] == ["submit", "has_room", "statistics"]
    streaming.print_report(found)
    shown = capsys.readouterr().out
    assert f"{found.throughput[0].frames_per_second:.1f}" in shown
    plot.save_latency(tmp_path / "latency.png", found.latency)
    assert matplotlib.image.imread(tmp_path / "latency.png").std() > 0
