"""The benchmark measures what it says; how fast that is, no test asks."""

import dataclasses
import json
import time

import pytest
from benchmarks import memory, plot, suite

import rsf_jax as rsf
from rsf_jax.measures import timing
from rsf_jax.measures.timing import Case, time_in_turns

CONFIG = rsf.get_config("quickstart").replace(channels=2, kernel_size=5, slow_steps=2)
SETTINGS = suite.Settings(
    CONFIG, (rsf.FixedSchedule(2, 1),), (2,), side=8, frame_count=2, seconds=0.0, torch=False
)


def test_times_are_per_unit_and_cases_take_turns(monkeypatch):
    monkeypatch.setattr(timing, "TURN", 0.0)
    order = []

    def wait(name, seconds):
        order.append(name)
        time.sleep(seconds)

    timings = time_in_turns(
        {"short": Case(lambda: wait("short", 0.01)), "long": Case(lambda: wait("long", 0.04), 2)},
        0.0,
    )
    assert order == ["short", "long"] * 4  # one round does not count
    assert timings["short"].calls == 3
    assert 0.01 <= timings["short"].best <= timings["short"].median
    assert timings["long"].best >= 0.02


@pytest.fixture(scope="module")
def rows():
    sections = ("step", "frame", "video", "training", "stream")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "PAUSE", 0.0)  # nobody else is there
        return suite.run(dataclasses.replace(SETTINGS, sections=sections))


@pytest.mark.slow
def test_every_section_measures_its_cases(rows):
    names = {s: [(r.group, r.name) for r in rows if r.section == s] for s in suite.SECTIONS}
    assert names["step"] == [("batch 2", m) for m in ("fft", "direct")]
    assert names["frame"] == [("batch 2", "1 steps"), ("batch 2", "2 steps")]
    assert names["video"] == [("batch 2", "s2f1")]
    remat = ["remat none", "remat step", "remat sqrt"]
    assert [n for g, n in names["training"] if g == "batch 2"] == remat
    assert names["stream"] == [("s2f1", "s2f1")]
    assert all(row.value >= row.best > 0 for row in rows)


def test_results_are_written_with_the_machine(rows, tmp_path):
    saved = json.loads(suite.save(tmp_path, SETTINGS, rows).read_text())
    assert saved["machine"]["jax"]
    assert saved["settings"]["config"]["channels"] == 2
    assert saved["rows"][0]["unit"] == "ms"
    assert len(saved["rows"]) == len(rows)


def test_a_missing_comparison_is_named_and_a_present_one_gives_ratios():
    row = suite.Row("step", "batch 1", "fft", 2.0, "ms")
    assert "pip install torch" in str(suite.table("step", [row]).caption)
    theirs = suite.Row("step", "batch 1", "PyTorch", 10.0, "ms", ratio=1.0)
    assert suite.table("step", [dataclasses.replace(row, ratio=5.0), theirs]).caption is None


def test_growth_is_drawn(tmp_path):
    rows = [
        suite.Row("growth", f"{quantity} {x}", method, float(x), "ms")
        for quantity in ("kernel", "side", "batch")
        for x in (1, 4)
        for method in ("fft", "direct")
    ]
    plot.save_growth(tmp_path / "growth.png", rows)
    assert (tmp_path / "growth.png").stat().st_size > 1000


def test_peak_memory_is_that_of_a_process():
    usage = memory.measure(CONFIG, (1, 2, 8))
    assert 1e8 < usage.peak_bytes < 4e9
    assert usage.temporary_bytes > 0
    assert usage.seconds > 0
