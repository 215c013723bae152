"""A live video against a file of the same content: frames analyzed, and memory.

Each is run in a process of its own, with the overlay, as `launch/stream.py` runs it. The live one
comes over HTTP from this machine, as fast as a camera would send it.
"""

import dataclasses
import datetime
import json
import multiprocessing
import re
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.record import write_record
from rsf_jax.console import table_console
from rsf_jax.errors import InputError

FILE = "video_speed.json"
_SENT = 20  # times a second
_FIRST = 5  # frames that are not timed
_LEAST = 5  # that are


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        folder: of the trained model.
        policy: recurrent steps of every frame; None for that of training.
        seconds: length of each video.
        rate: frames per second.
    """

    folder: str
    policy: str | None
    seconds: float
    rate: int


@dataclasses.dataclass(frozen=True)
class Run:
    """What became of a video.

    Attributes:
        analyzed: frames with a result.
        read: frames that came.
        drawn: frames of the overlay.
        rate: frames analyzed per second, after the first few.
        megabytes: of memory at most, of the whole process.
        problem: why it ended before its end; empty if it did not.
    """

    analyzed: int
    read: int
    drawn: int
    rate: float
    megabytes: float
    problem: str


@dataclasses.dataclass(frozen=True)
class Found:
    """A file and the same live.

    Attributes:
        size: (height, width) in pixels.
        file: what became of the file.
        live: what became of it as a live stream.
        share: frames of the live one that were analyzed, of those that came, over the same of the
            file, of which none is left out.
    """

    size: tuple[int, int]
    file: Run
    live: Run
    share: float


def size_of(text: str) -> tuple[int, int]:
    """Returns (height, width) of a text such as 1080x1920."""
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise InputError(f"sizes {text!r} is no HEIGHTxWIDTH in pixels, as 1080x1920")
    return int(match[1]), int(match[2])


def measure(size: tuple[int, int], settings: Settings) -> Found:
    """Measures a file, and then the same live."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scene.ts")
        film(path, size, settings)
        file = _apart(str(path), folder, settings)
        with socket.create_server(("127.0.0.1", 0)) as server:
            sender = threading.Thread(target=_send, args=(server, path, settings.seconds))
            sender.start()
            live = _apart(f"http://127.0.0.1:{server.getsockname()[1]}/live.ts", folder, settings)
            sender.join()
    shares = [run.analyzed / run.read if run.read else 0.0 for run in (live, file)]
    return Found(size, file, live, shares[0] / shares[1] if shares[1] else 0.0)


def film(path: Path, size: tuple[int, int], settings: Settings) -> None:
    """Writes a video over which a textured picture moves."""
    import av
    from PIL import Image

    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    texture = np.asarray(
        Image.fromarray(coarse).resize((width * 2, height), Image.Resampling.BICUBIC)
    )
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=settings.rate, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for n in range(round(settings.seconds * settings.rate)):
            at = 4 * n % width
            image = np.ascontiguousarray(texture[:, at : at + width])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))


def _send(server: socket.socket, path: Path, seconds: float) -> None:
    """Sends a file to the first who asks, as fast as it is shown, and ends."""
    connection, _ = server.accept()
    content = path.read_bytes()
    with connection:
        connection.recv(4096)
        # In parts, or what says how long it is would be a file.
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        began, parts = time.monotonic(), max(1, round(seconds * _SENT))
        for n in range(parts):
            time.sleep(max(0.0, began + n / _SENT - time.monotonic()))
            part = content[n * len(content) // parts : (n + 1) * len(content) // parts]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        connection.sendall(b"0\r\n\r\n")


def _apart(text: str, folder: str, settings: Settings) -> Run:
    """Runs a video in a process of its own, whose memory is nobody else's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (text, folder, settings))


def _run(text: str, folder: str, settings: Settings) -> Run:
    import rsf_jax as rsf
    from rsf_jax.media import run
    from rsf_jax.media.kinds import JSON, OVERLAY

    trained = rsf.load_trained(settings.folder)
    policy = rsf.parse_policy(settings.policy) if settings.policy else trained.schedule
    out = Path(folder, "out")
    wanted = run.Settings([text], out, (OVERLAY, JSON), overwrite=True, tries=0)
    (account,) = run.run(trained, policy, wanted, lambda: None).accounts
    analyzed = account.done + account.cut + account.repeated
    drawn = account.read - account.lost - account.undrawn
    # Kilobytes on Linux, bytes on macOS.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    rate = _rate((out / f"{account.name}.jsonl").read_text().splitlines())
    return Run(analyzed, account.read, drawn, rate, most, account.problem)


def _rate(lines: Sequence[str]) -> float:
    """Frames analyzed per second, from the first few on: one of them has waited for compiling."""
    shown = [json.loads(line) for line in lines]
    times = [
        datetime.datetime.fromisoformat(line["time"]).timestamp()
        for line in shown
        if line["status"] not in ("dropped", "failed")
    ]
    kept = times[_FIRST:]
    if len(kept) < _LEAST:
        raise InputError(f"{len(times)} frames were analyzed: give more seconds")
    return (len(kept) - 1) / (kept[-1] - kept[0])


def save(folder: Path, found: Sequence[Found], settings: Settings) -> Path:
    """Writes `video_speed.json`; returns its path."""
    rows = [dataclasses.asdict(one) for one in found]
    told = dataclasses.asdict(settings)
    return write_record(folder / FILE, [table(found)], settings=told, videos=rows)


def table(found: Sequence[Found]) -> Table:
    """Returns a row for each video, for print."""
    shown = Table(title="Frames analyzed with the overlay, and memory of the whole process")
    shown.add_column("video", no_wrap=True)
    for title in ("file/s", "live/s", "live", "of", "drawn", "share", "file MB", "live MB"):
        shown.add_column(title, justify="right", no_wrap=True)
    for one in found:
        file, live = one.file, one.live
        shown.add_row(
            f"{one.size[1]}x{one.size[0]}",
            *(
                f"{file.rate:.1f}",
                f"{live.rate:.1f}",
                f"{live.analyzed}",
                f"{live.read}",
                f"{live.drawn}",
            ),
            f"{one.share:.0%}",
            *(f"{file.megabytes:.0f}", f"{live.megabytes:.0f}"),
        )
    return shown


def print_found(found: Sequence[Found]) -> None:
    """Prints a table, and what went wrong."""
    table_console().print(table(found))
    for one in found:
        for text in (one.file.problem, one.live.problem):
            if text:
                print(f"problem: {text}")
