"""The benchmark of live video against a file: both are analyzed, each in a process of its own."""

import json
import shutil

import launching
import pytest


@pytest.mark.slow
def test_a_file_and_the_same_live_are_measured(run, tmp_path):
    workdir = shutil.copytree(run[1], tmp_path / "run")
    flags = (f"--workdir={workdir}", "--sizes=32x48", "--seconds=2", "--policy=s1f1")
    launched = launching.start(tmp_path, "benchmark_video", *flags).wait()
    assert launched.returncode == 0, launched.stdout + launched.stderr
    (found,) = json.loads((workdir / "video_speed.json").read_text())["videos"]
    file, live = found["file"], found["live"]
    assert file["analyzed"] == file["read"] == file["drawn"] == 50
    assert 10 <= live["analyzed"] <= live["read"] <= 50
    assert file["problem"] == live["problem"] == ""
    assert min(file["megabytes"], live["megabytes"]) > 50  # Python and JAX alone have more
    assert 0 < found["share"] <= 1
    assert "48x32" in launched.stdout
