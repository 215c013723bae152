"""Requirements follow pyproject.toml, and nothing is fetched at run time."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

_OFFLINE = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    assert "unreachable" in str(error), error  # at once: there is no network to wait for
from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig
import dataclasses, pathlib, sys
from t_pathfinder.subsets import SUBSETS
import rsf_jax as rsf
from rsf_jax import experiment
folder = pathlib.Path(sys.argv[1])
subset = dataclasses.replace(
    SUBSETS["quickstart"], train_videos=8, test_videos=2, calibration_videos=1
)
Builder(config=SubsetConfig(name="few", subset=subset), data_dir=folder).download_and_prepare()
experiment.run(
    rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/few", data_dir=str(folder), channels=2, kernel_size=3,
        batch_size=4, epochs=1, eval_batch_size=2, validation_share=0.2, slow_steps=1,
    ),
    folder / "run",
)
"""


def _requirements(name):
    for line in (ROOT / name).read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line and not line.startswith("-"):
            yield Requirement(line)


def test_the_ranges_are_those_of_pyproject():
    """If not: python tools/requirements.py."""
    made = runpy.run_path(str(ROOT / "tools" / "requirements.py"))["ranges"]()
    assert (ROOT / "requirements.txt").read_text() == made


def test_every_locked_version_is_within_its_range():
    locked = {
        canonicalize_name(r.name): str(r.specifier) for r in _requirements("requirements.lock")
    }
    assert all(re.fullmatch(r"==\S+", version) for version in locked.values())
    for wanted in _requirements("requirements.txt"):
        linux = {"sys_platform": "linux", "platform_machine": "x86_64"}
        if wanted.marker is None or wanted.marker.evaluate(linux):
            version = locked[canonicalize_name(wanted.name)].removeprefix("==")
            assert wanted.specifier.contains(version), (wanted, version)


@pytest.mark.slow
def test_data_are_built_and_a_model_is_trained_without_a_network(tmp_path):
    command = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"]).returncode:
        pytest.skip("this system does not let one take the network away from a process")
    script = tmp_path / "offline.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'datasets')!r})\n{_OFFLINE}")
    ran = subprocess.run(
        [*command, sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "run" / "results.json").exists()
