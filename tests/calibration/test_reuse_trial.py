"""The launcher of reuse: calibrates truncation of a trained network and tests it."""

import json

import launching
import pytest

import rsf_jax as rsf
from rsf_jax import experiment


@pytest.fixture(scope="module")
def feedforward(data_dir, tmp_path_factory):
    config = rsf.get_config("quickstart_ff6").replace(
        dataset="t_pathfinder/tiny",
        data_dir=str(data_dir),
        channels=3,
        kernel_size=3,
        batch_size=8,
        eval_batch_size=4,
        devices=1,
    )
    workdir = tmp_path_factory.mktemp("feedforward")
    experiment.run(config, workdir)
    return workdir


def test_thresholds_are_found_and_tested(feedforward, tmp_path):
    flags = (f"--workdir={feedforward}", "--max_miou_drop=0.4", "--method=residual", "--videos=9")
    launched = launching.start(tmp_path, "reuse", *flags).wait()
    assert launched.returncode == 0, launched.stdout + launched.stderr
    results = json.loads((feedforward / "reuse.json").read_text())
    assert results["calibration_videos"] == 9
    assert results["method"] == "residual"
    dense, exact, truncated = results["test"]
    assert exact["miou"] == pytest.approx(dense["miou"], abs=1e-3)
    assert 0 < truncated["multiply_adds"] <= exact["multiply_adds"] <= dense["multiply_adds"]
    assert results["scale"] in [candidate["scale"] for candidate in results["tested"]]
    assert truncated["name"] in launched.stdout
    for name, threshold in results["thresholds"].items():
        assert threshold >= 0, name
    assert list(results["thresholds"])[:2] == ["frame", "drive"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--max_miou_drop=2",), "max_drop is 2.0: it must be between 0 and 1"),
        (
            ("--max_miou_drop=0.001",),
            "no threshold can be guaranteed to keep the score within",
        ),
    ],
)
def test_what_cannot_be_guaranteed_is_named(feedforward, tmp_path, flags, message):
    launched = launching.start(tmp_path, "reuse", f"--workdir={feedforward}", *flags).wait()
    assert launched.returncode != 0
    assert message in launched.stderr
    assert "Traceback" not in launched.stderr


def test_a_recurrent_model_is_named(run, tmp_path):
    launched = launching.start(tmp_path, "reuse", f"--workdir={run[1]}").wait()
    assert launched.returncode != 0
    assert "RecurrentModel looks at more than one frame" in launched.stderr
