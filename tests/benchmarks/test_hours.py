"""Hours of a training are those of its videos, each as long as one that is timed."""

import json

import pytest
from benchmarks import hours

import rsf_jax as rsf


def test_hours_are_those_of_all_videos():
    row = hours.Row("a", 7200, 2.5)
    assert row.core_hours == 5.0


def test_videos_are_those_of_the_recipe(tmp_path):
    config = rsf.get_config("quickstart_s1f1").replace(
        channels=2, kernel_size=3, epochs=3, validation_share=0.25
    )
    row = hours.row_of("mine", config, 1)
    assert row.videos == round(0.75 * 12000) * 3
    assert row.seconds > 0
    saved = json.loads(hours.save(tmp_path, [row]).read_text())
    assert saved["rows"] == [
        {
            "preset": "mine",
            "videos": row.videos,
            "seconds": pytest.approx(row.seconds),
            "core_hours": pytest.approx(row.core_hours),
        }
    ]
    assert saved["tables"][0]["rows"][0][:2] == ["`mine`", f"{row.videos:,}"]
