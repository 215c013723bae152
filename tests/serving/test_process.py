"""A server as a process of its own: programs, a browser, clients that are killed, and its end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import browser
import numpy as np
import pytest
from benchmarks import serving, serving_trials
from benchmarks.serving_streams import Reference

import rsf_jax as rsf
from rsf_jax.serving.client import Client

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MODEL = "quickstart_live16"
FRAMES = np.random.default_rng(1).integers(0, 255, (8, 36, 36, 1), np.uint8)


class Process:
    """`rsf serve` with some flags."""

    def __init__(self, folder, *flags, port=0):
        self._log = folder / f"log{time.monotonic_ns()}"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "launch/serve.py", f"--port={port}", *flags],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.address, self.token = self._started()

    def _started(self):
        until = time.monotonic() + 240
        while True:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            if found := re.search(r"Open (http://\S+?)/(?:#token=(\S+))?\n", self._log.read_text()):
                address = found[1].replace("0.0.0.0", "127.0.0.1")
                return address, found[2] or ""
            time.sleep(0.1)

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    @property
    def client(self):
        return Client(self.address, self.token, timeout=240)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        assert self.process.wait(120) == -number, self.said  # as a shell expects it
        return self.said

    @property
    def said(self):
        return self._log.read_text()


@pytest.fixture
def start(tmp_path):
    """Starts servers, and kills what is left of them."""
    started = []

    def start_one(*flags, **options):
        started.append(Process(tmp_path, *flags, **options))
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait()


def _masks(policy="s3f2"):
    trained = rsf.load_pretrained(MODEL)
    logits = trained.run(FRAMES[None], rsf.parse_policy(policy)).logits[0]
    sure = np.abs(logits[..., 0] - logits[..., 1]) > 1e-2
    return np.asarray(logits.argmax(-1)), np.asarray(sure)


def _check(answer, index):
    masks, sure = _masks()
    assert (answer.index, answer.status, answer.steps) == (index, "done", 2 if index else 3)
    np.testing.assert_array_equal(answer.mask[sure[index]], masks[index][sure[index]])


def test_streams_survive_kills_of_clients_and_of_the_server(start, tmp_path):
    path = tmp_path / "streams.safetensors"
    flags = (f"--pretrained={MODEL}", f"--workdir={tmp_path}", "--policy=s3f2", "--slots=2")
    flags += (f"--snapshot={path}", "--snapshot_seconds=0.2", "--idle_seconds=600")
    server = start(*flags)
    stream = server.client.stream("door", masks="raw")
    for index in range(3):
        _check(stream.ask(FRAMES[index]), index)
    _bother(server.port)
    _check(stream.ask(FRAMES[3]), 3)
    with pytest.raises(rsf.InputError, match=r"unsupported|bad_request"):
        stream.ask(b"no picture at all")
    with pytest.raises(rsf.InputError, match=r"door"):  # too large: the connection ends
        stream.ask(b"\xff" * 9_000_000)
    _saved(path, 4)
    server.end(signal.SIGKILL)

    again = start(*flags, port=server.port)
    assert [s["frames"] for s in again.client.streams()] == [4]
    stream = again.client.attach("door", masks="raw")
    for index in range(4, 6):
        _check(stream.ask(FRAMES[index]), index)
    said = again.end()
    assert "Traceback" not in said
    with pytest.raises(rsf.InputError, match=r"ending|closed|broke"):
        stream.receive()

    last = start(*flags, port=server.port)
    stream = last.client.attach("door", masks="raw")
    for index in range(6, 8):
        _check(stream.ask(FRAMES[index]), index)


def _until(done):
    until = time.monotonic() + 240
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


def _saved(path, frames):
    """Waits until a snapshot has so many frames of the stream."""
    _until(lambda: path.exists() and _submitted(path) == frames)


def _submitted(path):
    return rsf.streaming.Snapshot.load(path).streams[0].submitted


_UPGRADE = (
    "GET /v1/streams/{}/frames HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def _bother(port):
    """Clients that go in the middle, or never make sense."""
    beginnings = (
        b"GET / HTTP/1.1\r\nHost: local",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\nhalf",
        _UPGRADE.format("none").encode(),
        _UPGRADE.format("door").encode() + b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        b"\0" * 1000,
    )
    for _ in range(3):
        for beginning in beginnings:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(beginning)


def test_many_streams_at_once_are_not_mixed_up(start, tmp_path):
    flags = (f"--pretrained={MODEL}", f"--workdir={tmp_path}", "--policy=s3f2", "--slots=3")
    server = start(*flags)
    reference = Reference(rsf.load_pretrained(MODEL), rsf.parse_policy("s3f2"), (36, 36))
    load = serving_trials.under_load(server.address, reference, streams=12, seconds=2.0)
    assert load.wrong == 0
    assert load.frames >= 12
    assert list(serving.table(load, load).columns[0].cells) == ["server", "engine alone"]
    masks, sure = _masks()

    def run(number):  # each begins at another frame
        with server.client.stream(f"own-{number}", masks="raw") as stream:
            stream.ask(FRAMES[number])
            stream.reset()
            return [stream.ask(frame).mask for frame in FRAMES]

    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(run, range(6)):
            for mask, wanted, clear in zip(found, masks, sure, strict=True):
                np.testing.assert_array_equal(mask[clear], wanted[clear])
    assert server.client.streams() == []
    _ends_with_answers(server)


def _ends_with_answers(server):
    """What was taken before the end is answered, and then the end is told."""
    stream, found = server.client.stream("last", masks="raw"), []
    for frame in FRAMES[:4]:
        stream.send(frame)
    found.append(stream.receive())
    server.process.terminate()
    with pytest.raises(rsf.InputError, match="the server is ending"):
        found.extend(iter(stream.receive, None))
    for index, answer in enumerate(found):
        _check(answer, index)
    server.process.wait(120)


def test_who_reaches_it_from_elsewhere_needs_the_token(start, tmp_path):
    flags = (f"--pretrained={MODEL}", f"--workdir={tmp_path}", "--policy=s2f1", "--slots=1")
    server = start("--host=0.0.0.0", *flags)
    assert len(server.token) >= 32
    assert server.client.model()["policy"] == "s2f1"
    for token in ("", "wrong"):
        with pytest.raises(rsf.InputError, match="unauthorized"):
            Client(server.address, token).model()
    with pytest.raises(rsf.InputError, match="forbidden"):
        server.client.change_policy("s1f1")
    with urllib.request.urlopen(server.address) as page:  # which asks for the token itself
        assert b"Token" in page.read()
    server.end()


@pytest.mark.skipif(browser.installed() is None, reason="there is no Chromium")
def test_the_page_shows_live_streams_and_obeys(start, tmp_path):
    server = start("--demo", "--demo_streams=10", "--demo_rate=2")
    with browser.Browser(tmp_path / "profile") as page:
        page.open(server.address)
        page.wait("document.querySelectorAll('article').length === 10")
        names = page.run("[...document.querySelectorAll('h2')].map(x => x.textContent)")
        assert names == [f"contour-{n}" for n in range(1, 11)]
        page.wait("Number(document.getElementById('rate').textContent) > 1")
        page.wait("document.getElementById('repeated').textContent.endsWith('%')")
        _pause(page)
        page.run("document.getElementById('webcam').click()")
        page.wait("document.querySelector('h2').textContent === 'my webcam'")
        page.wait("/steps a frame/.test(document.querySelector('.numbers').textContent)")
        _choose_schedule(page)
        _until(lambda: server.client.model()["policy"] == "s5f5")
        for width, phone in ((390, True), (1100, False)):
            page.resize(width, 800, phone)
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.run("document.querySelector('.remove').click()")
        page.wait("document.querySelectorAll('article').length === 10")
        assert page.errors == []
    assert "Traceback" not in server.end()


def _pause(page):
    page.run("document.querySelector('.pause').click()")
    page.wait("document.querySelector('.pause').textContent === 'Resume'")
    pixels = "document.querySelector('.picture').toDataURL()"
    seen = [page.run(pixels)]

    def stands_still():  # once frames on their way have come
        time.sleep(2.0)
        seen.append(page.run(pixels))
        return seen[-1] == seen[-2]

    _until(stands_still)
    page.run("document.querySelector('.pause').click()")
    page.wait(f"{pixels} !== {seen[-1]!r}")


def _choose_schedule(page):
    page.run(
        "for (const [id, value] of [['kind', 'schedule'], ['most', 5]]) {"
        "  const input = document.getElementById(id); input.value = value;"
        "  input.dispatchEvent(new Event('input')); }"
        "const gate = document.getElementById('gate'); gate.checked = false;"
        "gate.dispatchEvent(new Event('input'));"
    )
