"""Two servers behind nginx, as the guide has it, of which one is killed."""

import asyncio
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from benchmarks import serving
from benchmarks.serving_streams import Follower, Reference

import rsf_jax as rsf
from rsf_jax.serving.client import Client

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed"),
]

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "serve.md"
MODEL, POLICY, STREAMS = "quickstart_live16", "s3f1", 8


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture
def servers(tmp_path):
    """Two, each with the other's snapshot."""
    files, started = [tmp_path / f"{name}.safetensors" for name in "ab"], []
    for own, other in (files, files[::-1]):
        flags = [f"--pretrained={MODEL}", f"--workdir={tmp_path}", f"--policy={POLICY}"]
        flags += ["--slots=2", f"--snapshot={own}", "--snapshot_seconds=0.5", f"--adopt={other}"]
        started.append(serving.Server(flags, tmp_path))
    yield started
    for one in started:
        one.stop()


@pytest.fixture
def balanced(servers, tmp_path):
    """The address of nginx in front of them, with the guide's configuration."""
    (text,) = re.findall(r"```nginx\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    port = _free_port()
    for written, here in zip((8000, 8001, 8002), (port, *(s.port for s in servers)), strict=True):
        assert text.count(f":{written}") == 1
        text = text.replace(f":{written}", f":{here}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in kinds)
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off;\nerror_log stderr;\npid {tmp_path}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{text}}}\n"
    )
    process = subprocess.Popen(["nginx", "-p", tmp_path, "-c", config])
    address = f"http://127.0.0.1:{port}"
    _until(lambda: _answers(address, process))
    yield address
    process.terminate()
    process.wait(30)


def _answers(address, process):
    assert process.poll() is None, "nginx has ended"
    try:
        return Client(address).model()
    except rsf.InputError:
        return False


def _until(done, seconds=60):
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


def _streams(server):
    return {told["stream"] for told in Client(server.address).streams()}


async def _followed(address, killed, reference):
    """Streams that run while a server is killed, comes back, and after."""
    followers = [Follower(address, n, reference, survives=True) for n in range(STREAMS)]
    for follower in followers:
        await follower.open()
    over = False
    work = [asyncio.create_task(follower.follow(lambda: not over)) for follower in followers]
    await asyncio.sleep(3)
    await asyncio.to_thread(killed.kill)
    await asyncio.sleep(3)
    seen = [len(follower.found.times) for follower in followers]
    back = await asyncio.to_thread(killed.again)
    await asyncio.sleep(2)
    over = True
    return back, seen, await asyncio.gather(*work)


def test_streams_of_a_server_that_is_killed_go_on_in_the_other(servers, balanced):
    reference = Reference(
        rsf.load_pretrained(MODEL), rsf.parse_policy(POLICY), (36, 36), streams=STREAMS
    )
    names = [f"door-{n}" for n in range(12)]
    for name in names:  # each lies where its name leads, and is found there again
        Client(balanced).open(name)
        assert Client(balanced).about(name)["stream"] == name
    held = [_streams(server) for server in servers]
    assert held[0] | held[1] == set(names)
    assert not held[0] & held[1]
    assert all(held)
    killed = servers[0]
    back, seen, found = asyncio.run(_followed(balanced, killed, reference))
    servers[0] = back
    assert [one.wrong for one in found] == [[]] * STREAMS
    assert sum(one.told for one in found) == 0
    assert sum(one.resumed for one in found) >= 1
    assert all(len(one.times) > count for one, count in zip(found, seen, strict=True))
    assert "Traceback" not in servers[1].said
