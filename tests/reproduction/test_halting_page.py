"""The tables that compare rules of halting with schedules."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from reproduction import halting, halting_picture
from reproduction.halting_page import PARTS, against_fixed, read, sections

from rsf_jax.json_files import write_json

_NAME = halting.STAGES[0].name


def _row(policy, family, steps, videos, *, warm=True, solver="plain", gated=False):
    return {
        "policy": policy,
        "family": family,
        "solver": solver,
        "warm": warm,
        "gated": gated,
        "steps": steps,
        "steps_95": 2 * steps,
        "miou": float(np.mean(videos)),
        "by_video": list(videos),
        "follows": None,
        "by_distance": [],
        "milliseconds": None,
    }


def _part():
    rows = [
        _row("s1f1", "fixed", 1.0, [0.2, 0.4]),
        _row("s2f2", "fixed", 2.0, [0.3, 0.5]),
        _row("s4f4", "fixed", 4.0, [0.8, 0.8]),
        _row("pattern:rtol=0.1:12", "distance", 3.0, [0.7, 0.9]),
        _row("pattern:rtol=0.3:12", "distance", 1.5, [0.3, 0.5]),
        _row("s24f24", "fixed", 24.0, [0.8, 0.6]),
        _row("s24f24", "fixed", 24.0, [0.75, 0.6], warm=False),
        _row("anderson:5+s2f2", "fixed", 2.0, [0.7, 0.7], solver="anderson:5"),
    ]
    return {"videos": 2, "frames": 5, "pixels": None, "rows": rows}


@pytest.fixture
def records(tmp_path):
    (tmp_path / "halting").mkdir()
    for seed in (0, 1):
        results = {"clips": _part(), "radius": [0.5 + seed, 0.75 + seed, None]}
        write_json(tmp_path / "halting" / f"{_NAME}-seed{seed}.json", results)
    return tmp_path


def _line(text, heading, *begin):
    part = text.partition(f"### {heading}")[2].partition("\n### ")[0]
    start = "| " + " | ".join(begin) + " |"
    (line,) = [line for line in part.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")][len(begin) :]


def test_rules_are_put_beside_the_best_mix_of_schedules(records):
    (model,) = read(records, PARTS[0])
    # Chosen on the first video of each seed: with 3 evaluations s2f2 and s4f4 in equal parts have
    # .55 there, s1f1 and s4f4 in shares of 1 and 2 have .6. Told of the second, where those have
    # 2/3; that equal parts would have .65 does not matter.
    found = against_fixed(model, "clips", "distance", gated=False)
    assert found.policy == "pattern:rtol=0.1:12"
    assert found.miou == pytest.approx(0.9)
    assert found.mixed == pytest.approx(2 / 3)
    assert (found.low, found.high) == pytest.approx((0.9 - 2 / 3, 0.9 - 2 / 3))
    assert against_fixed(model, "clips", "learned", gated=False) is None


def test_the_page_has_all_tables(records):
    text = "\n".join(sections(records))
    name = f"`{_NAME}`"
    counted = _line(text, "Solvers and starts: test videos", name, "plain", "warm")
    assert counted == [".300", ".400", "", ".800", "", "", "", ".700"]
    solver = _line(text, "Solvers and starts: test videos", name, "anderson:5", "warm")
    assert solver[1] == ".700"
    bought = _line(text, "What evaluations buy: test videos", name, "fixed")
    assert bought == ["", ".300 (1.00)", "", ".400 (2.00)", "", ".800 (4.00)", ""]
    how = _line(text, "Starts and contraction: test videos", name)
    assert how == ["2", "1.12", "0.50 to 1.75", "+2.5"]
    assert "live streams" not in text


def test_without_records_there_is_no_section(tmp_path):
    assert sections(tmp_path) == []


def test_pictures_are_drawn_of_records(records, tmp_path):
    found = {"clips": _part(), "radius": []}
    for row in found["clips"]["rows"]:
        row |= {"follows": 0.5, "by_distance": [[1.0, 2.0, 9.0], [2.0, 4.0, 3.0]]}
    found["clips"]["pixels"] = {"follows": 0.1, "by_distance": [[1.0, 0.2, 9.0], [2.0, 0.1, 3.0]]}
    videos, images = tmp_path / "videos.json", tmp_path / "maze_quickstart-seed0.json"
    write_json(videos, found)
    rows = [{"policy": f"s{n}f{n}", "miou": n / 9, "steps": n} for n in (1, 4)]
    write_json(images, {"datasets": {"mazes/static7": {"rows": rows}}})
    halting_picture.save_bought(tmp_path / "bought.png", records)
    halting_picture.save_followed(tmp_path / "followed.png", videos, ["pattern:rtol=0.1:12"])
    halting_picture.save_sizes(tmp_path / "sizes.png", {"7x7 cells": images})
    shapes = [
        plt.imread(tmp_path / f"{name}.png").shape for name in ("bought", "followed", "sizes")
    ]
    assert [shape[:2] for shape in shapes] == [(504, 576), (456, 1152), (456, 552)]
