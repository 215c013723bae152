"""One page of all that a run left."""

import contextlib
import dataclasses
import datetime
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

import rsf_jax as rsf
from rsf_jax.calibration import Target, calibrate
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import report, report_pictures
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.evaluation import testing as evaluation
from rsf_jax.evaluation.live_settings import Settings
from rsf_jax.evaluation.live_test import live_test, print_live
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.report_words import duration, headlines
from rsf_jax.evaluation.usual_policies import FAMILIES, families
from rsf_jax.figures.runs import save_curve
from rsf_jax.measures.foreground import MEASURES
from rsf_jax.policies import policy_name, spec_of
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained.records import hardware


class _Page(HTMLParser):
    """Checks that every element is closed, and collects pictures and text."""

    def __init__(self):
        super().__init__()
        self.open, self.pictures, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        if tag == "img" and "src" in dict(attributes):  # others are filled by the script
            self.pictures.append(dict(attributes)["src"])
        if tag not in ("img", "meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data


def _page(path):
    page = _Page()
    page.feed(path.read_text())
    assert not page.open
    page.text = re.sub(r"\s+", " ", page.text)
    return page


@pytest.fixture
def folder(run, tmp_path):
    shutil.copytree(run[1], tmp_path / "run")
    return tmp_path / "run"


def test_a_page_needs_nothing_else(folder):
    page = _page(report.write_report(folder))
    assert len(page.pictures) == 4  # curves and predictions
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", src) for src in page.pictures)
    assert "http" not in re.sub(r"http://www.w3.org\S+", "", RunFolder(folder).report.read_text())


def test_what_was_not_run_is_named_with_what_makes_it(folder):
    text = _page(report.write_report(folder)).text
    for what in ("Not run yet: evaluate --sweep", "Not calibrated yet: calibrate"):
        assert what in text
    assert "Not analyzed yet: analyze" in text
    assert report.missing(folder) == ["sweep", "analysis"]


def test_everything_that_was_run_is_shown(run, folder):
    trained, dataset = evaluation.load_trained(folder), open_dataset(run[0])
    policies = [rsf.FixedSchedule(2, 1), rsf.DistanceHalting(threshold=0.9, max_steps=3)]
    evaluation.evaluate(trained, dataset, folder, policies[1])
    tradeoff.sweep(trained, dataset, folder, policies)
    target = Target("steps", 2.95, confidence=0.5)
    calibrated = calibrate(trained, dataset, folder, target, policies=policies)
    page = _page(report.write_report(folder))
    assert len(page.pictures) == 6
    for text in ("s3f1", "l2:0.9:3", "2 policies on 10 test videos", calibrated["policy"]):
        assert text in page.text
    assert report.missing(folder) == ["analysis"]
    miou = json.loads((folder / "results.json").read_text())["test"]["miou"]
    assert f"{miou:.3f}" in page.text


def test_some_kinds_of_policies_alone_are_tested(run, folder, tmp_path):
    subject = evaluation.load_trained(folder), open_dataset(run[0])
    few = Settings(kinds=("refresh",), noise=(0.0,), streams=1, frames=4, repeats=0)
    rows = live_test(*subject, tmp_path, few)["live"]
    assert [row["policy"] for row in rows] == [f"refresh:{n}+s3f1" for n in (4, 8, 16, 32)]
    told = live_test(*subject, tmp_path, dataclasses.replace(few, kinds=("told what happens",)))
    assert {row["family"] for row in told["live"]} == {"told what happens"}
    with pytest.raises(rsf.InputError, match="kinds is 'gates': choose one of schedules, refresh"):
        live_test(*subject, tmp_path, dataclasses.replace(few, kinds=("gates",)))


def test_a_live_test_that_was_interrupted_goes_on_where_it_was(run, folder, tmp_path):
    trained, dataset = evaluation.load_trained(folder), open_dataset(run[0])
    policies = tuple(map(rsf.parse_policy, ("s2f1", "s1f1")))
    settings = Settings(policies=policies, noise=(0.0, 0.1), streams=1, frames=4, repeats=3)

    def told(settings, last=None):
        """The lines of a test, which is ended after the line that begins with `last`."""
        lines = []

        def tell(line):
            lines.append(line)
            if last and line.startswith(last):
                raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            live_test(trained, dataset, tmp_path, settings, tell)
        return lines

    streams = [line for line in told(settings) if not line.startswith("still")]
    whole = RunFolder(tmp_path).live().read_text()
    assert [line.split(":")[0] for line in streams] == [
        f"{policy}, given, noise {noise}" for noise in ("0", "0.1") for policy in ("s2f1", "s1f1")
    ]
    told(settings, last="s2f1, given, noise 0.1")
    again = [line for line in told(settings) if not line.startswith("still")]
    assert again == streams[3:]  # what is kept is not told again
    assert RunFolder(tmp_path).live().read_text() == whole
    told(settings, last="s2f1, given, noise 0.1")
    other = told(dataclasses.replace(settings, seed=1))
    assert len([line for line in other if not line.startswith("still")]) == len(streams)


def test_a_test_on_live_streams_is_shown_and_recorded(run, folder, capsys):
    trained, dataset = evaluation.load_trained(folder), open_dataset(run[0])
    policies = tuple(map(rsf.parse_policy, ("s2f1", "gate:0.0:0.9+l2:0.9:3")))
    settings = Settings(policies=policies, noise=(0.0, 0.1), streams=3, frames=9, repeats=6)
    results = live_test(trained, dataset, folder, settings)
    assert not RunFolder(folder).live_partial().exists()
    assert json.loads(RunFolder(folder).live().read_text()) == results
    assert [(s["policy"], s["noise"]) for s in results["still"]] == [("s3f1", 0.0), ("s3f1", 0.1)]
    assert [(row["policy"], row["noise"]) for row in results["live"]] == [
        *(("s2f1", 0.0), ("gate:0.0:0.9+l2:0.9:3", 0.0)),
        *(("s2f1", 0.1), ("gate:0.0:0.9+l2:0.9:3", 0.1)),
    ]
    gated = results["live"][1]["by_event"]
    assert gated["pause"]["steps"] == 0 < gated["change"]["steps"]
    print_live(results)
    printed = capsys.readouterr().out
    assert "Live streams, noise 0.1" in printed
    page = _page(report.write_report(folder))
    assert len(page.pictures) == 6  # curves, predictions, a strip and the still camera
    for text in ("gate:0.0:0.9+l2:0.9:3", "4 tests on 3 streams of 9 frames"):
        assert text in page.text
    still = make_record(folder).still
    assert [s.frames for s in still] == [6, 6]
    assert still[0].miou["1"] == pytest.approx(results["still"][0]["miou"][0])
    assert still[0].lasts == results["still"][0]["lasts"]
    path, nothing = RunFolder(folder).live(), {"miou": [None] * 6, "worst": None, "holds": False}
    path.write_text(json.dumps(results | {"still": [s | nothing for s in results["still"]]}))
    assert "no label" in _page(report.write_report(folder)).text
    assert make_record(folder).still == []
    path.write_text(json.dumps(results))


def test_families_of_policies_are_tested_in_front_of_the_same_streams(run):
    found = families(run[0], "gate:0.01:0.3:contrast=0.2")
    assert list(found)[:-1] == list(FAMILIES)
    texts = {name: [policy_name(p) for p in group] for name, group in found.items()}
    assert texts["gate"][0] == "gate:0.01:0.3:contrast=0.2+s3f1"
    assert texts["skipping alone"][0] == "gate:0.01:1.0+s3f1"
    assert texts["refresh"][0] == "refresh:4+s3f1"
    assert all(text.startswith("pattern:rtol=") for text in texts["halting"])
    every = [text for name, group in texts.items() if name in FAMILIES for text in group]
    assert len(set(every)) == len(every)


def test_policies_have_one_name_whichever_version_wrote_them(run, folder):
    old = "l2:1e-09:3:rtol=0.1"
    results = json.loads((folder / "results.json").read_text()) | {"policy": old}
    del results["policy_spec"]
    (folder / "results_l2_1e-09_3_rtol_0.1.json").write_text(json.dumps(results))
    point = {"policy": old, "miou": 0.5, "steps": 2.0, "on_front": True, "frames_per_second": 1.0}
    sweep = {"points": [point | {"steps_by_frame": [2.0]}], "videos": 3, "device": "cpu"}
    (folder / "sweep.json").write_text(json.dumps(sweep))
    row = {"policy": old} | dict.fromkeys(("miou", "steps", "estimate", "bound", "p_value"), 0.5)
    target = {"quantity": "miou_drop", "limit": 0.01, "confidence": 0.95}
    chosen = {"policy": old, "reference": "s3f1", "target": target, "tested": [row]}
    counts = {"calibration_videos": 3, "validation_videos": 3}
    (folder / "policy.json").write_text(json.dumps(chosen | counts))
    path = report.write_report(folder)
    assert _page(path).text.count("l2:rtol=0.1:3") == 5
    assert path.read_text().count('class="marked"') == 2
    assert old not in path.read_text()


def test_every_measure_of_a_test_is_shown(run, tmp_path, capsys):
    results = json.loads((run[1] / "results.json").read_text())
    (tmp_path / "results_s1f1.json").write_text(json.dumps(results))  # of an earlier version
    results["test"]["boundary_f1"] = 0.12345
    (tmp_path / "results.json").write_text(json.dumps(results))
    page = report.write_report(tmp_path).read_text().partition('id="settings"')[0]
    for name in (*MEASURES, "boundary_f1"):
        assert f"<th>{name.replace('_', ' ')}</th>" in page
    assert page.count("<td>0.123</td>") == page.count("<td>none</td>") == 1
    evaluation.print_results(results)
    assert "balanced accuracy 0." in (printed := capsys.readouterr().out)
    assert "boundary f1 0.123" in printed


def test_a_folder_without_results_and_damage_are_named(folder, tmp_path):
    with pytest.raises(rsf.InputError, match="has no results: train first"):
        report.write_report(tmp_path)
    (folder / "sweep.json").write_text("{")
    with pytest.raises(rsf.InputError, match=r"sweep\.json is damaged"):
        report.write_report(folder)


def test_what_is_not_labeled_is_shown_as_none(run, tmp_path, capsys):
    results = json.loads((run[1] / "results.json").read_text())
    results["test"] |= {"f1": None, "miou_by_frame": [None, *results["test"]["miou_by_frame"][1:]]}
    results["trivial"]["all_ink"] = None
    (tmp_path / "results.json").write_text(json.dumps(results))
    text = _page(report.write_report(tmp_path)).text
    assert text.count("none") == 3 + text.count("rematnone")
    evaluation.print_results(results)
    assert capsys.readouterr().out.count("none") == 3


def _results(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_page_begins_with_what_counts(folder):
    results = _results(folder)
    results |= {
        "tested": {"ended": "2024-03-05T06:07:08+00:00", "seconds": 61.4, "hardware": "2 cores, Z"},
        "training": {"seconds": 3 * 3600.0, "hardware": "1 x H", "jax": "0.1"},
    }
    (folder / "results.json").write_text(json.dumps(results))
    text = _page(report.write_report(folder)).text
    assert "Trained in 3.0 h on 1 x H with JAX 0.1." in text
    assert f"Tested on 5 March 2024 in 61 s on 2 cores, Z with JAX {results['jax']}." in text
    assert f"{results['test']['miou']:.3f} test mIoU" in text.replace("test mIoU", " test mIoU")
    assert f"Without a network, all ink has {results['trivial']['all_ink']:.3f}" in text
    assert "3 recurrent steps on a video's first frame, 1 on each later one." in text


def test_a_run_says_when_and_on_what_it_was_made(folder):
    results = _results(folder)
    for told in (results["tested"], results["training"]):
        assert datetime.datetime.fromisoformat(told["ended"]).utcoffset() == datetime.timedelta()
        assert told["hardware"] == hardware()
        assert told["jax"] == results["jax"]
    assert results["training"]["ended"] <= results["tested"]["ended"]
    assert results["tested"]["seconds"] > 0


def test_what_an_earlier_version_has_not_written_is_left_out(folder):
    results = _results(folder)
    for name in ("tested", "training", "background"):
        del results[name]
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "playback.json").unlink()
    path = report.write_report(folder)
    text = _page(path).text
    assert f"Tested on {results['device']} with JAX {results['jax']}." in text
    assert "Trained" not in text
    assert 'id="player"' not in path.read_text()


def test_the_player_has_its_data_on_the_page(folder):
    page = report.write_report(folder).read_text()
    (data,) = re.findall(r'<script type="application/json" id="playback">(.*?)</script>', page)
    assert json.loads(data) == json.loads((folder / "playback.json").read_text())
    for name in ("there", "found", "beside", "truth", "video", "frame", "step", "play", "told"):
        assert f'id="{name}"' in page
        assert f'"{name}"' in page.partition('"use strict"')[2]
    assert '<div id="player" hidden>' in page  # without scripts the picture of predictions is there
    assert "rgb(230, 159, 0)" in page


def test_fewer_steps_that_do_as_well_are_named():
    test = {"miou": 0.9, "miou_by_frame": [0.9, 0.9], "steps_per_video": 6.0, "videos": 3}
    run = {"test": test, "policy_spec": spec_of("s3f3"), "trivial": {}, "frames_per_second": {}}
    texts = {"s2f2": (0.895, 2.0), "s3f1": (0.88, 1.5), "s4f4": (0.95, 4.0), "s3f2": (0.91, 2.5)}
    points = [
        {"policy": text, "policy_spec": spec_of(text), "miou": miou, "steps": steps}
        for text, (miou, steps) in texts.items()
    ]
    last = headlines(run, {"points": points})[-1]
    assert (last.number, last.name) == ("1.5x", "fewer steps, as good")
    assert last.meaning.startswith("s2f2 has a test mIoU of 0.895 with 2.00 steps per frame")
    assert len(headlines(run, {"points": points[1:3]})) == len(headlines(run, None)) == 2


@pytest.mark.slow
def test_policies_are_explained_once_each(run, folder):
    trained, dataset = evaluation.load_trained(folder), open_dataset(run[0])
    evaluation.evaluate(trained, dataset, folder, rsf.parse_policy("gate:0.01:0.3+s2f1"))
    page = _page(report.write_report(folder))
    told = page.text.partition("Policies of this page: 2")[2]
    assert "gate:0.01:0.3+s2f1 No step where at most 1 % of the pixels have changed" in told
    assert told.count("s3f1 3 recurrent steps on a video's first frame") == 1


def test_a_page_stays_small(folder, monkeypatch):
    monkeypatch.setattr(report, "Embedder", lambda: report_pictures.Embedder(1))
    text = _page(report.write_report(folder)).text
    assert "Pictures that would make this page too large" in text
    assert "predictions.png" in text


def test_pictures_keep_the_size_of_their_letters(tmp_path):
    save_curve(tmp_path / "a.svg", {"train": {1: {"loss": 0.5}, 2: {"loss": 0.4}}}, "loss")
    save_curve(tmp_path / "a.png", {"train": {1: {"loss": 0.5}, 2: {"loss": 0.4}}}, "loss")
    found = report_pictures.Embedder().embed_all({tmp_path / "a.svg": "", tmp_path / "a.png": ""})
    assert found[0].width == pytest.approx(3.4 * 96, abs=1)
    assert found[1].width == pytest.approx(3.4 * 96, abs=1)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (99, "99 s"), (720, "12 min"), (7200, "2.0 h")]
)
def test_durations_are_told_as_people_do(seconds, told):
    assert duration(seconds) == told
