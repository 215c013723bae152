"""What comes before the first update: each part is measured, and written."""

import json

import pytest
from benchmarks import starting
from configs import tiny_config


@pytest.mark.slow
def test_every_part_is_measured_and_written(tmp_path, capsys):
    config = tiny_config(channels=2, slow_steps=1, fast_steps=1)
    rows = starting.run(config, sides=(8, 9), frame_count=1, updates=2)
    assert [row.name for row in rows] == [
        "first weights, by jax.jit(model.init)",
        "first weights",
        *("update: traced", "update: lowered", "update: compiled", "update", "update"),
        "call of a live frame",
    ]
    assert all(row.processor > 0 and row.seconds > 0 for row in rows)
    assert "update: compiled" in capsys.readouterr().out
    saved = json.loads(starting.save(tmp_path, config, rows).read_text())
    assert [row["name"] for row in saved["rows"]] == [row.name for row in rows]
