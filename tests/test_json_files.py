"""Files of JSON."""

import dataclasses
import json

import numpy as np
import pytest

from rsf_jax.json_files import number, write_bytes, write_json


@dataclasses.dataclass
class _Found:
    score: float
    shares: tuple[float, ...]


def test_arrays_and_dataclasses_are_written_and_no_nan(tmp_path):
    found = _Found(float("nan"), (0.5, float("inf")))
    values = {"found": found, "counts": np.arange(3), "mean": np.float32(np.nan), "name": "s6f1"}
    write_json(tmp_path / "x.json", values)

    def refused(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=refused) == {
        "found": {"score": None, "shares": [0.5, None]},
        "counts": [0, 1, 2],
        "mean": None,
        "name": "s6f1",
    }


def test_a_file_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_json("~/x.json", {"a": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}


def test_a_file_that_cannot_be_written_is_what_it_was(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_files_beside_are_left_alone(tmp_path):
    (tmp_path / "x.json.unfinished").write_text("mine")
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(OSError, match="directory"):
        write_bytes(tmp_path, b"a")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "x.json": '{\n "a": 1\n}\n',
        "x.json.unfinished": "mine",
    }
    assert not list(tmp_path.parent.glob("*.unfinished"))


def test_a_score_in_a_table():
    assert (number(0.98449), number(None)) == ("0.984", "none")
