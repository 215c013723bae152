"""The launcher of reuse: calibrates truncation of a trained network and tests it."""

import json

import filming
import grain
import jax
import launching
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax import experiment
from rsf_jax.calibration.reuse_trial import trial
from rsf_jax.data.dataset import Dataset
from rsf_jax.reuse import load_thresholds
from rsf_jax.trained.model import Trained


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


@pytest.mark.slow
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


def test_the_command_chooses_for_a_video_and_runs_on_it(feedforward, tmp_path):
    film = filming.film(tmp_path / "door, day.mp4", filming.scenes(8))
    flags = (f"--workdir={feedforward}", f"--input={film}", "--frame_size=12x40")
    launched = launching.start(tmp_path, "reuse", *flags, "--max_error=0.3").wait()
    assert launched.returncode == 0, launched.stderr
    path = feedforward / "reuse_thresholds.json"
    assert str(path) in launched.stdout
    out = tmp_path / "out"
    more = (f"--thresholds={path}", "--max_frames=3", "--write=json", f"--out={out}")
    launched = launching.start(tmp_path, "reuse", *flags, *more).wait()
    assert launched.returncode == 0, launched.stderr
    (told,) = json.loads((out / "reuse_videos.json").read_text())["inputs"]
    assert (len(told["work"]), len(told["error"])) == (3, 3)
    assert told["work"][0] == 1 >= told["work"][2] > 0
    assert len((out / "door, day.jsonl").read_text().splitlines()) == 3
    launched = launching.start(tmp_path, "reuse", *flags, "--max_miou_drop=0.1").wait()
    assert "--max_miou_drop is not used with --inputs: leave it out" in launched.stderr


def test_videos_count_whatever_class_is_labeled_in_them(tmp_path):
    config = rsf.get_config("quickstart_ff6").replace(channels=2, kernel_size=3, classes=3)
    model, frames = rsf.build_model(config), np.zeros((1, 1, 12, 12, 1), np.float32)
    trained = Trained(config, config, model, jax.jit(model.init)(jax.random.key(0), frames), 0)
    rng = np.random.default_rng(0)
    # In the last of them nothing is labeled, in the others classes 0 and 1 are not.
    videos = grain.MapDataset.source(
        [
            {
                "frames": rng.integers(0, 256, (2, 12, 12, 1)).astype(np.uint8),
                "masks": np.full((2, 12, 12), label, np.uint8),
            }
            for label in (*[2] * 9, 255)
        ]
    )
    results = trial(
        trained, Dataset(videos, videos, videos, videos, (12, 12)), tmp_path, max_drop=0.9
    )
    assert results["calibration_videos"] == 9


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


@pytest.mark.slow
def test_thresholds_are_chosen_for_a_video_without_labels(feedforward, tmp_path):
    film = filming.film(tmp_path / "door.mp4", filming.scenes(9))
    flags = (f"--workdir={feedforward}", f"--inputs={film}", "--max_error=0.3", "--max_frames=8")
    launched = launching.start(tmp_path, "reuse", *flags, "--frame_size=24x32").wait()
    assert launched.returncode == 0, launched.stdout + launched.stderr
    assert "outputs of different scenes deviate by" in launched.stdout
    path = feedforward / "reuse_thresholds.json"
    assert str(path.name) in launched.stdout
    assert json.loads(path.read_text())["held_out"]["error"] <= 0.3
    assert {"frame", "drive"} <= load_thresholds(path).keys()


def test_a_recurrent_model_is_named(run, tmp_path):
    launched = launching.start(tmp_path, "reuse", f"--workdir={run[1]}").wait()
    assert launched.returncode != 0
    assert "RecurrentModel looks at more than one frame" in launched.stderr
