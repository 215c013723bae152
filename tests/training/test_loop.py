"""Whole runs: kill and resume, stop in time, diverge with a clear message."""

import dataclasses
import itertools
import os
import signal

import jax
import numpy as np
import pytest
from configs import tiny_config
from marks import slow

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.parallel.devices import devices_for
from rsf_jax.parallel.processes import here
from rsf_jax.scoring import splits
from rsf_jax.training import curves, loop, setup
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.loop import Outcome, TrainingDiverged, train
from rsf_jax.training.setup import build_setup
from rsf_jax.training.state import build_optimizer, create_state
from rsf_jax.training.stop import StopRequest, received_signal


def _final(workdir, config):
    with Checkpoints(workdir) as checkpoints:
        step = checkpoints.latest_step()
        model, optimizer = rsf.build_model(config), build_optimizer(config, 5)
        like = create_state(model, optimizer, 0, (8, 8))
        return step, checkpoints.restore(step, like, config)


@pytest.fixture(scope="module")
def unbroken(data_dir, tmp_path_factory):
    """The end of a run that nothing disturbed, with its configuration and its folder."""
    workdir = tmp_path_factory.mktemp("unbroken")
    config = _config(data_dir)
    assert train(config, open_dataset(config), workdir) is Outcome.FINISHED
    return config, _final(workdir, config), workdir


def _config(data_dir):
    return tiny_config(
        data_dir,
        channels=2,
        # A first frame with steps of its own would be compiled too.
        slow_steps=1,
        epochs=3,
        # Runs of any length are the same program then.
        lr_schedule="constant",
        warmup_steps=0,
        validation_share=0.1,
        validate_every=0,
        save_every=2,
        log_every=1,
        eval_batch_size=4,
        devices=1,
    )


def _same(one, other):
    assert one[0] == other[0]
    jax.tree.map(np.testing.assert_array_equal, one[1], other[1])


@pytest.mark.slow
def test_time_limits_save_and_end_cleanly(unbroken, tmp_path, capsys):
    config, expected, _ = unbroken
    hurried = config.replace(max_minutes=1e-9)
    dataset = open_dataset(config)
    assert train(hurried, dataset, tmp_path) is Outcome.STOPPED
    assert "after update 1 of 15: config.max_minutes is over" in capsys.readouterr().out
    assert train(config, dataset, tmp_path) is Outcome.FINISHED
    _same(_final(tmp_path, config), expected)


def _signal_at(monkeypatch, number, batch):
    """Sends a signal to this process when the given batch of all has been scored."""
    scored, batches = itertools.count(1), splits.evaluation_batches

    def counted(*args):
        for each in batches(*args):
            yield each
            if next(scored) == batch:
                os.kill(os.getpid(), number)

    monkeypatch.setattr(splits, "evaluation_batches", counted)


@pytest.mark.parametrize("number", [signal.SIGTERM, slow(signal.SIGINT), slow(signal.SIGHUP)])
def test_signals_are_served_in_validation_and_nothing_is_lost(
    unbroken, tmp_path, monkeypatch, capsys, number
):
    config, expected, _ = unbroken
    config = config.replace(eval_batch_size=1)  # four batches
    dataset = open_dataset(config)
    _signal_at(monkeypatch, number, batch=2)
    assert train(config, dataset, tmp_path) is Outcome.STOPPED
    said = capsys.readouterr().out
    name = signal.Signals(number).name
    assert f"{name} received: the run ends after this update" in said
    assert f"Stopped after update 5 of 15: {name} received, in validation" in said
    assert received_signal() == number
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 5
        assert checkpoints.metrics(5) == {}
    # It is validated before anything else.
    assert train(config, dataset, tmp_path) is Outcome.FINISHED
    _same(_final(tmp_path, config), expected)
    assert sorted(curves.read(tmp_path)["validation"]) == [5, 10, 15]


