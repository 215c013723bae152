"""Where tables are printed: nothing is left out where there is no terminal."""

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
