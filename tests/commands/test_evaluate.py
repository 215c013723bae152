"""The command `evaluate`, where its own flags decide something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The usual policies are many, each a program to compile: one stands for them.
_ONE_FOR_ALL = """
import sys
from rsf_jax import FixedSchedule, commands
from rsf_jax.evaluation import sweep
sweep.default_policies = lambda config: [FixedSchedule(1, 1)]
commands.run("evaluate")
"""


def test_a_sweep_without_policies_is_of_the_usual_ones(run, tmp_path):
    workdir = shutil.copytree(run[1], tmp_path / "run")
    command = [sys.executable, "-c", _ONE_FOR_ALL, f"--workdir={workdir}", "--sweep", "--videos=2"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 of 1: s1f1" in done.stdout
