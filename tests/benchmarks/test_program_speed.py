"""Programs beside the library, over a few frames of a small model that was not trained."""

import pytest
from benchmarks import programs
from benchmarks.record import as_values
from configs import untrained

import rsf_jax as rsf

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_programs_are_as_close_to_the_library_as_a_rounding_of_the_weights():
    policy = rsf.parse_policy("s2f1")
    found = programs.measure(untrained((10, 12)), policy, (10, 12), frames=6, turns=1, timed=2)
    ways = {one.name: one for one in found}
    assert list(ways) == [programs.LIBRARY, programs.NEXT, "stablehlo", "onnx"]
    assert ways[programs.LIBRARY].difference == 0
    assert ways[programs.LIBRARY].steps == pytest.approx(7 / 6)
    for name in (programs.NEXT, "stablehlo", "onnx"):
        assert 0 < ways[name].difference < 1e-4
        assert ways[name].other_steps == 0
    rows = as_values(programs.table(found))["rows"]
    assert [row[0] for row in rows] == list(ways)
    assert [row[-1] == "0" for row in rows] == [True, True, False, False]
