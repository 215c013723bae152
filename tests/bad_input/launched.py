"""Runs a launcher on bad input, and checks all that is promised of its end."""

import launching
import pytest
from bad_cases import Launched, check_message, snapshot


@pytest.fixture
def ends_with_one_line(small_run, damaged_files, data_dir, tmp_path):
    """Checks a case: exit code, one line, no traceback, and no file anywhere that changed."""
    _, run = small_run
    places = {"run": run, "data": data_dir, "bad": damaged_files, "new": tmp_path / "new"}

    def check(case: Launched):
        before = snapshot(run, damaged_files, data_dir)
        flags = case.flags.format(**places).split()
        done = launching.start(tmp_path / "output", case.launcher, *flags).wait()
        assert done.returncode == 1, done.stderr
        prefix, _, message = done.stderr.removesuffix("\n").partition(": ")
        assert prefix == "error", done.stderr
        check_message(message, case.says)
        assert "Traceback" not in done.stdout
        assert snapshot(run, damaged_files, data_dir) == before
        assert snapshot(tmp_path / "new") == {}

    return check
