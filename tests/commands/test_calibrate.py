"""The command calibrate on streams and clips, and evaluate on what it found."""

import json
import shutil

import filming
import launching
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def launch(run, tmp_path):
    """Runs a command on a copy of the small run; returns what it has printed."""
    workdir = shutil.copytree(run[1], tmp_path / "run")

    def call(name, *flags):
        done = launching.start(tmp_path, name, f"--workdir={workdir}", *flags).wait()
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split()), json.loads((workdir / "policy.json").read_text())

    return call


def test_a_policy_is_calibrated_on_streams_and_checked(launch):
    policies = "--policies=gate:0.0023:0.046+s1f1,s3f1"
    said, found = launch(
        "calibrate",
        *("--max_disagreement=0.95", "--confidence=0.5", "--streams", "--length=10", policies),
    )
    assert found["units"] == {"kind": "streams", "length": 10, "seed": 0, "composed": True}
    assert found["reference"] == "gate:0.0:0.046+s3f1"
    assert "the expected disagreement with the reference gate:0.0:0.046+s3f1 is at most" in said
    said, _ = launch("evaluate", "--policy=calibrated")
    assert "Guaranteed: disagreement with the reference at most 0.95, in the mean over str" in said
    assert "5 test streams:" in said


def test_a_policy_is_calibrated_on_ones_own_video_and_checked(launch, tmp_path):
    films = [filming.film(tmp_path / f"door, {n}.mp4", filming.scenes(20)) for n in range(2)]
    said, found = launch(
        "calibrate",
        *("--max_disagreement=0.95", "--confidence=0.5", "--reference=s4f4", "--policies=s2f2"),
        *(f"--input={films[0]}", "--length=4", "--gap=1"),
    )
    assert (found["units"]["kind"], found["calibration_videos"]) == ("clips", 3)
    assert "like these: 1 less the IoU of what both make of a frame" in said
    said, _ = launch("evaluate", "--policy=calibrated", f"--input={films[1]}")
    assert "4 test clips: 0." in said
    out = (f"--out={tmp_path / 'out'}", "--write=json", f"--input={films[1]}")
    said, _ = launch("stream", "--policy=calibrated", "--watch=1", *out)
    assert "20 frames were compared with the reference: they disagree by 0." in said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["statistics"]["shadows"] == 20
    assert "test videos" not in said
