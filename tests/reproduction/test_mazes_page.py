"""The table of mazes of several sizes."""

from reproduction.mazes_page import sections

from rsf_jax.json_files import write_json


def _tested(miou):
    rows = [{"policy": f"s{n}f{n}", "miou": miou, "steps": n} for n in (4, 16)]
    rows.append({"policy": "pattern:rtol=0.05:256", "miou": miou / 2, "steps": 40 * miou})
    return {"videos": 100, "rows": rows}


def test_seeds_are_averaged(tmp_path):
    (tmp_path / "sizes").mkdir()
    for seed in (0, 1):
        found = {f"mazes/static{side}": _tested(0.5 + 0.25 * seed) for side in (4, 20)}
        path = tmp_path / "sizes" / f"mazes_static7_live-seed{seed}.json"
        write_json(path, {"datasets": found})
    (text,) = sections(tmp_path)
    assert "of the first 100 test images" in text
    assert "| weights | cells | 4 | 16 | halting |" in text
    assert "| `mazes_static7_live` | 20x20 | .625 | .625 | .312 (25) |" in text


def test_without_records_there_is_no_section(tmp_path):
    assert sections(tmp_path) == []
