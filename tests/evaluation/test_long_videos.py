"""Tables and pictures of streams, which have more frames than a page."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rsf_jax.evaluation.testing import print_results
from rsf_jax.figures.runs import save_predictions


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
