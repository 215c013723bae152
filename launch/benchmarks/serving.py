"""A server under load on this machine, beside its engine alone."""

import asyncio
import dataclasses
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import connect

import rsf_jax as rsf
from rsf_jax.policies import StepPolicy
from rsf_jax.serving.client import Client
from rsf_jax.serving.protocol import outputs, unpack
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained

_START = 300.0  # seconds that a server may take to start
_AHEAD = 4  # frames that a client sends before it has results
_PERCENTILES = (50, 95, 99)


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


def noise(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns frames of noise, uint8 [count, H, W, I]: none repeats another."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def engine_alone(
    trained: Trained, policy: StepPolicy, frames: np.ndarray, slots: int, streams: int, wait: float
) -> Load:
    """Runs the engine of a server in this thread, as many frames as it takes, for some seconds."""
    engine = trained.engine(
        policy,
        frames.shape[1:3],
        slots=slots,
        max_streams=streams,
        queue=_AHEAD,
        transform=outputs,
    )
    opened = [engine.open() for _ in range(streams)]
    began, count = time.perf_counter(), 0
    while time.perf_counter() < began + wait:
        for stream in opened:
            while engine.has_room(stream):
                engine.submit(stream, frames[stream.submitted % len(frames)])
        engine.tick()
        count += len(engine.poll())
    seconds = time.perf_counter() - began
    latency = engine.statistics().latency
    return Load(count, seconds, 0, latency, latency)


class Server:
    """A server as a process of its own.

    Args:
        flags: of the command `serve`.
        folder: for what it says.
    """

    def __init__(self, flags: Sequence[str], folder: Path) -> None:
        script = Path(__file__).parents[1] / "serve.py"
        self._log = folder / "server.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(script), "--port=0", *flags], stdout=log, stderr=log
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

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()


def under_load(address: str, frames: np.ndarray, streams: int, seconds: float) -> Load:
    """Sends frames over as many connections as streams, as fast as results come.

    Args:
        address: of a server.
        frames: uint8 [count, H, W, I], of the model's size.
        streams: how many.
        seconds: for which frames are sent.
    """
    client = Client(address)
    for number in range(streams):
        client.stream(f"load-{number}", frames="raw", masks="raw").leave()
    found = asyncio.run(_all(address, frames, streams, seconds))
    took = max(one["took"] for one in found)
    times = np.concatenate([one["times"] for one in found])
    latency = client.statistics()["latency"]
    return Load(
        frames=len(times),
        seconds=took,
        wrong=sum(one["wrong"] for one in found),
        latency=dict(zip(_PERCENTILES, np.percentile(times, _PERCENTILES).tolist())),
        engine_latency={int(p): s for p, s in latency.items()},
    )


async def _all(
    address: str, frames: np.ndarray, streams: int, seconds: float
) -> list[dict[str, Any]]:
    sent = [frame.tobytes() for frame in frames]
    work = (_one(address, f"load-{n}", sent, seconds) for n in range(streams))
    return list(await asyncio.gather(*work))


async def _one(address: str, name: str, frames: list[bytes], seconds: float) -> dict[str, Any]:
    """One stream: its results have to come in order, and to be its own."""
    url = f"{address.replace('http', 'ws', 1)}/v1/streams/{name}/frames"
    when: list[float] = []
    times: list[float] = []
    wrong = 0
    async with connect(url, max_size=2**24, compression=None) as socket:
        began = time.perf_counter()
        while len(times) < len(when) or time.perf_counter() < began + seconds:
            while len(when) - len(times) < _AHEAD and time.perf_counter() < began + seconds:
                when.append(time.perf_counter())
                await socket.send(frames[len(when) % len(frames)])
            content = await socket.recv()
            now = time.perf_counter()
            about = unpack(content)[0] if isinstance(content, bytes) else {}
            expected = {"stream": name, "index": len(times), "status": "done"}
            wrong += {key: about.get(key) for key in expected} != expected
            times.append(now - when[len(times)])
        took = time.perf_counter() - began
        await socket.send(json.dumps({"type": "close"}))
    return {"took": took, "times": times, "wrong": wrong}


def report(server: Load, alone: Load) -> str:
    """Returns what was measured, in a table."""
    lines = [
        "|  | frames/s | wrong | ms to the result, 50 / 95 / 99 % | within the engine |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, load in (("server", server), ("engine alone", alone)):
        shown, within = (
            " / ".join(f"{1000 * seconds:.0f}" for seconds in latency.values())
            for latency in (load.latency, load.engine_latency)
        )
        lines.append(f"| {name} | {load.rate:.1f} | {load.wrong} | {shown} | {within} |")
    return "\n".join([*lines, f"{server.rate / alone.rate:.0%} of the engine's frames a second"])
