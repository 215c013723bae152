"""What is measured of the released files, on files whose geometry is known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from t_pathfinder.generator import video
from t_pathfinder.subsets import SUBSETS
from t_pathfinder_released.measure import measure
from t_pathfinder_released.summary import summarize

DATASETS = Path(__file__).parents[2] / "datasets"


def _videos(name, count):
    subset = SUBSETS[name]
    return [video(subset.settings, subset.seed, index) for index in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four videos of `easy` in the authors' layout."""
    folder = tmp_path_factory.mktemp("released")
    (folder / "dataset_config.json").write_text(json.dumps({"n_frames": 6}))
    (folder / "test_vid_id_list.txt").write_text("0\n1\n2\n3\n")
    for kind in ("imgs", "gt"):
        (folder / kind / "1").mkdir(parents=True)
    for number, made in enumerate(_videos("easy", 4)):
        for t, (frame, mask) in enumerate(zip(made["frames"], made["masks"])):
            for kind, pixels in (("imgs", frame[..., 0]), ("gt", mask * 255)):
                Image.fromarray(pixels).save(folder / kind / "1" / f"{number}_{t}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "pitch", "length"), [("easy", 5, 2.75), ("easy72", 6, 3.5), ("easyv1", 13, 5)]
)
def test_pitch_and_dashes_are_those_that_were_drawn(name, pitch, length):
    found = [(measure(v["masks"][0] > 0), v["lengths"][0, 0]) for v in _videos(name, 8)]
    # Straight lines between the middles of a curve are a little shorter than it.
    pitches = np.concatenate([dashes.pitches for dashes, _ in found])
    assert 0.95 * pitch < np.median(pitches) < 1.01 * pitch
    lengths = np.concatenate([dashes.lengths for dashes, _ in found])
    assert length < np.median(lengths) < length + 0.6
    widths = np.concatenate([dashes.widths for dashes, _ in found])
    assert 1.5 < np.median(widths) < 2.3
    assert np.mean([len(d.lengths) for d, _ in found]) == pytest.approx(10, abs=0.2)


def test_a_rectangle_has_its_own_sides():
    mask = np.zeros((20, 20), bool)
    mask[2:4, 3:10] = mask[12:14, 3:10] = True
    dashes = measure(mask)
    np.testing.assert_allclose(dashes.lengths, [7, 7])
    np.testing.assert_allclose(dashes.widths, [2, 2])
    np.testing.assert_allclose(dashes.pitches, [10])


def test_a_mask_without_dashes_and_one_with_a_single_pixel():
    assert len(measure(np.zeros((5, 5), bool)).lengths) == 0
    one = measure(np.eye(1, 9, 4, dtype=bool).reshape(3, 3))
    assert (one.lengths, one.widths, len(one.pitches)) == (1, 1, 0)


def test_the_summary_says_the_pitch(folder):
    text = summarize(folder, "test", 3)
    title, _, *lines = text.splitlines()
    assert title == "| test, 3 videos |  |"
    rows = dict(line.strip("| ").split(" | ") for line in lines)
    assert rows["frames, size"] == "6, 128x128"
    assert rows["dashes of the target, by frame"].startswith("10.00, ")
    pitch = float(rows["from dash to dash (px): median, quartiles"].split(",")[0])
    assert 4.75 < pitch < 5.05
    assert 0.3 < float(rows["target, share of the ink"]) < 0.6


def test_a_folder_without_files_is_told_in_one_line(tmp_path):
    command = [sys.executable, "-m", "t_pathfinder_released.summary", f"--folder={tmp_path}"]
    done = subprocess.run(command, cwd=DATASETS, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "dataset_config.json: missing" in done.stderr
    assert "Traceback" not in done.stderr
