"""What a server has to bear: load, hostile messages, clients that are killed, its own end.

While any of it goes on, other streams run, and each of their results is looked at.
"""

import asyncio
import dataclasses
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

import rsf_jax as rsf
from benchmarks import hostile
from benchmarks.serving import PERCENTILES, Load, Server
from benchmarks.serving_streams import Followed, Follower, Reference
from rsf_jax.serving.client import Client
from rsf_jax.shown import in_a_line

_TOGETHER = 5  # clients of a process that is killed
_PAUSE = 0.05  # seconds between two messages: a server refuses who sends 50 requests a second
_VICTIM = "victim"
_TOLD = 2000  # characters of a traceback


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Attributes:
        name: what was tried.
        count: messages, clients or kills.
        wrong: what should not have been, in words.
        resumed: how often a stream went on where the server was.
        told: how often a client was told that its stream is no more, and began anew.
        frames: results of streams that ran meanwhile, and were looked at.
        seconds: that it took.
    """

    __repr__ = in_a_line

    name: str
    count: int
    wrong: tuple[str, ...]
    resumed: int
    told: int
    frames: int
    seconds: float

    def table(self) -> Table:
        """Returns it for print, and what was wrong below."""
        shown = Table(title="What became of streams, and of results of those beside")
        columns = {
            "": f"{self.count} {self.name}",
            "seconds": f"{self.seconds:.0f}",
            "went on": str(self.resumed),
            "were told": str(self.told),
            "results beside": str(self.frames),
            "wrong": str(len(self.wrong)),
        }
        for heading in columns:
            shown.add_column(heading, justify="right" if heading else "left")
        shown.add_row(*columns.values())
        shown.caption = "; ".join(self.wrong[:10]) or None
        return shown


def under_load(address: str, reference: Reference, streams: int, seconds: float) -> Load:
    """Sends frames over as many connections as streams, as fast as results come.

    Args:
        address: of a server.
        reference: frames, and what results have to be.
        streams: how many.
        seconds: for which frames are sent.
    """
    found = asyncio.run(_loaded(address, reference, streams, seconds))
    times = np.concatenate([one.times for one in found])
    latency = Client(address).statistics()["latency"]
    return Load(
        frames=len(times),
        seconds=max(one.took for one in found),
        wrong=sum(len(one.wrong) for one in found),
        latency=dict(zip(PERCENTILES, np.percentile(times, PERCENTILES).tolist())),
        engine_latency={int(p): s for p, s in latency.items()},
    )


async def _loaded(
    address: str, reference: Reference, streams: int, seconds: float
) -> list[Followed]:
    followers = [Follower(address, number, reference) for number in range(streams)]
    for follower in followers:
        await follower.open()
    until = time.monotonic() + seconds
    return list(
        await asyncio.gather(*(f.follow(lambda: time.monotonic() < until) for f in followers))
    )


def messages(server: Server, reference: Reference, streams: int, count: int) -> Trial:
    """Sends messages that are hostile or damaged; all have to be refused, by a reason or an end."""

    async def act(wrong: list[str]) -> None:
        client = Client(server.address)
        client.open("hostile", frames="raw", masks="raw")
        for number in range(count):
            try:
                answered = await asyncio.to_thread(hostile.send, server.address, number)
                if not answered.refused:
                    wrong.append(f"{answered.kind!r} was not refused: status {answered.status}")
            except OSError as error:
                wrong.append(f"message {number}: {type(error).__name__} {error}")
            await asyncio.sleep(_PAUSE)

    return asyncio.run(_beside(server, reference, streams, "hostile messages", count, act))


def clients(server: Server, reference: Reference, streams: int, count: int) -> Trial:
    """Kills processes of clients while they send; others go on with their streams."""
    after: list[Followed] = []

    async def act(wrong: list[str]) -> None:
        for first in range(0, count, _TOGETHER):
            numbers = range(first, min(first + _TOGETHER, count))
            await _killed(server.address, numbers, reference)
            heirs = [
                Follower(server.address, number, reference, survives=True, prefix=_VICTIM)
                for number in numbers
            ]
            after.extend(
                await asyncio.gather(*(heir.follow(_several(), again=True) for heir in heirs))
            )
        for one in after:
            wrong.extend(one.wrong)
            wrong.extend(["a stream was lost"] * one.told)

    trial = asyncio.run(_beside(server, reference, streams, "killed clients", count, act))
    return dataclasses.replace(trial, resumed=sum(one.resumed for one in after))


def _several() -> Callable[[], bool]:
    """Says yes so often that each place of a video is seen."""
    left = iter(range(40))
    return lambda: next(left, None) is not None


async def _killed(address: str, numbers: Sequence[int], reference: Reference) -> None:
    """Lets a process open streams and send frames, and kills it in the midst."""
    script = Path(__file__).with_name("serving_victim.py")
    frames = b"".join(reference.frame(n, index) for n in numbers for index in range(8))
    process = subprocess.Popen(
        [sys.executable, str(script), address, _VICTIM, *map(str, numbers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frames)
        process.stdin.close()
        await asyncio.to_thread(process.stdout.readline)  # all of them have had results
        await asyncio.sleep(0.2)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def kills(server: Server, reference: Reference, streams: int, count: int, wait: float) -> Trial:
    """Kills the server and starts it again; streams go on from its last snapshot.

    Args:
        server: with a snapshot; it is left stopped.
        reference: frames, and what results have to be.
        streams: that run.
        count: how often it is killed.
        wait: seconds between its start and its end.
    """
    running = server

    async def act(wrong: list[str]) -> None:
        nonlocal running
        for _ in range(count):
            await asyncio.sleep(wait)
            await asyncio.to_thread(running.kill)
            wrong.extend(_said(running))
            running = await asyncio.to_thread(running.again)
        await asyncio.sleep(wait)

    try:
        trial = asyncio.run(
            _beside(server, reference, streams, "kills of the server", count, act, survives=True)
        )
        expected = count * streams
        if trial.resumed + trial.told < expected:
            lost = f"{trial.resumed + trial.told} of {expected} times a stream went on or was told"
            return dataclasses.replace(trial, wrong=(*trial.wrong, lost))
        return trial
    finally:
        running.stop()


async def _beside(
    server: Server,
    reference: Reference,
    streams: int,
    name: str,
    count: int,
    act: Callable[[list[str]], Awaitable[None]],
    *,
    survives: bool = False,
) -> Trial:
    """Does something while streams run."""
    began, over = time.monotonic(), False
    followers = [Follower(server.address, n, reference, survives=survives) for n in range(streams)]
    for follower in followers:
        await follower.open()
    work = [asyncio.create_task(f.follow(lambda: not over)) for f in followers]
    wrong: list[str] = []
    try:
        await act(wrong)
    finally:
        over = True
        found = await asyncio.gather(*work)
    for one in found:
        wrong.extend(one.wrong)
    if not survives:
        wrong.extend(_unwell(server))
    return Trial(
        name=name,
        count=count,
        wrong=tuple(wrong),
        resumed=sum(one.resumed for one in found),
        told=sum(one.told for one in found),
        frames=sum(len(one.times) for one in found),
        seconds=time.monotonic() - began,
    )


def _unwell(server: Server) -> list[str]:
    """What a server should not have come to."""
    try:
        told = Client(server.address).statistics()
    except rsf.InputError as error:
        return [f"the server is away: {error}"]
    failed = [f"{told['failed_ticks']} ticks have failed"] if told["failed_ticks"] else []
    return failed + _said(server)


def _said(server: Server) -> list[str]:
    _, found, trace = server.said.partition("Traceback")
    return [f"the server has printed a traceback: {trace[:_TOLD]}"] if found else []
