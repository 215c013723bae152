"""The client of a server that has much to do."""

import contextlib
import http.server
import inspect
import threading
import time

import numpy as np
import pytest
import uvicorn
from served import HOSTS, SIZE

import rsf_jax as rsf
from rsf_jax.serving.app import make_app
from rsf_jax.serving.client import Client


@contextlib.contextmanager
def _served(service):
    config = uvicorn.Config(
        make_app(service, hosts=[*HOSTS, "127.0.0.1"]),
        port=0,
        log_level="error",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_who_asks_too_often_waits_and_asks_again(make_service):
    with _served(make_service(limits={"requests_per_second": 2})) as address:
        client = Client(address, timeout=30)
        began = time.monotonic()
        for number in range(3):
            client.open(f"door-{number}", frames="raw", masks="raw")
        stream = client.attach("door-1")
        frame = np.zeros((*SIZE, 1), np.uint8)
        assert stream.ask(frame.tobytes()).index == 0
        assert client.about("door-1")["frames"] == 1
        stream.leave()
        assert time.monotonic() - began > 1.0  # five requests at two a second, two at once
        hurried = Client(address, timeout=0.5)
        with pytest.raises(rsf.InputError, match="too many requests"):
            [hurried.streams() for _ in range(9)]


def test_arrays_are_sent_as_the_stream_wants_them(make_service):
    """The masks of all three kinds are those of the same frame."""
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 1), np.uint8)
    with _served(make_service()) as address:
        client = Client(address)
        masks = {}
        for kind, array in (("image", frame), ("raw", frame), ("float32", frame / 255)):
            with client.stream(kind, frames=kind, masks="raw", probabilities=True) as stream:
                masks[kind] = stream.ask(array).probabilities
            client.open(f"{kind}-2", frames=kind, probabilities=True)
            with client.attach(f"{kind}-2") as stream:
                np.testing.assert_array_equal(stream.ask(array).probabilities, masks[kind])
            client.open(f"{kind}-3", probabilities=True)
            with client.attach(f"{kind}-3", frames=kind) as stream:
                np.testing.assert_array_equal(stream.ask(array).probabilities, masks[kind])
        np.testing.assert_array_equal(masks["raw"], masks["image"])
        np.testing.assert_allclose(masks["float32"], masks["image"], atol=1)


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("image", np.zeros((3, 3))),
        ("image", np.zeros((3, 3, 4), np.uint8)),
        ("image", np.zeros((0, 3), np.uint8)),
        ("raw", np.zeros((*SIZE, 1), np.float32)),
        ("float32", np.zeros((*SIZE, 1), np.uint8)),
    ],
)
def test_what_is_no_frame_is_refused_before_it_is_sent(make_service, kind, frame):
    with _served(make_service()) as address, Client(address).stream(frames=kind) as stream:
        with pytest.raises(rsf.InputError, match=f"for frames='{kind}' (uint8|floats)"):
            stream.send(frame)
        assert Client(address).about(stream.name)["frames"] == 0


@pytest.mark.parametrize("address", ["http://[", "http://localhost:lots", "localhost:8000"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(rsf.InputError, match="address"):
        Client(address)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": "secret\n"}, "token has spaces, line breaks"),
        ({"token": "\u00fcber"}, "token has spaces, line breaks"),
        ({"token": 5}, "token is 5: a text"),
        ({"timeout": "5"}, "timeout is '5': seconds above 0"),
        ({"address": 5}, "address is 5: a text"),
    ],
)
def test_what_a_client_cannot_use_is_refused(options, message):
    client = object.__new__(Client)
    given = {"address": "http://localhost:8000", **options}
    with pytest.raises(rsf.InputError, match=message) as raised:
        inspect.unwrap(Client.__init__)(client, **given)
    assert "secret" not in str(raised.value)


def test_a_name_that_is_none_is_not_asked_for():
    client = Client("http://localhost:1")
    for call, name, message in (
        (Client.stream, 5, "name is 5: a text"),
        (Client.about, None, "name is None: a text"),
        (Client.open, "", "name is ''"),
        (Client.attach, "", "name is ''"),
    ):
        with pytest.raises(rsf.InputError, match=message):
            inspect.unwrap(call)(client, name)


@pytest.mark.parametrize("clip", ["clip.mp4", np.zeros(4, np.uint8), None])
def test_what_is_no_file_of_a_clip_is_refused(clip):
    """As is the path of one, which is on this machine and not on the server's."""
    client = Client("http://localhost:1")
    with pytest.raises(rsf.InputError, match=r"clip is .*: the bytes of a file are needed"):
        inspect.unwrap(Client.predict_clip)(client, clip)


def test_numbers_of_numpy_are_sent_as_those_of_python(make_service):
    options = {"budget_ms": np.float32(50), "priority": np.int64(1)}
    with _served(make_service()) as address:
        client = Client(address)
        with client.stream("door", probabilities=np.bool_(True), **options):
            told = client.about("door")["options"]
            assert (told["budget_ms"], told["priority"], told["probabilities"]) == (50.0, 1, True)
        with pytest.raises(rsf.InputError, match=r"float64\[2\] cannot be sent"):
            client.open("yard", budget_ms=np.ones(2))


class _Other(http.server.BaseHTTPRequestHandler):
    """Another server than ours."""

    def do_GET(self):
        if self.path.endswith("streams"):
            self.wfile.write(b"SSH-2.0\r\n")
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]" if self.path.endswith("statistics") else b"<html>")

    def log_message(self, *args):
        pass


def test_another_server_is_told_from_ours():
    with http.server.HTTPServer(("127.0.0.1", 0), _Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}")
        for call in (client.model, client.statistics):
            with pytest.raises(rsf.InputError, match="is no server of this library: /v1/"):
                call()
        with pytest.raises(rsf.InputError, match="does not answer"):
            client.streams()
        server.shutdown()
        thread.join()


def test_why_a_socket_is_refused_is_told(make_service):
    with _served(make_service()) as address:
        with pytest.raises(rsf.InputError, match="no stream is called 'none'"):
            Client(address).attach("none").receive()
        with pytest.raises(
            rsf.InputError, match="forbidden: this server is not called 'localhost'"
        ):
            Client(address.replace("127.0.0.1", "localhost")).attach("none")
