"""Results that are kept while a test goes on."""

import math

import pytest

from rsf_jax.evaluation.kept import Kept

TEST = {"seed": 0, "model": {"weights": "1f"}}


def _never():
    raise AssertionError("it is kept")


def test_what_was_found_is_not_made_again(tmp_path):
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, TEST)
    made = kept.found(["s3f1", 0.1], lambda: {"miou": math.nan, "steps": (1, 2)})
    assert made["steps"] == [1, 2]  # as it will be read
    again = Kept(path, TEST)
    assert ["s3f1", 0.2] not in again
    assert math.isnan(again.found(["s3f1", 0.1], _never)["miou"])
    again.end()
    assert not path.exists()
    assert ["s3f1", 0.1] not in Kept(path, TEST)


def test_another_test_begins_anew(tmp_path):
    path = tmp_path / "kept.jsonl"
    Kept(path, TEST).add("a", 1)
    other = Kept(path, {**TEST, "seed": 1})
    assert "a" not in other
    other.add("b", 2)
    assert "b" in Kept(path, {**TEST, "seed": 1})
    assert "b" not in Kept(path, TEST)


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_line_that_was_cut_off_is_left_out(tmp_path, cut):
    path = tmp_path / "kept.jsonl"
    kept = Kept(path, TEST)
    kept.add("a", 1)
    kept.add("b", 2)
    path.write_text(path.read_text()[:-cut])
    left = Kept(path, TEST)
    assert left.found("a", _never) == 1
    assert ("b" in left) == (cut == 1)
    left.add("c", 3)
    assert Kept(path, TEST).found("c", _never) == 3
