import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from reproduction import halting, live, mazes, plan, two_cores
from reproduction.plan import Job, run_jobs

import rsf_jax as rsf
from rsf_jax import experiment
from rsf_jax.config.presets import get_config
from rsf_jax.evaluation.equal_terms import Settings as Terms
from rsf_jax.evaluation.live_settings import Settings
from rsf_jax.evaluation.testing import load_trained
from rsf_jax.json_files import write_json
from rsf_jax.pretrained import read_card
from rsf_jax.trained.growing import check_growth
from rsf_jax.trained.records import Record, Result, read_record


@pytest.fixture
def job(run):
    """A small run that has one more policy to be tested with."""
    config, _ = run
    return Job(config.replace(slow_steps=1), ("s2f1",))


def test_a_record_of_an_earlier_version_is_done(job, tmp_path):
    """Its policies have other texts."""
    config, result = plan.plain_config(job.config), Result(0.5, [0.5], [1.0], 1.0, 1)
    rest = dict.fromkeys(("version", "hardware", "jax"), "") | {"validation": {}}
    counts = dict.fromkeys(("parameters", "update", "updates"), 1) | {"seconds": 1.0, "epochs": 1.0}
    lists = {"frame_size": [], "class_names": [], "colors": []}
    own = f"s{job.config.slow_steps}f{job.config.fast_steps}"
    tests = {own: result, "l2:1e-09:3:rtol=0.1": result}
    record = Record(config=config, tests=tests, **rest, **counts, **lists)
    for text in ("l2:rtol=0.1:3", "l2:1e-9:3:rtol=0.1"):
        assert plan.is_done(dataclasses.replace(job, policies=(text,)), record, tmp_path)
    assert not plan.is_done(dataclasses.replace(job, policies=("l2:rtol=0.2:3",)), record, tmp_path)


@pytest.mark.slow
def test_runs_are_trained_tested_recorded_and_not_repeated(job, tmp_path, capsys):
    runs, records = tmp_path / "runs", tmp_path / "records"
    # The time is over when training begins: it ends after one update.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reproduction.plan.LEAST_MINUTES", 0.0)
        assert not run_jobs([job], runs, records, 1e-4)
    (path,) = records.iterdir()
    assert path.stem.startswith("quickstart-dataset=t_pathfinder_tiny-channels=4")
    assert path.stem.endswith("-seed0")
    begun = read_record(path)
    assert begun.tests == {}
    assert begun.epochs < 1
    assert run_jobs([job], runs, records, 0.0)
    record = read_record(path)
    assert set(record.tests) == {"s1f1", "s2f1"}
    assert record.epochs == 1
    assert record.tests["s2f1"].steps_by_frame == [2, 1, 1, 1, 1]
    capsys.readouterr()
    assert run_jobs([job], runs, records, 0.0)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_stage_begins_with_the_weights_of_another(job, tmp_path, capsys):
    runs, records = tmp_path / "runs", tmp_path / "records"
    first = dataclasses.replace(job, config=job.config.replace(updates=1), title="first")
    second = dataclasses.replace(first, title="second", begins="first", policies=())
    assert run_jobs([first, second], runs, records, 0.0)
    assert f"Begins with the weights of update 1 in {runs / 'first'}" in capsys.readouterr().out
    assert sorted(path.stem for path in records.iterdir()) == ["first", "second"]
    assert read_record(records / "second.json").config["init_from"] == "first"


def test_weights_that_are_gone_are_taken_from_the_box_or_missed(job, tmp_path, monkeypatch):
    class Begun(Exception):
        """A run; its settings."""

    def begin(config, workdir):
        raise Begun(config)

    monkeypatch.setattr(experiment, "run", begin)
    config = get_config("quickstart").replace(channels=16)
    lost = dataclasses.replace(job, title="second", begins="quickstart_live16-seed0", config=config)
    with pytest.raises(Begun) as begun:
        run_jobs([lost], tmp_path, tmp_path / "records", 0.0)
    (config,) = begun.value.args
    assert config.init_from == str(tmp_path / "quickstart_live16-seed0")
    assert load_trained(config.init_from).config.channels == 16
    for begins, seed in (("first-seed0", 0), ("quickstart_live16-seed1", 1)):
        gone = dataclasses.replace(lost, config=config.replace(seed=seed), begins=begins)
        with pytest.raises(rsf.InputError, match=f"second needs the weights of {begins}"):
            run_jobs([gone], tmp_path, tmp_path / "records", 0.0)


