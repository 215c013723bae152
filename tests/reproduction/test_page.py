import dataclasses
from pathlib import Path

import pytest
from reproduction import paper
from reproduction.page import write_page

import rsf_jax as rsf
from rsf_jax.json_files import write_json
from rsf_jax.trained.records import Record, Result, plain_config

ROOT = Path(__file__).parents[2]
MACHINE = ("device", "processor", "cores", "jax", "torch")
HOURS = {
    "command": "python launch/benchmark_hours.py",
    "machine": dict.fromkeys(MACHINE, "some"),
    "tables": [],
    "rows": [
        {"preset": "easy_s4f4", "core_hours": 1234.4},
        {"preset": "hard_s8f2", "core_hours": 5.0},
    ],
}


def _record(preset, seed, tests, **changes):
    return Record(
        config=plain_config(rsf.get_config(preset).replace(seed=seed, **changes)),
        version="1.1.0",
        parameters=1234,
        update=10,
        updates=20,
        epochs=100.0 if tests else 12.5,
        seconds=5400.0,
        hardware="a device",
        jax="0.0",
        validation={"loss": 0.1, "miou": 0.4321},
        frame_size=[128, 128],
        class_names=["0", "1"],
        colors=[[0, 0, 0], [1, 1, 1]],
        tests={p: Result(miou, [miou], [steps], 50.0, 9) for p, (miou, steps) in tests.items()},
    )


def _on_two_cores(preset, tests, updates, **changes):
    record = _record(preset, 0, tests, batch_size=8, updates=updates, **changes)
    size = 64 if "64" in preset else 128
    return dataclasses.replace(
        record, updates=updates, frame_size=[size, size], hardware="2 cores, a processor"
    )


@pytest.fixture
def lines(tmp_path):
    """The lines of a page of some runs."""
    halting = {"s8f8": (0.8, 8.0), "l2:0.8:12": (0.75, 6.25)}
    records = [
        _record("easy_s6f1", 0, {"s6f1": (0.98, 1.8)}),
        _record("easy_s6f1", 1, {"s6f1": (0.96, 1.8)}),
        _record("easy_s6f1", 0, {"s6f1": (0.5, 1.8)}, channels=4),
        _record("hard_s8f8", 0, halting),
        _record("hard_s8f2", 0, {}),
        _record("quickstart", 0, {"s3f1": (0.9, 1.4), "s3f3": (0.7, 3.0)}),
    ]
    named = {str(number): record for number, record in enumerate(records)} | {
        "small": _on_two_cores("hard64_mixed8", {}, updates=700, schedules="s8f8,s8f2"),
        "large": _on_two_cores(
            "hard_mixed8",
            {"s8f2": (0.6, 2.75), "l1:0.9:12": (0.65, 4.0), "s9f9": (0.5, 9.0)},
            updates=100,
            init_from="/runs/small",
        ),
    }
    for name, record in named.items():
        write_json(tmp_path / f"{name}.json", record)
    (tmp_path / "benchmarks").mkdir()
    write_json(tmp_path / "benchmarks" / "hours.json", HOURS)
    write_page(tmp_path, tmp_path / "RESULTS.md")
    return (tmp_path / "RESULTS.md").read_text().splitlines()


def _line(lines, *begin):
    start = "| " + " | ".join(begin) + " |"
    (found,) = [line for line in lines if line.startswith(start)]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_seeds_are_averaged_beside_the_papers_figure(lines):
    assert _line(lines, "`easy_s6f1`", "s6f1")[2:] == [
        ".992",
        ".970 ± .014 (2 seeds)",
        "342",
        "50",
        "100 of 100 epochs, 1.5 h",
        "a device",
    ]


def test_halting_is_shown_with_its_steps(lines):
    assert _line(lines, "`hard_s8f8`", "l2:0.8:12")[2:4] == [
        ".780 at 6.7 steps",
        ".750 (1 seed) at 6.2 steps",
    ]


def test_what_was_not_run_says_so(lines):
    assert _line(lines, "`easy_s4f4`", "s4f4")[2:5] == [
        ".994",
        "not run: 1,234 core hours",
        "164",
    ]
    assert _line(lines, "`easy_s2f2`", "s2f2")[3] == "not run"
    assert _line(lines, "`hard_s8f8`", "l1:0.9:12")[3] == "not run"
    unfinished = "unfinished: 12.5 of 100 epochs, validation .432"
    assert _line(lines, "`hard_s8f2`", "s8f2")[3] == unfinished


def test_another_recipe_is_a_line_of_its_own_below_the_papers(lines):
    assert (
        _line(lines, "`hard_s8f2`", "s8f2")[3] == "unfinished: 12.5 of 100 epochs, validation .432"
    )
    recipe = "hard64 64x64 with mixed schedules, then hard 128x128 with mixed schedules"
    assert _line(lines, "- `large`", "s8f2")[2:] == [
        "",
        ".600 (1 seed)",
        "",
        "50",
        f"{recipe}: 6,400 videos, 6.0 core hours",
        "2 cores, a processor",
    ]
    assert _line(lines, "- `large`", "l1:0.9:12")[3] == ".650 (1 seed) at 4.0 steps"
    (below,) = (n for n, line in enumerate(lines) if line.startswith("| - `large` | s8f2 |"))
    assert lines[below - 1].startswith("| `hard_s8f2` | s8f2 |")


def test_what_the_paper_was_not_tested_with_is_listed_apart(lines):
    (line,) = [x for x in lines if x.startswith("| `hard_mixed8 ")]
    assert "| s9f9 | .500 (1 seed) |" in line
    (unfinished,) = [x for x in lines if x.startswith("| `hard64_mixed8 ")]
    assert "unfinished: 700 of 700 updates, validation .432" in unfinished


def test_runs_with_other_settings_are_listed_apart(lines):
    assert _line(lines, "`easy_s6f1 channels=4`", "s6f1")[2] == ".500 (1 seed)"
    assert _line(lines, "`quickstart`", "s3f3")[2:6] == [".700 (1 seed)", "3.00", "50", "1,234"]


def test_every_row_of_the_paper_is_there_once(lines):
    rows = [row for table in paper.TABLES.values() for row in table]
    tables = lines[: lines.index("## Other runs")]
    for row in rows:
        shown = [line for line in tables if line.startswith(f"| `{row.preset}` |")]
        assert len(shown) == sum(other.preset == row.preset for other in rows)
    assert paper.presets()[:2] == ["easy_s6f1", "hard_s8f8"]


def test_the_page_in_the_repository_is_made_of_its_records(tmp_path):
    write_page(ROOT / "docs" / "records", tmp_path / "RESULTS.md")
    assert (tmp_path / "RESULTS.md").read_text() == (ROOT / "RESULTS.md").read_text()


def test_a_page_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(rsf.InputError, match=r"cannot be written to .*R\.md: No such file"):
        write_page(tmp_path, tmp_path / "nowhere" / "R.md")
