"""The benchmark of solvers: steps are those of the rules, and plain steps cost nothing more."""

import json

import jax
import numpy as np
import pytest
from benchmarks import solvers
from recurrences import TinyModel
from rich.console import Console

import rsf_jax as rsf
from rsf_jax.trained.model import Trained


def test_solvers_are_measured_beside_plain_steps(tmp_path, capsys):
    config, model = rsf.get_config("quickstart"), TinyModel()
    videos = np.random.default_rng(0).random((2, 2, 6, 6, 1), np.float32)
    trained = Trained(config, config, model, model.init(jax.random.key(0), videos), 0)
    settings = {"residuals": [0.05, 1e-9], "cap": 7}
    rows = solvers.run(trained, videos, solvers=["anderson:2"], seconds=0.0, **settings)
    plain, solver = rows
    assert [row.solver for row in rows] == ["plain", "anderson:2"]
    assert plain.more == 0
    assert solver.more == pytest.approx(solver.milliseconds - plain.milliseconds)
    for text, row in (("", plain), ("anderson:2+", solver)):
        steps = trained.run(videos, rsf.parse_policy(f"{text}l2:rtol=0.05:7")).steps
        assert row.steps[0] == pytest.approx(float(np.mean(steps)))
        assert 1 < row.steps[0] < 7
        assert (row.steps[1], row.capped) == (7, [0, 1])
    saved = json.loads(solvers.save(tmp_path, rows, settings).read_text())
    assert saved["rows"][1]["solver"] == "anderson:2"
    Console().print(solvers.table(rows, settings["residuals"]))
    assert "100 % capped" in capsys.readouterr().out
