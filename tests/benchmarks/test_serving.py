"""What a server bears, in short: `launch/benchmark_serving.py` tries the same for longer."""

import dataclasses
import socket
import threading

import numpy as np
import pytest

pytest.importorskip("starlette")

from benchmarks import hostile, serving, serving_trials
from benchmarks.record import as_values
from benchmarks.serving_streams import PERIOD, Reference

import rsf_jax as rsf

MODEL, POLICY = "quickstart_live16", "s3f1"


@pytest.fixture(scope="module")
def reference():
    return Reference(rsf.load_pretrained(MODEL), rsf.parse_policy(POLICY), (36, 36), streams=4)


def test_a_reference_tells_streams_frames_and_lost_states_apart(reference):
    trained, policy = rsf.load_pretrained(MODEL), rsf.parse_policy(POLICY)
    masks = np.asarray(trained.run(reference.frames, policy).logits.argmax(-1))
    alone = reference.frames.reshape(-1, 1, *reference.frames.shape[2:])
    without_state = np.asarray(trained.run(alone, policy).logits.argmax(-1)).reshape(masks.shape)
    for index in range(PERIOD):
        assert reference.fits(1, index + 5 * PERIOD, masks[1, index])
        assert reference.fits(5, index, masks[1, index])  # of four different ones
        assert not reference.fits(2, index, masks[1, index])
        assert not reference.fits(1, index + 1, masks[1, index])
        assert index == 0 or not reference.fits(1, index, without_state[1, index])
    assert not reference.fits(1, 0, masks[1, 0][:-1])
    assert reference.frame(1, PERIOD + 2) == reference.frames[1, 2].tobytes()


def test_hostile_messages_are_of_many_kinds_and_a_yes_is_seen():
    assert len(set(hostile.all_kinds())) >= 35
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        answered = hostile.send(address, 0)
        thread.join()
    assert (answered.status, answered.refused) == (200, False)


def test_the_table_has_both_ratios():
    load = serving.Load(900, 10.0, 0, {50: 0.1, 95: 0.2, 99: 0.3}, {50: 0.1, 95: 0.2, 99: 0.3})
    alone = dataclasses.replace(load, frames=1000, latency={50: 0.1, 95: 0.1, 99: 0.2})
    shown = as_values(serving.table(load, alone))
    assert shown["rows"][0] == ["server", "90.0", "0", "100 / 200 / 300", "100 / 200 / 300"]
    text = shown["caption"]
    assert "90% of the engine's frames a second (90% are wanted)" in text
    assert "99 %: 1.50 times the engine's (2 at most)" in text


def test_what_was_wrong_stands_below_the_table_of_a_trial():
    trial = serving_trials.Trial("kills", 3, ("one", "two"), 4, 1, 99, 12.3)
    shown = as_values(trial.table())
    assert shown["rows"] == [["3 kills", "12", "4", "1", "99", "2"]]
    assert shown["caption"] == "one; two"
    assert "caption" not in as_values(dataclasses.replace(trial, wrong=()).table())


@pytest.fixture
def server(tmp_path):
    flags = [f"--pretrained={MODEL}", f"--workdir={tmp_path}", f"--policy={POLICY}", "--slots=2"]
    flags += ["--idle_seconds=600", f"--snapshot={tmp_path / 'streams.safetensors'}"]
    started = serving.Server([*flags, "--snapshot_seconds=0.5"], tmp_path)
    yield started
    started.stop()


@pytest.mark.slow
def test_hostile_messages_and_killed_clients_disturb_nobody(server, reference):
    count = len(hostile.all_kinds())
    trial = serving_trials.messages(server, reference, streams=2, count=count)
    assert trial.wrong == ()
    assert trial.frames > 10
    trial = serving_trials.clients(server, reference, streams=2, count=5)
    assert trial.wrong == ()
    assert trial.resumed >= 5
    load = serving_trials.under_load(server.address, reference, streams=6, seconds=1.0)
    assert (load.wrong, load.frames > 6) == (0, True)


@pytest.mark.slow
def test_streams_outlive_a_server_that_is_killed(server, reference):
    trial = serving_trials.kills(server, reference, streams=3, count=2, wait=2.0)
    assert trial.wrong == ()
    assert trial.resumed + trial.told >= 6
    assert trial.resumed > 0
