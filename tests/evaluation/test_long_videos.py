"""Tables and pictures of streams, which have more frames than a page."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rsf_jax.evaluation.sweep import print_sweep
from rsf_jax.evaluation.testing import print_results
from rsf_jax.figures.runs import save_predictions
from rsf_jax.scoring.speed import beginning, excerpt


@pytest.mark.parametrize(("frames", "together"), [(60, 2), (1000, 34)])
def test_a_row_is_the_mean_of_several_frames(run, capsys, monkeypatch, frames, together):
    monkeypatch.setenv("COLUMNS", "80")
    results = json.loads((run[1] / "results.json").read_text())
    scores = [frame / frames for frame in range(frames)]
    steps = [float(frame) for frame in range(frames)]
    scores[0] = None  # without a label
    scores[together : 2 * together] = [None] * together
    results["test"] |= {"miou_by_frame": scores, "steps_by_frame": steps}
    print_results(results)
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split("│")[1:4] for line in lines if "│ frames " in line]
    assert len(rows) == -(-frames // together) <= 30
    assert rows[0][0].strip() == f"frames 1 to {together}"
    assert float(rows[0][1]) == pytest.approx(np.mean(scores[1:together]), abs=0.001)
    assert float(rows[0][2]) == pytest.approx(np.mean(steps[:together]), abs=0.01)
    assert rows[1][1].strip() == "none"
    assert rows[-1][0].strip().endswith(f"to {frames}")


def test_of_a_long_video_some_frames_are_drawn(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(plt.Axes, "set_title", lambda axes, title, **_: titles.append(title))
    truth = np.zeros((1, 1000, 4, 4), bool)
    save_predictions(
        tmp_path / "long.png", np.zeros((1, 1000, 4, 4, 1)), truth, truth, np.ones((1, 1000))
    )
    numbers = [int(title.removeprefix("frame ")) for title in titles]
    assert len(numbers) == 16
    assert (numbers[0], numbers[-1]) == (1, 1000)
    assert np.ptp(np.diff(numbers)) <= 1
    assert plt.imread(tmp_path / "long.png").shape[1] < 4000


@pytest.mark.parametrize(("frames", "videos"), [(1, 8), (8, 8), (16, 8), (60, 2), (1000, 1)])
def test_of_long_videos_few_are_timed(frames, videos):
    given = np.zeros((20, frames, 1, 1, 1), np.uint8)
    timed = min(frames, 128)
    assert excerpt(given).shape[:2] == (videos, timed)
    assert beginning(given).shape[:2] == (20, timed)


def test_the_table_of_a_sweep_keeps_its_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    point = {
        "policy": "s3f1",
        "miou": 0.5,
        "steps": 1.002,
        "frames_per_second": 1000.0,
        "on_front": True,
        "steps_by_frame": [3.0] + [1.0] * 999,
    }
    print_sweep(
        {
            "preset": "quickstart",
            "training_schedule": "s3f1",
            "points": [point],
            "milliseconds": {},
            "videos": 2,
            "device": "cpu",
        }
    )
    table = capsys.readouterr().out
    (row,) = [line for line in table.splitlines() if "s3f1 *" in line]
    for text in ("0.500", "1.00", "1000", "3.0 1.0 1.0 1.0 1.0 1.0 1.0 ..."):
        assert text in row
