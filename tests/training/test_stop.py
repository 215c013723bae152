"""Signals that arrive while the main thread computes, and what they come to in a shell."""

import concurrent.futures
import signal
import subprocess
import sys
import time

import pytest

from rsf_jax.training.stop import StopRequest, received_signal

# One call of C that lasts minutes, in which Python runs no handler.
_BUSY = """
import hashlib
from rsf_jax.training.stop import StopRequest
with StopRequest():
    print("busy", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
"""


def test_a_second_interrupt_ends_a_process_that_computes():
    command = [sys.executable, "-c", _BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        first = process.stdout.readline()
        assert "SIGINT received: the run ends after this update; once more" in first
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stdout.read() == "interrupted\n"


def test_the_handlers_of_before_come_back():
    before = signal.getsignal(signal.SIGTERM)
    wakeup = signal.set_wakeup_fd(-1)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.reason == "SIGTERM received"
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.set_wakeup_fd(wakeup) == wakeup
    assert received_signal() == signal.SIGTERM


def test_in_another_thread_time_alone_asks_to_end():
    before = signal.getsignal(signal.SIGTERM)

    def work():
        with StopRequest(max_minutes=1e-6) as stop:
            time.sleep(0.001)
            return stop.reason, signal.getsignal(signal.SIGTERM)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        reason, during = pool.submit(work).result()
    assert reason == "config.max_minutes is over"
    assert during == signal.getsignal(signal.SIGTERM) == before


def test_saving_is_asked_for_once():
    with StopRequest(save_minutes=1e-4) as stop:
        stop.saved()
        assert not stop.wants_save
        time.sleep(0.01)
        assert stop.wants_save
    with StopRequest() as stop:
        assert not stop.wants_save
        signal.raise_signal(signal.SIGUSR1)
        assert stop.wants_save
        assert stop.reason is None
        stop.saved()
        assert not stop.wants_save


@pytest.mark.parametrize("minutes", [0.0, 10.0])
def test_without_time_nothing_is_asked(minutes):
    with StopRequest(save_minutes=minutes, max_minutes=minutes) as stop:
        assert not stop.wants_save
        assert stop.reason is None
