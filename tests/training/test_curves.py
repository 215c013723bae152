from rsf_jax.run_folder import RunFolder
from rsf_jax.training import curves
from rsf_jax.training.progress import ProgressReport


def _numbers(loss):
    return {"loss": loss, "miou": 0.5, "videos_per_second": 1.0}


def test_curves_are_kept_for_every_split(tmp_path):
    with ProgressReport(tmp_path, total=4, done=0) as report:
        report.update(2, _numbers(0.25))
        report.update(4, _numbers(0.125))
        report.validated(4, {"loss": 0.5, "miou": 0.75}, best=True)
    read = curves.read(tmp_path)
    assert read["train"] == {2: _numbers(0.25), 4: _numbers(0.125)}
    assert read["validation"] == {4: {"loss": 0.5, "miou": 0.75}}


def test_a_resumed_run_replaces_what_it_does_again(tmp_path):
    for update, loss in ((20, 1.0), (40, 0.5), (60, 0.4)):
        curves.append(tmp_path, "train", update, {"loss": loss})
    curves.append(tmp_path, "train", 40, {"loss": 0.45})
    assert curves.read(tmp_path)["train"] == {
        20: {"loss": 1.0},
        40: {"loss": 0.45},
        60: {"loss": 0.4},
    }


def test_what_a_former_run_has_left_is_no_part_of_a_new_one(tmp_path):
    for update in (20, 40, 60):
        curves.append(tmp_path, "train", update, {"loss": 1.0})
        curves.append(tmp_path, "validation", update, {"loss": 1.0})
    with ProgressReport(tmp_path, total=80, done=40):
        assert list(curves.read(tmp_path)["train"]) == [20, 40]
    with ProgressReport(tmp_path, total=80, done=0) as report:
        report.update(10, _numbers(0.5))
    assert curves.read(tmp_path) == {"train": {10: _numbers(0.5)}}


def test_a_line_cut_short_does_not_count(tmp_path):
    curves.append(tmp_path, "train", 20, {"loss": 1.0})
    with RunFolder(tmp_path).curves.open("a") as file:
        file.write('{"split": "train", "upd')
    assert curves.read(tmp_path) == {"train": {20: {"loss": 1.0}}}
    assert curves.read(tmp_path / "elsewhere") == {}


def test_a_line_after_one_cut_short_is_whole(tmp_path):
    RunFolder(tmp_path).curves.write_text('{"split": "train", "upd')
    for update in (20, 40):
        curves.append(tmp_path, "train", update, {"loss": 1.0})
    assert curves.read(tmp_path) == {"train": {20: {"loss": 1.0}, 40: {"loss": 1.0}}}
