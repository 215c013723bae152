"""The page of results has the tables of recorded benchmarks."""

import json

import pytest
from reproduction import speed_page

import rsf_jax as rsf

MACHINE = {
    "device": "1 x cpu",
    "processor": "A Processor",
    "cores": "2",
    "jax": "1.2",
    "torch": "not installed",
    "xla_flags": "",
}


def test_tables_stand_below_their_command(tmp_path):
    folder = tmp_path / speed_page.FOLDER
    folder.mkdir()
    table = {"title": "Times", "headings": ["", "ms"], "rows": [["a|b", "1"]], "caption": "Below"}
    record = {"command": "python launch/x.py --y=1", "machine": MACHINE, "tables": [table]}
    (folder / "one.json").write_text(json.dumps(record))
    head, one = speed_page.sections(tmp_path)
    assert head.startswith("## Speed\n")
    assert one == (
        "### one\n\n`python launch/x.py --y=1` (2 cores, A Processor, JAX 1.2)\n\nTimes.\n\n"
        "|  | ms |\n| --- | --- |\n| a\\|b | 1 |\n\nBelow.\n"
    )


def test_without_records_there_is_no_section(tmp_path):
    assert speed_page.sections(tmp_path) == []


def test_a_damaged_record_is_named(tmp_path):
    folder = tmp_path / speed_page.FOLDER
    folder.mkdir()
    (folder / "one.json").write_text("{")
    with pytest.raises(rsf.InputError, match=r"one\.json"):
        speed_page.sections(tmp_path)


@pytest.mark.parametrize(
    "record",
    [
        {"command": "python launch/x.py", "machine": MACHINE},
        {"tables": []},
        {"command": "", "machine": MACHINE, "tables": ["none"]},
        [],
    ],
)
def test_a_record_of_another_version_is_named(record, tmp_path):
    folder = tmp_path / speed_page.FOLDER
    folder.mkdir()
    (folder / "old.json").write_text(json.dumps(record))
    with pytest.raises(rsf.InputError, match=r"old\.json is no record of a benchmark .* measure"):
        speed_page.sections(tmp_path)
