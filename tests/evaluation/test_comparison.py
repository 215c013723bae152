"""Several sweeps in one table and one picture."""

import json

import pytest

import rsf_jax as rsf
from rsf_jax.evaluation import comparison


def _sweep(path, **points):
    content = {
        "preset": "p",
        "dataset": "d",
        "training_schedule": "s3f3",
        "videos": 4,
        "points": [
            {"policy": name, "miou": miou, "steps": steps} for name, (miou, steps) in points.items()
        ],
        "milliseconds": {"frame": 1.0},
    }
    path.write_text(json.dumps(content))
    return path


def test_what_sweeps_share_stands_in_one_line(tmp_path, capsys):
    one = _sweep(tmp_path / "one.json", s3f3=(0.9, 3.0), s6f6=(0.5, 6.0))
    rule = {"l2:0.9:12": (0.8, 4.5)}
    two = _sweep(tmp_path / "two.json", s3f3=(0.7, 3.0), **rule)
    content = comparison.compare({"A": one, "B": two}, tmp_path)
    assert json.loads((tmp_path / "comparison.json").read_text()) == content
    assert [p["policy"] for p in content["B"]["points"]] == ["s3f3", "l2:0.9:12"]
    comparison.print_comparison(content)
    lines = {
        line.split("│")[1].strip(): line for line in capsys.readouterr().out.splitlines()[4:-1]
    }
    assert "0.900 @ 3.00" in lines["s3f3"]
    assert "0.700 @ 3.00" in lines["s3f3"]
    assert "0.800 @ 4.50" in lines["l2:0.9:12"]
    for ending in ("png", "svg"):
        assert (tmp_path / f"comparison.{ending}").stat().st_size > 1000


def test_sweeps_of_an_earlier_version_have_the_same_names(tmp_path):
    one = _sweep(tmp_path / "one.json", **{"l2:1e-09:12:rtol=0.1": (0.8, 4.5)})
    two = _sweep(tmp_path / "two.json", **{"l2:rtol=0.1:12": (0.7, 3.5)})
    content = comparison.compare({"A": one, "B": two}, tmp_path)
    (first,), (second,) = (sweep["points"] for sweep in content.values())
    assert first["policy"] == second["policy"] == "l2:rtol=0.1:12"
    assert first["policy_spec"] == second["policy_spec"]
    assert content["A"]["training_schedule_spec"]["slow_steps"] == 3


def test_paths_may_be_texts_and_the_folder_new(tmp_path):
    path = _sweep(tmp_path / "a.json", s1f1=(0.5, 1.0))
    comparison.compare({"a": str(path)}, str(tmp_path / "new" / "folder"))
    assert (tmp_path / "new" / "folder" / "comparison.json").exists()


def test_files_that_are_no_sweeps_are_named(tmp_path):
    with pytest.raises(rsf.InputError, match=r"none\.json cannot be read \(No such file"):
        comparison.compare({"A": tmp_path / "none.json"}, tmp_path)
    for content in ("{", "[]", "{}"):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(rsf.InputError, match=r"bad\.json is no sweep"):
            comparison.compare({"A": tmp_path / "bad.json"}, tmp_path)
