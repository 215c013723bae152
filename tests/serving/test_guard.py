"""What stands in front of every request, before an application that says yes to all."""

import pytest
from served import HOSTS
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rsf_jax.errors import InputError
from rsf_jax.serving.guard import PROTOCOL, Guard, is_local
from rsf_jax.serving.limits import Limits, Rate

TOKEN = "a-token-of-letters"


async def _yes(request):
    return PlainTextResponse(str(len(await request.body())))


async def _yes_socket(socket):
    await socket.accept(PROTOCOL)
    await socket.close(1000)


async def _said(request, error):
    return PlainTextResponse(error.code, error.status)


def _client(token="", limits=None, hosts=HOSTS):
    app = Starlette(
        routes=[
            *(Route(path, _yes, methods=["GET", "POST"]) for path in ("/", "/a", "/big")),
            WebSocketRoute("/s", _yes_socket),
        ],
        exception_handlers={InputError: _said},
    )
    limits = Limits(**{"message_bytes": 100, "clip_bytes": 300, **(limits or {})})
    return TestClient(Guard(app, limits, token, hosts, pages=["/"], big=["/big"]))


def _headers(**headers):
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer another"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": f"bearer {TOKEN}"}, 200),
        ({"authorization": f"Bearer {TOKEN}\u00e9".encode()}, 401),
    ],
)
def test_a_token_is_asked_for(headers, status):
    answer = _client(TOKEN).get("/a", headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["code"] == "unauthorized"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_page_itself_needs_no_token():
    assert _client(TOKEN).get("/").status_code == 200


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_socket_without_the_token_is_refused(token):
    protocols = [PROTOCOL, f"bearer.{token}"] if token else [PROTOCOL]
    with pytest.raises(WebSocketDisconnect), _client(TOKEN).websocket_connect("/s", protocols):
        pass


def test_a_browsers_socket_brings_the_token_as_a_protocol():
    with _client(TOKEN).websocket_connect("/s", [PROTOCOL, f"bearer.{TOKEN}"]) as socket:
        assert socket.accepted_subprotocol == PROTOCOL


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST:1", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil.example:8000", 403),
        ("[", 403),
    ],
)
def test_without_a_token_it_is_asked_by_names_of_this_machine_alone(host, status):
    assert _client(hosts=None).get("/a", headers={"host": host}).status_code == status


def test_other_names_may_be_given():
    client = _client(hosts=["cameras.example"])
    assert client.get("/a", headers={"host": "cameras.example"}).status_code == 200
    assert client.get("/a", headers={"host": "localhost"}).status_code == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://testserver", 200), ("http://evil.example", 403), ("null", 403), ("http://[", 403)],
)
def test_pages_of_other_origins_may_not_ask(origin, status):
    assert _client().get("/a", headers={"origin": origin}).status_code == status
    assert _client(TOKEN).get("/", headers={"origin": origin}).status_code == status


def test_a_socket_of_another_origin_is_refused():
    headers = {"origin": "http://evil.example"}
    with pytest.raises(WebSocketDisconnect), _client().websocket_connect("/s", headers=headers):
        pass


@pytest.mark.parametrize(("path", "most"), [("/a", 100), ("/big", 300)])
def test_bodies_are_bounded(path, most):
    client = _client()
    assert client.post(path, content=b"x" * most).text == str(most)
    answer = client.post(path, content=b"x" * (most + 1))
    assert (answer.status_code, answer.text) == (413, "too_large")
    # In pieces, of a length that is not told.
    answer = client.post(path, content=(b"x" * 50 for _ in range(7)))
    assert answer.status_code == 413


def test_a_flood_is_told_to_wait():
    client = _client(limits={"requests_per_second": 2.0})
    answers = [client.get("/a") for _ in range(4)]
    assert [a.status_code for a in answers][:2] == [200, 200]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "1"


def test_browsers_are_told_to_load_nothing_else():
    headers = _client().get("/a").headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("a", False)],
)
def test_what_is_of_this_machine_alone(host, local):
    assert is_local(host) == local


def test_a_rate_allows_a_burst_and_then_its_pace():
    now = [0.0]
    rate = Rate(2.0, clock=lambda: now[0])
    assert [rate.wait() for _ in range(4)] == [0.0, 0.0, 0.5, 1.0]
    now[0] = 1.0
    assert not rate.allows()
    now[0] = 1.5
    assert rate.allows()


def test_limits_are_positive():
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="frames_per_second is"):
            Limits(frames_per_second=value)
    for value in (0, -1, True):
        with pytest.raises(InputError, match=r"streams is .*: a whole number of at least 1"):
            Limits(streams=value)
