"""A server under load on this machine, beside its engine alone."""

import dataclasses
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

import rsf_jax as rsf
from rsf_jax.policies import StepPolicy
from rsf_jax.serving.protocol import outputs
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained

_START = 300.0  # seconds that a server may take to start
AHEAD = 4  # frames that a client sends before it has results
PERCENTILES = (50, 95, 99)
# What a server is to keep of its engine: frames a second, and the slowest hundredth of results.
LEAST_RATE, MOST_LATENCY = 0.9, 2.0


@dataclasses.dataclass(frozen=True)
class Load:
    """What a server, or an engine, has done under load.

    Attributes:
        frames: results that came.
        seconds: in which.
        wrong: results of another stream, out of order, or that never came.
        latency: seconds from sending a frame to having its result, by percentile.
        engine_latency: the same within the engine.
    """

    __repr__ = in_a_line

    frames: int
    seconds: float
    wrong: int
    latency: dict[int, float]
    engine_latency: dict[int, float]

    @property
    def rate(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


def engine_alone(
    trained: Trained, policy: StepPolicy, frames: np.ndarray, slots: int, streams: int, wait: float
) -> Load:
    """Runs the engine of a server in this thread, as many frames as it takes, for some seconds.

    Args:
        trained: the model.
        policy: when frames end.
        frames: uint8 [S, T, H, W, I], videos that streams show again and again, each from a fresh
            state.
        slots: frames computed together.
        streams: that are open.
        wait: seconds.
    """
    engine = trained.engine(
        policy,
        frames.shape[2:4],
        slots=slots,
        max_streams=streams,
        queue=AHEAD,
        transform=outputs,
    )
    opened = [engine.open() for _ in range(streams)]
    began, count = time.perf_counter(), 0
    while time.perf_counter() < began + wait:
        for number, stream in enumerate(opened):
            while engine.has_room(stream):
                place = stream.submitted % frames.shape[1]
                if place == 0:
                    engine.reset(stream)
                engine.submit(stream, frames[number % len(frames), place])
        engine.tick()
        count += len(engine.poll())
    # As a server does; or the frames that took longest would be in no figure.
    count += sum(1 for _ in engine.results())
    seconds = time.perf_counter() - began
    latency = engine.statistics().latency
    return Load(count, seconds, 0, latency, latency)


class Server:
    """A server as a process of its own.

    Args:
        flags: of the command `serve`.
        folder: for what it says.
        port: to listen at; 0 for any that is free.

    Attributes:
        address: where it is asked.
    """

    def __init__(self, flags: Sequence[str], folder: Path, port: int = 0) -> None:
        self._flags, self._folder = flags, folder
        script = Path(__file__).parents[1] / "serve.py"
        self._log = folder / f"server-{time.monotonic_ns()}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(script), f"--port={port}", *flags], stdout=log, stderr=log
            )
        try:
            self.address = self._started()
        except BaseException:
            self.stop()
            raise

    def _started(self) -> str:
        until = time.monotonic() + _START
        while time.monotonic() < until and self._process.poll() is None:
            if found := re.search(r"Open (http://\S+)/\n", self._log.read_text()):
                return found[1]
            time.sleep(0.1)
        raise rsf.InputError(f"the server has not started: {self._log.read_text()[-500:]}")

    @property
    def port(self) -> int:
        """At which it listens."""
        return int(self.address.rpartition(":")[2])

    @property
    def said(self) -> str:
        """What it has printed."""
        return self._log.read_text()

    def kill(self) -> None:
        """Ends it at once, by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def again(self) -> "Server":
        """Returns another one in its place, after `kill` or `stop`."""
        return Server(self._flags, self._folder, self.port)

    def stop(self) -> None:
        """Ends it, once clients have what was computed for them."""
        self._process.terminate()
        self._process.wait()


def table(server: Load, alone: Load) -> Table:
    """Returns what was measured for print, and below it what it was to be."""
    shown = Table(title="A server and its engine alone, from sending a frame to having its result")
    shown.add_column("")
    for heading in ("frames/s", "wrong", "ms, 50 / 95 / 99 %", "within the engine"):
        shown.add_column(heading, justify="right")
    for name, load in (("server", server), ("engine alone", alone)):
        times = (
            " / ".join(f"{1000 * seconds:.0f}" for seconds in latency.values())
            for latency in (load.latency, load.engine_latency)
        )
        shown.add_row(name, f"{load.rate:.1f}", str(load.wrong), *times)
    rate, latency = server.rate / alone.rate, server.latency[99] / alone.latency[99]
    shown.caption = (
        f"{rate:.0%} of the engine's frames a second ({LEAST_RATE:.0%} are wanted); 99 %: "
        f"{latency:.2f} times the engine's ({MOST_LATENCY:g} at most)"
    )
    return shown
