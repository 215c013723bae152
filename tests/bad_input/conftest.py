"""A small run, and files that are damaged in many ways."""

import json
import shutil

import launching
import pytest
from bad_cases import Launched, check_message, snapshot

SWEEP = {"training_schedule": "s1f1", "points": [{"policy": "s1f1", "miou": 0.5, "steps": 1.0}]}
# Texts of files that are not what they seem.
FILES = {
    "empty.mp4": "",
    "notes.mp4": "no video",
    "notes.pt": "no weights",
    "notes.safetensors": "no weights",
    "a_file": "where a folder should be",
    "sweep.json": json.dumps(SWEEP),
    "points.json": json.dumps({**SWEEP, "points": 3}),
    "point.json": json.dumps({**SWEEP, "points": [{"policy": "s1f1"}]}),
    "list.json": "[1]",
    "cut.json": json.dumps(SWEEP)[:40],
    "exits.py": "import sys\nsys.exit(3)\n",
    "syntax.py": "def (:\n",
    "raises.py": "\nraise ValueError('one\\ntwo')\n",
    "nothing.py": "x = 1\n",
    "other_results/results.json": json.dumps({"preset": "quickstart"}),
    "cut_results/results.json": '{"preset": ',
    "no_images/notes.txt": "no image",
}


@pytest.fixture(scope="session")
def small_run(data_dir, tmp_path_factory):
    """A run of no updates: what there is to test."""
    from configs import tiny_config

    import rsf_jax as rsf
    from rsf_jax.training.checkpoints import Checkpoints
    from rsf_jax.training.state import build_optimizer, create_state

    config = tiny_config(data_dir)
    state = create_state(rsf.build_model(config), build_optimizer(config, 1), 0, (16, 16))
    folder = tmp_path_factory.mktemp("small_run")
    with Checkpoints(folder, create=True) as checkpoints:
        checkpoints.save(state, config)
    return config, folder


@pytest.fixture(scope="session")
def damaged_files(small_run, tmp_path_factory):
    """A folder of damaged files."""
    folder = tmp_path_factory.mktemp("bad")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "bytes.py").write_bytes(b"\xff\xfe\x00")
    for name in ("flipped", "no_checkpoint", "bad_policy"):
        shutil.copytree(small_run[1], folder / name)
    saved = max((folder / "flipped/checkpoints/0/variables").rglob("*"), key=_size)
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    shutil.rmtree(folder / "no_checkpoint/checkpoints/0")
    (folder / "bad_policy/policy.json").write_text('{"policy": "s1f1"}')
    return folder


@pytest.fixture
def ends_with_one_line(small_run, damaged_files, data_dir, tmp_path):
    """Checks a case: exit code, one line, no traceback, and no file that changed."""
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


def _size(path):
    return path.stat().st_size if path.is_file() else 0
