"""Tables in print: nothing is left out where there is no terminal, and no part of a name."""

import pytest
from rich.table import Table

from rsf_jax.console import table_console


@pytest.mark.parametrize(("columns", "is_whole"), [(None, True), ("60", False)])
def test_a_file_or_a_pipe_gets_all_figures(columns, is_whole, monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    table = Table(*(f"column {n}" for n in range(10)))
    table.add_row(*(f"{n}.12345678" for n in range(10)))
    table_console().print(table)
    shown = capsys.readouterr().out
    assert all(f"{n}.12345678" in shown for n in range(10)) == is_whole
    assert all(len(line) <= int(columns or 200) for line in shown.splitlines())


def test_names_in_brackets_are_no_markup(capsys):
    """As downloaded videos have them; "[/b]" ended in a traceback."""
    names = ["Title [dQ4].mp4", "[/b].mp4", ":b:.mp4"]
    table = Table(names[0], title=names[1])
    for name in names:
        table.add_row(name)
    table_console().print(table, *names)
    shown = capsys.readouterr().out
    assert [shown.count(name) for name in names] == [3, 3, 2]
