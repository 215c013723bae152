"""The `tfds build` command line, as users type it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TFDS = Path(sys.executable).with_name("tfds")


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        ("datasets", ["t_pathfinder/quickstart"]),
        (".", ["datasets/t_pathfinder", "--config=quickstart"]),
    ],
)
def test_tfds_builds_it_by_name_and_by_path(folder, arguments, tmp_path):
    done = subprocess.run(
        [TFDS, "build", *arguments, "--max_examples_per_split=3"],
        cwd=ROOT / folder,
        env={**os.environ, "TFDS_DATA_DIR": str(tmp_path), "T_PATHFINDER_WORKERS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    built = {p.name for p in (tmp_path / "t_pathfinder" / "quickstart").glob("*/*")}
    assert {
        "t_pathfinder-train.array_record-00000-of-00001",
        "t_pathfinder-test.array_record-00000-of-00001",
        "t_pathfinder-calibration.array_record-00000-of-00001",
    } <= built
