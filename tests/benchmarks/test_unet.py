"""The recurrent U-Net against itself and PyTorch: what is timed computes the same."""

import json

import pytest
from benchmarks import pytorch, unet
from rich.console import Console

import rsf_jax as rsf
from rsf_jax.ops import onednn


@pytest.mark.slow
def test_step_and_update_are_timed_and_all_agree(tmp_path, capsys):
    config = rsf.get_config("camvid_s2f1_dru").replace(channels=2, classes=3)
    settings = unet.Settings(config, (18, 33), 1, 2, 0.0)
    rows = unet.run(settings)
    ways = [unet.XLA]
    ways += [unet.ONEDNN] if onednn.is_used() else []
    ways += [unet.TORCH] if pytorch.is_installed() else []
    assert [(row.work, row.name) for row in rows] == [
        (work, way) for work in ("step", "update") for way in ways
    ]
    for row in rows:
        assert row.agrees < 1e-3
        assert 0 < row.best <= row.median
    Console().print(unet.table(rows))
    assert "update" in capsys.readouterr().out
    saved = json.loads(unet.save(tmp_path, settings, rows).read_text())
    assert saved["rows"][0]["median"] == pytest.approx(rows[0].median)
    assert saved["sides"] == [18, 33]