@pytest.mark.parametrize("batches", [slow(1), 2])
def test_a_run_that_is_stopped_in_its_last_validation_is_not_finished(
    unbroken, tmp_path, monkeypatch, batches
):
    config, *_ = unbroken
    config = config.replace(eval_batch_size=4 // batches)
    dataset = open_dataset(config)
    _signal_at(monkeypatch, signal.SIGTERM, batch=2 * batches + 1)
    assert train(config, dataset, tmp_path) is Outcome.STOPPED
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 15
        assert ("loss" in checkpoints.metrics(15)) == (batches == 1)  # it was the last batch
    assert train(config, dataset, tmp_path) is Outcome.FINISHED
    with Checkpoints(tmp_path) as checkpoints:
        assert "loss" in checkpoints.metrics(15)


def _saved_steps(monkeypatch):
    saved, good = [], Checkpoints.save

    def noted(self, state, *args):
        saved.append(int(state.step))
        return good(self, state, *args)

    monkeypatch.setattr(Checkpoints, "save", noted)
    return saved


def test_a_run_is_saved_when_it_is_asked_to_and_goes_on(unbroken, tmp_path, monkeypatch):
    config, *_ = unbroken
    config = config.replace(epochs=1, save_every=100)
    saved = _saved_steps(monkeypatch)
    good = loop.Readings.add

    def asking(self, step, metrics):
        if step == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        good(self, step, metrics)

    monkeypatch.setattr(loop.Readings, "add", asking)
    assert train(config, open_dataset(config), tmp_path) is Outcome.FINISHED
    assert saved == [2, 5]


def test_a_run_is_saved_by_time_too(unbroken, tmp_path, monkeypatch):
    config, *_ = unbroken
    saved = _saved_steps(monkeypatch)
    often = config.replace(epochs=1, save_every=100, save_minutes=1e-9)
    assert train(often, open_dataset(often), tmp_path) is Outcome.FINISHED
    assert saved == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_settings_that_change_no_number_are_free_when_a_run_is_resumed(unbroken, tmp_path):
    config, expected, _ = unbroken
    dataset = open_dataset(config)
    train(config.replace(max_minutes=1e-9), dataset, tmp_path)
    others = config.replace(save_every=3, save_minutes=1.0, log_every=2, epochs=2)
    assert train(others, dataset, tmp_path) is Outcome.FINISHED
    # The learning rate does not depend on how long a run is: it may go on.
    assert train(config, dataset, tmp_path) is Outcome.FINISHED
    _same(_final(tmp_path, config), expected)


def test_what_a_run_has_begun_with_stays_on_record(unbroken, tmp_path, capsys):
    config, _, workdir = unbroken
    begun = config.replace(epochs=1, init_from=str(workdir))
    dataset = open_dataset(config)
    train(begun.replace(max_minutes=1e-9), dataset, tmp_path)
    capsys.readouterr()
    assert train(begun.replace(init_from="/elsewhere"), dataset, tmp_path) is Outcome.FINISHED
    assert f"This run began with {workdir}: config.init_from=/elsewhere is not" in (
        capsys.readouterr().out
    )
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.config(5).init_from == str(workdir)


def test_a_finished_run_is_left_as_it_is(unbroken):
    config, _, workdir = unbroken
    files = {p: p.stat().st_mtime_ns for p in workdir.glob("checkpoints/*/sha256.json")}
    assert train(config, open_dataset(config), workdir) is Outcome.FINISHED
    assert files == {p: p.stat().st_mtime_ns for p in workdir.glob("checkpoints/*/sha256.json")}


def test_divergence_names_update_rate_and_checkpoint(unbroken, tmp_path, monkeypatch):
    config, *_ = unbroken
    good = setup.make_train_step

    def diverging(*args, **kwargs):
        step = good(*args, **kwargs)

        def wrapped(state, batch):
            new, metrics = step(state, batch)
            bad = jax.numpy.where(state.step >= 3, jax.numpy.nan, 0.0)
            return new, {**metrics, "loss": metrics["loss"] + bad}

        return wrapped

    monkeypatch.setattr(setup, "make_train_step", diverging)
    with pytest.raises(TrainingDiverged) as error:
        train(config, open_dataset(config), tmp_path)
    message = str(error.value)
    assert "loss nan" in message
    assert "in update 4 at learning rate" in message
    assert "last good checkpoint is of update 2" in message
    assert _final(tmp_path, config)[0] == 2


def test_curves_are_recorded(unbroken):
    *_, workdir = unbroken
    events = b"".join(p.read_bytes() for p in (workdir / "events").iterdir())
    for name in (b"train/loss", b"train/learning_rate", b"validation/miou"):
        assert name in events


def test_batch_statistics_are_those_of_one_device(unbroken, tmp_path):
    config, *_ = unbroken
    shared = config.replace(norm_statistics="batch", devices=2)
    with pytest.raises(rsf.InputError, match=r"devices is 2: with config\.norm_statistics=batch"):
        train(shared, open_dataset(config), tmp_path)
    assert len(devices_for(config.replace(norm_statistics="batch", devices=0)).devices) == 1
    assert len(devices_for(config.replace(devices=0)).devices) == 4
    guarded = config.replace(neumann_guard="batch", gradient="c_rbp", devices=0)
    assert len(devices_for(guarded).devices) == 1
    assert len(devices_for(guarded.replace(gradient="bptt")).devices) == 4
    with pytest.raises(rsf.InputError, match=r"with config\.neumann_guard=batch results would"):
        devices_for(guarded.replace(devices=2))


def test_four_devices_train_a_run(unbroken, tmp_path):
    config, (_, expected), _ = unbroken
    shared = config.replace(devices=4)
    assert train(shared, open_dataset(shared), tmp_path) is Outcome.FINISHED
    step, state = _final(tmp_path, config)
    assert step == 15
    for ours, one in zip(jax.tree.leaves(state.params), jax.tree.leaves(expected.params)):
        np.testing.assert_allclose(ours, one, atol=2e-3)


def test_a_second_interrupt_does_not_wait():
    with StopRequest() as stop:
        assert stop.reason is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.reason == "SIGINT received"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_an_exploded_loss_ends_the_run_and_keeps_the_best(unbroken, tmp_path, monkeypatch, capsys):
    config, *_ = unbroken
    losses = iter([0.1, 0.05, 0.4, 0.06])  # of the validations after 2, 4, 6 and 8 updates
    scored = loop.summarize
    monkeypatch.setattr(
        loop, "summarize", lambda s: dataclasses.replace(scored(s), loss=next(losses))
    )
    config, dataset = config.replace(validate_every=2), open_dataset(config)
    assert train(config, dataset, tmp_path) is Outcome.EXPLODED
    message = capsys.readouterr().out
    assert (
        "Ended after update 6 of 15: the validation loss, 0.40000, is more than 5 times" in message
    )
    assert "that of update 4, 0.05000, whose checkpoint is kept" in message
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.best_step() == 4
    # The same command says so again; with another limit it goes on from where it was.
    assert train(config, dataset, tmp_path) is Outcome.EXPLODED
    with pytest.raises(StopIteration):
        train(config.replace(explosion=0.0), dataset, tmp_path)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 10  # saved, then validated


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["c_rbp", "j_phantom"])
def test_other_estimators_train_and_tell_of_convergence(unbroken, tmp_path, capsys, gradient):
    config, *_ = unbroken
    config = config.replace(gradient=gradient, epochs=1, diagnostics=True, penalty_bound=0.1)
    assert train(config, open_dataset(config), tmp_path) is Outcome.FINISHED
    recorded = curves.read(tmp_path)
    assert all(point["penalty"] > 0 for point in recorded["train"].values())
    (last,) = recorded["validation"].values()
    assert 0 < last["spectral_radius"] < 2
    assert 0 < last["residual"] < 1
    assert last["penalty"] > 0
    assert 0 <= last["neumann_terms"] <= 15
    assert "spectral radius 0." in capsys.readouterr().out


@pytest.mark.slow
def test_schedules_are_drawn_by_seed_and_update(data_dir, tmp_path):
    config = _config(data_dir).replace(schedules="s2f1,s1f1", epochs=1)
    dataset = open_dataset(config)

    def chosen(config):
        choose = build_setup(config, dataset, here()).compile_steps()
        steps = [choose(update) for update in range(1, 41)]
        return [steps.index(step) for step in steps]

    first = chosen(config)
    assert len(set(first)) == 2
    assert chosen(config) == first
    assert chosen(config.replace(seed=1)) != first
    assert train(config, dataset, tmp_path) is Outcome.FINISHED
    both = _final(tmp_path, config)
    one = config.replace(schedules="s1f1")
    assert train(one, dataset, tmp_path / "one") is Outcome.FINISHED
    with pytest.raises(AssertionError):
        _same(both, _final(tmp_path / "one", one))
