"""Processes that make examples: what is left of them."""

import os
import signal
import subprocess
import sys
import time

import pytest
from generated_videos import parallel

_BUILD = """
import os, sys
sys.path[:0] = {path!r}
from generated_videos.parallel import generate
from test_parallel import pids
for found in generate(pids, None, 0, range(10**9), workers=2):
    print(found["worker"], flush=True)
"""


def pids(settings, seed, index):
    """An example that tells which process has made it."""
    time.sleep(0.01)
    return {"worker": os.getpid()}


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")
def test_workers_end_with_a_build_that_was_killed():
    folders = [os.path.dirname(parallel.__file__) + "/..", os.path.dirname(__file__)]
    code = _BUILD.format(path=folders)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as build:
        workers = set()
        while len(workers) < 2:
            workers.add(int(build.stdout.readline()))
        assert all(map(_runs, workers))
        build.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10 * parallel.PATIENCE
    while any(map(_runs, workers)):
        assert time.monotonic() < end
        time.sleep(0.1)
