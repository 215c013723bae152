"""Memory and time against the number of steps: written, drawn, and measured where they are."""

import json

import pytest
from benchmarks import memory, plot, training_memory
from benchmarks.memory import Usage
from configs import tiny_config

CONFIG = tiny_config(channels=2)


def test_every_estimator_is_measured_at_every_number_of_steps(monkeypatch, tmp_path, capsys):
    asked = []

    def measure(config, shape):
        asked.append((config.gradient, config.slow_steps, config.fast_steps, shape))
        return Usage(int(2e8), int(1e6 * config.slow_steps), 0.01)

    monkeypatch.setattr(memory, "measure", measure)
    rows = training_memory.run(CONFIG, steps=(1, 3), gradients=("bptt", "c_rbp"), side=8)
    expected = [(g, n, n, (1, 1, 8)) for g in ("bptt", "c_rbp") for n in (1, 3)]
    assert asked == expected
    assert rows[1] == training_memory.Row("bptt", 3, 200.0, 3.0, 10.0)
    lines = capsys.readouterr().out.splitlines()
    cells = [line.replace("│", " ").split() for line in lines if "c_rbp" in line]
    assert cells == [["c_rbp", "1", "3"], ["c_rbp", "200", "200"], ["c_rbp", "10", "10"]]
    saved = json.loads(training_memory.save(tmp_path, CONFIG, rows).read_text())
    assert saved["rows"][3]["gradient"] == "c_rbp"
    assert saved["config"]["channels"] == 2
    plot.save_training_memory(tmp_path / "memory.png", rows)
    assert (tmp_path / "memory.png").stat().st_size > 1000


@pytest.mark.slow
def test_rbp_keeps_nothing_for_another_step():
    def temporary(gradient, steps):
        config = CONFIG.replace(gradient=gradient, slow_steps=steps, fast_steps=steps)
        return memory.build_case(config, (1, 1, 32)).temporary_bytes

    assert temporary("c_rbp", 24) == temporary("c_rbp", 4)
    assert temporary("bptt", 24) > 1.5 * temporary("bptt", 4)
