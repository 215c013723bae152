import pytest

from rsf_jax.records import read_record
from rsf_jax.reproduction.plan import Job, run_jobs


@pytest.fixture
def job(run):
    """A small run that has one more policy to be tested with."""
    config, _ = run
    return Job(config.replace(slow_steps=1), ("s2f1",))


def test_runs_are_trained_tested_recorded_and_not_repeated(job, tmp_path, capsys):
    runs, records = tmp_path / "runs", tmp_path / "records"
    # The time is over when training begins: it ends after one update.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsf_jax.reproduction.plan._LEAST_MINUTES", 0.0)
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


def test_time_that_is_too_short_begins_nothing(job, tmp_path):
    assert not run_jobs([job], tmp_path / "runs", tmp_path / "records", 0.1)
    assert not (tmp_path / "runs").exists()
