"""Records of benchmarks: the tables that were printed, and the command that made them."""

import json
import re
from pathlib import Path

import pytest
from benchmarks.record import command, machine, write_record
from rich.table import Table

LAUNCH = Path(__file__).parents[2] / "launch"


@pytest.fixture
def shown():
    table = Table(title="a | b", caption="below")
    table.add_column("")
    table.add_column("ms")
    table.add_row("this", "1.5")
    table.add_row("that", "2")
    return table


def test_a_record_has_the_tables_as_they_are_printed(tmp_path, shown):
    path = write_record(tmp_path / "a.json", [shown], rows=[1, 2])
    found = json.loads(path.read_text())
    assert found["tables"] == [
        {
            "title": "a | b",
            "headings": ["", "ms"],
            "rows": [["this", "1.5"], ["that", "2"]],
            "caption": "below",
        }
    ]
    assert found["rows"] == [1, 2]
    assert found["machine"] == machine()
    assert found["command"].startswith("python launch/")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--seconds=2 --sizes=8x8", "--seconds=2 --sizes=8x8"),
        ("--workdir=/home/me/run --seconds=2", "--seconds=2"),
        ("-workdir=/home/me/run", ""),
        ("--workdir /home/me/run --seconds 2", "--seconds 2"),
        ("--config.data_dir /data --config=easy_ff6", "--config=easy_ff6"),
    ],
)
def test_a_command_is_told_without_places_of_this_machine(given, told):
    line = command(["/home/me/launch/benchmark_unet.py", *given.split()])
    assert line == f"python launch/benchmark_unet.py {told}".strip()


def test_benchmarks_write_no_other_files_of_json():
    """What is written past the record has no command, and no table on the page."""
    for path in sorted((LAUNCH / "benchmarks").glob("*.py")):
        if path.name != "record.py":
            assert not re.search(r"\bwrite_json\b", path.read_text()), path.name
