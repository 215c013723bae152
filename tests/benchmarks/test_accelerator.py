"""What a new device is asked: every case is measured, and the rule follows from the figures."""

import pytest
from benchmarks import accelerator, cases, suite
from benchmarks.accelerator import rule_of

import rsf_jax as rsf
from rsf_jax.measures import timing
from rsf_jax.ops.rounding import COMPUTE_DTYPES

CONFIG = rsf.get_config("quickstart").replace(channels=2, kernel_size=3, slow_steps=1)


def _medians(faster):
    """Times in which the frequency domain is the faster one at some sides."""
    times = {}
    for side in (3, 5, 7, 9):
        times |= {("float32", side, "fft"): 1.0, ("float32", side, "direct"): 1.0}
        times["float32", side, "direct"] += 0.5 if side in faster else -0.5
    return times


@pytest.mark.parametrize(
    ("faster", "area"), [((5, 7, 9), 25), ((9,), 81), ((), None), ((3, 7, 9), 49), ((3, 5), None)]
)
def test_the_rule_is_the_smallest_kernel_from_which_on_all_are_faster(faster, area):
    assert rule_of(_medians(faster)) == {"float32": area}


def test_types_and_kernels_are_measured_and_the_rule_is_told(monkeypatch, capsys):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    monkeypatch.setattr(accelerator, "KERNELS", (3,))
    settings = suite.Settings(
        CONFIG,
        (),
        (2,),
        side=8,
        frame_count=1,
        seconds=0.0,
        sections=("rule", "types"),
        torch=False,
    )
    rows = suite.run(settings)
    assert [(row.group, row.name) for row in rows] == [
        *((f"{dtype}, 3x3", method) for dtype in COMPUTE_DTYPES for method in cases.METHODS),
        *(("batch 2", dtype) for dtype in COMPUTE_DTYPES),
    ]
    assert all(row.value >= row.best > 0 for row in rows)
    assert '"cpu": {' in capsys.readouterr().out


@pytest.mark.slow
def test_devices_share_an_update():
    found = accelerator.device_cases(CONFIG, 1, 1, 8)
    assert {name: case.units for name, case in found.items()} == {"1 device": 1, "4 devices": 4}
    for case in found.values():
        state, metrics = case.call()
        assert metrics["loss"].size == case.units
        assert state.params
