"""The benchmark of live streams: every case computes the steps of its policy."""

import json

import pytest
from benchmarks import live_speed
from rich.console import Console

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation.live import score_streams, streams_to_test


@pytest.mark.slow
def test_cases_are_timed_on_the_same_streams(run, tmp_path, capsys):
    trained = rsf.load_trained(run[1])
    gate = rsf.parse_policy("gate:0.0023:0.046+s2f1")
    cases = [
        live_speed.Case(gate),
        live_speed.Case(rsf.FixedSchedule(2, 2)),
        live_speed.Case(rsf.FixedSchedule(2, 1), stateful=False),
    ]
    settings = {"streams": 3, "frames": 7, "slots": 2, "turns": 1}
    found = live_speed.run(trained, cases, **settings)
    streams = streams_to_test(open_dataset(trained.config).test, 3, 7)
    (scored,) = score_streams(trained, streams, [gate])
    assert [speed.steps for speed in found] == pytest.approx([scored.steps, 2.0, 8 / 7])
    assert 0 < scored.steps < 2
    assert all(speed.milliseconds > 0 and speed.frames_per_second > 0 for speed in found)
    saved = json.loads(live_speed.save(tmp_path, found, settings).read_text())
    assert [row["name"] for row in saved["speeds"]] == [
        "gate:0.0023:0.046+s2f1", "s2f2", "s2f1, stateless",
    ]  # fmt: skip
    assert saved["settings"] == settings
    Console().print(live_speed.table(found))
    assert "s2f1, stateless" in capsys.readouterr().out
