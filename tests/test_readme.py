"""The README says what is so: its commands are the ones that CI and users run."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import jax

import rsf_jax as rsf

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


def test_every_preset_and_setting_named_exists():
    for name in re.findall(r"launch/\w+\.py --config=(\w+)", README):
        rsf.get_config(name)
    named = re.findall(r"(?:--pretrained=|load_pretrained\(\")(\w+)[ \n\"]", README)
    assert named
    assert set(named) <= set(rsf.pretrained_names()) | {"NAME"}
    fields = set(rsf.Config.__dataclass_fields__)
    assert set(re.findall(r"--config\.(\w+)", README)) <= fields


def test_every_file_named_exists():
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
    titles = re.findall(r"^#+ (.+)", README, re.MULTILINE)
    # As GitHub makes them: without punctuation.
    places = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= places
    for launcher in re.findall(r"python (launch/\w+\.py)", README):
        assert (ROOT / launcher).exists(), launcher


def test_the_notebook_example_runs():
    code = re.search(r"```python\n(import jax.*?)```", README, re.DOTALL)[1]
    scope = {}
    exec(code.replace("128, 128", "16, 16"), scope)
    assert scope["trajectory"].shape == (2, 8, 8, 16, 16, 25)
    assert scope["out"].steps.shape == (2, 8)
    assert isinstance(scope["frames"], jax.Array)
