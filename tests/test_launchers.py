"""What a user who mistypes sees: one line, exit code 1, nothing lost."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _launch(name, *flags):
    environment = {**os.environ, "XLA_FLAGS": "", "COLUMNS": "100"}
    return subprocess.run(
        [sys.executable, f"launch/{name}.py", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


BAD = [
    ("train", [], "give --config=PRESET"),
    ("train", ["--config=hrd_s8f8"], "did you mean 'hard_s8f8'"),
    ("train", ["--config=hard_s0f0"], "slow >= fast >= 1"),
    ("train", ["--config=quickstart", "--config.slow_steps=0"], "config.slow_steps is 0"),
    ("train", ["--config=quickstart", "--config.learning_rate=nan"], "config.learning_rate is nan"),
    ("train", ["--config=quickstart", "quick"], "'quick' is not a flag"),
    (
        "train",
        ["--config=quickstart", "--workdir=/proc/none"],
        "--workdir=/proc/none cannot be written to",
    ),
    ("benchmark", ["--sections=step,speed"], "section 'speed' is unknown: choose among step"),
    ("benchmark", ["--batch_sizes=1,0"], "batch size '0' must be a whole number"),
    ("benchmark", ["--schedules=8"], "policy '8' is unknown"),
    ("evaluate", [], "give --config=PRESET, or --workdir"),
    ("evaluate", ["--workdir=/nowhere"], "no checkpoints in /nowhere: train first"),
    ("evaluate", ["--workdir=/nowhere", "--policy=s0f1"], "slow steps must be"),
    ("evaluate", ["--workdir=/nowhere", "--policy=8x2"], "policy '8x2' is unknown"),
]


@pytest.mark.parametrize(("launcher", "flags", "message"), BAD)
def test_mistakes_end_with_one_line(launcher, flags, message):
    done = _launch(launcher, *flags)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_misspelt_flags_are_corrected():
    done = _launch("train", "--config=quickstart", "--config.learning_rat=1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Did you mean: config.learning_rate" in done.stderr


def test_help_lists_every_setting():
    done = _launch("train", "--help")
    assert "--config.learning_rate" in done.stdout
    assert "recurrent steps on the first frame" in done.stdout
    assert "--workdir" in done.stdout
    assert re.search(r"--\[no\]config\.stateful", done.stdout)


def test_importing_the_library_is_quick_and_needs_no_tensorflow(tmp_path):
    code = (
        "import sys, time; start = time.process_time(); import jax, flax.linen, optax\n"
        "middle = time.process_time(); import rsf_jax; end = time.process_time()\n"
        "assert not {'tensorflow', 'tensorflow_datasets', 'matplotlib'} & set(sys.modules)\n"
        "assert end - middle < middle - start, (middle - start, end - middle)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
