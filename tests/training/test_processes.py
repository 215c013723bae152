"""Two processes train one model: as one process with two devices, and through losses."""

import os
import shutil
import signal
import socket
import time
from functools import partial

import jax
import numpy as np
import pytest
from configs import tiny_config

import rsf_jax as rsf
from rsf_jax.data.batches import training_batches
from rsf_jax.data.dataset import open_dataset
from rsf_jax.parallel.processes import HEARTBEAT, Processes
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.loop import Outcome, train
from rsf_jax.training.state import build_optimizer, create_state
from tests import launching

pytestmark = pytest.mark.slow

_SETTINGS = {
    "dataset": "t_pathfinder/tiny",
    "channels": 4,
    "kernel_size": 3,
    "slow_steps": 1,
    "batch_size": 8,
    "epochs": 2,
    "validation_share": 0.1,
    "validate_every": 5,
    "save_every": 2,
    "log_every": 1,
    "eval_batch_size": 4,
}


@pytest.fixture(scope="module")
def config(data_dir):
    return tiny_config(data_dir, **_SETTINGS)


def _start(config, workdir, both=(), second=()):
    """Starts both, with some more flags for them and for the second; returns them."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    flags = [f"--config.{name}={value}" for name, value in _SETTINGS.items()]
    flags += [f"--config.data_dir={config.data_dir}", "--config=quickstart"]
    flags += [f"--workdir={workdir}", f"--coordinator=localhost:{port}", "--num_processes=2"]
    # Compiled as here, each with one device: their ends are compared bitwise.
    xla_flags = os.environ["XLA_FLAGS"].replace("device_count=4", "device_count=1")
    return [
        launching.start(
            workdir.with_name(f"launched{index}"),
            "train",
            *flags,
            *both,
            *(second if index else ()),
            f"--process_id={index}",
            xla_flags=xla_flags,
        )
        for index in range(2)
    ]


def _end(workdir, config):
    with Checkpoints(workdir) as checkpoints:
        step = checkpoints.latest_step()
        like = create_state(rsf.build_model(config), build_optimizer(config, 5), 0, (8, 8))
        metrics = checkpoints.metrics(step)
        return step, checkpoints.restore(step, like, config), metrics


def _kill_one(processes, index, workdir, after):
    deadline = time.monotonic() + 120
    while not any(int(p.parent.name) >= after for p in workdir.glob("checkpoints/*/sha256.json")):
        ended = [p.stdout + p.stderr for p in processes if p.returncode is not None]
        assert not ended, ended
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(processes[index].pid, signal.SIGKILL)
    other = processes[1 - index].wait(HEARTBEAT + 10)
    assert other.returncode not in (0, None)
    # The second is JAX's own, where it was sooner.
    assert "has lost another of the 2" in other.stderr or "another task died" in other.stderr


@pytest.fixture(scope="module")
def unbroken(config, tmp_path_factory):
    """The folder of a run of two processes that nothing disturbed."""
    unbroken = tmp_path_factory.mktemp("two") / "unbroken"
    first, second = (process.wait() for process in _start(config, unbroken))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "process 1 of 2" in second.stdout
    assert (unbroken / "results.json").exists()
    return unbroken


def test_two_processes_train_what_one_does_with_two_devices(config, unbroken, tmp_path):
    alone = tmp_path / "alone"
    step, state, metrics = _end(unbroken, config)
    assert train(config.replace(devices=2), open_dataset(config), alone) is Outcome.FINISHED
    assert step == 10
    # Compiled for two devices, sums are taken in another order.
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), state, _end(alone, config)[1])
    assert metrics == pytest.approx(_end(alone, config)[2], rel=1e-3)


def test_a_run_whose_processes_were_killed_resumes_to_the_same_end(config, unbroken, tmp_path):
    killed = tmp_path / "killed"
    for index, after in ((1, 2), (0, 6)):  # mid-epoch: an epoch has 5 updates
        _kill_one(_start(config, killed), index, killed, after)
        assert not (killed / "results.json").exists()
    for process in _start(config, killed):
        assert process.wait().returncode == 0, process.stderr
    jax.tree.map(np.testing.assert_array_equal, _end(killed, config), _end(unbroken, config))


def test_sigterm_to_one_stops_both(config, tmp_path):
    processes = _start(config, tmp_path / "run")
    while not list(tmp_path.glob("run/checkpoints/*/sha256.json")):
        assert processes[0].returncode is None, processes[0].stderr
        time.sleep(0.01)
    os.kill(processes[1].pid, signal.SIGTERM)
    unfinished = [process.wait().returncode for process in processes]
    assert unfinished == [75, -signal.SIGTERM], processes[0].stderr
    assert "process 1 has to stop. Run again to resume" in processes[0].stdout


def test_other_settings_of_one_are_told_by_both(config, tmp_path):
    # What belongs to a machine, and what changes no number, may differ.
    others = ["--config.learning_rate=1e-2", "--config.log_every=3"]
    for process in _start(config, tmp_path / "run", second=others):
        assert process.wait().returncode == 1
        assert "process 1 and process 0 have other settings: start all" in process.stderr
        assert "Traceback" not in process.stderr
    assert not list(tmp_path.glob("run/checkpoints/*"))


def test_an_error_of_the_first_is_told_by_all(config, unbroken, tmp_path):
    workdir = shutil.copytree(unbroken, tmp_path / "run")
    for process in _start(config, workdir, both=["--config.channels=3"]):
        assert process.wait().returncode == 1
        assert "holds a run with other settings: channels=4 there, 3 here" in process.stderr


@pytest.mark.parametrize("count", [2, 3, 5, 16])
def test_parts_of_batches_are_the_batches(config, count):
    dataset = open_dataset(config)
    config = config.replace(batch_size=7)
    for first in (0, 5):  # of 6 an epoch, the last of which has a video
        whole = training_batches(dataset, config, first)
        parts = [
            training_batches(dataset, config, first, Processes(i, count)) for i in range(count)
        ]
        for _ in range(4):
            batch = next(whole)
            shares = [next(part) for part in parts]
            assert len({share.frames.shape for share in shares}) == 1
            joined = jax.tree.map(lambda *x: np.concatenate(x), *shares)
            counted, expected = joined.weights > 0, batch.weights > 0
            np.testing.assert_array_equal(joined.frames[counted], batch.frames[expected])
            np.testing.assert_array_equal(joined.masks[counted], batch.masks[expected])


@pytest.mark.parametrize("total", [1, 4, 5])
def test_scores_of_shares_are_joined_in_order(config, total, monkeypatch):
    videos = open_dataset(config).train[:total]
    shares = [np.stack([v["frames"] for v in Processes(i, 3).shard(videos)]) for i in range(3)]
    monkeypatch.setattr(
        "rsf_jax.parallel.processes.multihost_utils.process_allgather", lambda x: np.stack(shares)
    )
    joined = Processes(0, 3).gather(shares[0], total)
    np.testing.assert_array_equal(joined, np.stack([v["frames"] for v in videos]))
