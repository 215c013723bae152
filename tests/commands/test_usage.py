"""Commands by name, and what `--help` says of them."""

import os
import re
import subprocess
import sys

import launching
import pytest

from rsf_jax import commands


@pytest.fixture
def run(tmp_path):
    """Runs `python -m rsf_jax ARGUMENTS` in an empty folder."""

    def call(*arguments):
        command = [sys.executable, "-m", "rsf_jax", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return call


def test_every_command_is_a_script_too():
    for name in commands.names():
        script = (launching.ROOT / "launch" / f"{name}.py").read_text()
        assert f'commands.run("{name}")' in script


def test_without_a_name_commands_are_listed_with_what_they_do(run):
    done = run()
    assert done.returncode == 0
    for name in commands.names():
        assert re.search(rf"^  {name} +[A-Z]\w+", done.stdout, re.MULTILINE), name


def test_a_command_that_is_none_is_one_line(run):
    done = run("trian")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: 'trian' is no command: choose one of analyze, ")
    assert done.stderr.endswith("; did you mean 'train'?\n")


def test_an_installed_command_names_commands_as_it_was_called(run):
    found = run("calibrate", "--help")
    assert found.returncode == 0
    assert "python -m rsf_jax evaluate --workdir=runs/hard_s8f8 --policy=calibrated" in found.stdout
    assert "launch/" not in found.stdout


def test_help_begins_with_the_flags_of_the_command_and_ends_with_settings(tmp_path):
    done = launching.start(tmp_path, "calibrate", "--help").wait()
    assert done.returncode == 0
    titles = re.findall(r"^(\w.*):$", done.stdout, re.MULTILINE)
    assert titles[-3:] == [
        "Its own flags",
        "Which model and folder",
        "Settings; what the preset says unless given",
    ]
    own, model, settings = re.split(r"^\w.*:$", done.stdout, flags=re.MULTILINE)[-3:]
    assert "  --confidence=X\n    probability that the guarantee holds [0.95]" in own
    assert "--checkpoint=N" in own  # one that several commands have
    assert "  --candidates=all|halting|schedules|gates\n    kind of policies" in own
    assert "--workdir" in model
    assert "--config.learning_rate=X" in settings
    assert "--config." not in own + model


def test_a_flag_after_the_command_is_the_commands(run):
    done = run("describe", "--config=quickstart", "--json")
    assert done.returncode == 0, done.stderr
    assert '"quickstart"' in done.stdout
    done = run("describe", "--conflg=quickstart")
    assert done.returncode == 1
    assert done.stderr == "error: --conflg is no flag; did you mean --config?\n"


def test_help_waits_for_nothing_that_the_command_alone_needs():
    """Each command in a process of its own, which has imported what all of them need."""
    program = """
import os, sys
from rsf_jax import __main__, commands
from rsf_jax.commands import program
slow = {"PIL", "av", "grain", "matplotlib", "orbax", "tensorboardX", "tensorflow_datasets"}
slow |= {"optax", "rsf_jax.streaming", "rsf_jax.trained.model", "rsf_jax.training.loop"}
for name in commands.names():
    if os.fork():
        assert not os.wait()[1], name
        continue
    sys.argv = ["rsf", name, "--help"]
    try:
        __main__.main()
    except SystemExit as end:
        assert not end.code
    sys.exit(", ".join(slow & set(sys.modules)) or 0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_the_list_of_commands_needs_no_jax():
    program = """
import sys
from rsf_jax import __main__
sys.argv = ["rsf"]
__main__.main()
sys.exit(", ".join({"jax", "numpy"} & set(sys.modules)) or 0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_a_name_that_the_output_cannot_show_is_escaped():
    """A file may be called by any bytes: a table of results ended in a traceback."""
    script = (
        "import os\nfrom rsf_jax.commands import program\n"
        "program.run(lambda: print(os.fsdecode(b'caf\\xe9.mp4')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert (done.returncode, done.stdout) == (0, b"caf\\udce9.mp4\n"), done.stderr