def test_a_recorded_run_is_tested_without_being_trained_again(tmp_path, monkeypatch):
    """Its weights are in the box; what has been tested is left alone."""

    def test(of, kind):
        def run(trained, *rest, **named):
            called.append((kind, trained.update))
            return {"tested": kind}

        monkeypatch.setattr(plan, of, run)

    def train(*_):
        raise AssertionError("it is trained again")

    called, records = [], tmp_path / "records"
    monkeypatch.setattr(experiment, "run", train)
    test("compare_on_equal_terms", "halting")
    test("extrapolate", "sizes")
    card = read_card("mazes_static12_live")
    (job,) = (j for j in mazes.jobs(0) if j.name == "mazes_static12_live-seed0")
    job = dataclasses.replace(job, policies=(), terms=Terms())
    monkeypatch.setattr(plan, "open_dataset", lambda _: SimpleNamespace(test=_mazes()))
    records.mkdir()
    write_json(records / f"{job.name}.json", card.record)
    for _ in range(2):
        assert run_jobs([job], tmp_path / "runs", records, 0.0)
    assert called == [("halting", 2500), ("sizes", 2500)]
    compared = json.loads((records / "halting" / f"{job.name}.json").read_text())
    assert compared["tested"] == "halting"
    assert len(compared["radius"]) == 2
    assert (records / "sizes" / f"{job.name}.json").exists()


def _mazes():
    frames = np.random.default_rng(0).integers(0, 256, (2, 1, 12, 12, 1)).astype(np.uint8)
    return [{"frames": f} for f in frames]


@pytest.mark.parametrize("name", ["two_cores", "mazes", "halting"])
def test_stages_begin_with_stages_before_them(name):
    jobs = {"two_cores": two_cores, "mazes": mazes, "halting": halting}[name].jobs(3)
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    for number, job in enumerate(jobs):
        assert job.config.seed == 3
        assert job.name.endswith("-seed3")
        assert not job.begins or job.begins in names[:number]
        if job.begins:
            there = jobs[names.index(job.begins)].config
            check_growth(there, job.config)


@pytest.mark.slow
def test_a_model_for_live_video_is_tested_on_streams_too(job, tmp_path):
    few = Settings((rsf.FixedSchedule(1, 1),), noise=(0.0,), streams=2, frames=6, repeats=4)
    tests = few, dataclasses.replace(few, split="validation", repeats=0)
    config = job.config.replace(updates=1)
    tested = dataclasses.replace(job, config=config, title="live", policies=(), live=tests)
    records = tmp_path / "records"
    assert run_jobs([tested], tmp_path / "runs", records, 0.0)
    record = read_record(records / "live.json")
    (still,) = record.still
    assert (still.policy, still.frames) == (record.schedule, 4)
    files = [records / "live" / name for name in ("live.json", "live_validation.json")]
    test, validation = (json.loads(path.read_text()) for path in files)
    assert [row["policy"] for row in test["live"]] == ["s1f1"]
    assert [test["split"], validation["split"]] == ["test", "validation"]
    assert test["live"] != validation["live"]
    assert not validation["still"]
    assert plan.is_done(tested, record, records)
    files[1].unlink()
    assert not plan.is_done(tested, record, records)


def test_other_seeds_of_live_models_are_of_the_small_task():
    names = {seed: [job.name for job in live.jobs(seed)] for seed in (0, 1)}
    assert names[0][:5] == [name.replace("seed1", "seed0") for name in names[1]]
    assert names[0][5:] == ["easy72_live-seed0", "hard72_live-seed0"]
    jobs = {job.name: job for job in live.jobs(0)}
    assert all(len(job.live) == 2 for job in jobs.values())
    for name, job in jobs.items():
        before = job.begins.removesuffix("-seed0")
        there = jobs[job.begins].config if job.begins in jobs else None
        if before and there is None:
            there = read_card(before).config
        if there is not None:
            check_growth(there, job.config)
        assert (job.config.chunk_frames > 0) == ("_live" in name)


def test_time_that_is_too_short_begins_nothing(job, tmp_path):
    assert not run_jobs([job], tmp_path / "runs", tmp_path / "records", 0.1)
    assert not (tmp_path / "runs").exists()
