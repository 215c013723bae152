"""The README says what is so: its commands are the ones that CI and users run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def _commands():
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line.split("   #")[0].strip() for block in blocks for line in block.splitlines()]


def test_ci_runs_the_test_command_to_the_letter():
    command = next(c for c in _commands() if c.endswith("python -m pytest"))
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_ci_deletes_nothing_and_ends_where_something_fails(tmp_path):
    """Tried with a `python3` that cannot make an environment."""
    script, mine = tmp_path / ".ci" / "run", tmp_path / ".venv" / "mine"
    for path in (script, mine, tmp_path / "bin" / "python3"):
        path.parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "run", script)
    mine.touch()
    (tmp_path / "bin" / "python3").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bin" / "python3").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", script], env=os.environ | {"PATH": path}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, b"")
    assert mine.exists()
