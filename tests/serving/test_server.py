"""A server in this process: sessions, frames in, results out, and what clients do wrong."""

import asyncio
import io
import json
import re
import time

import jax
import numpy as np
import pytest
from PIL import Image
from served import HOSTS, SIZE
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import rsf_jax as rsf
from rsf_jax.serving.app import make_app
from rsf_jax.serving.feeds import Feed, at_pace
from rsf_jax.serving.protocol import unpack

LIMITS = {
    **{"message_bytes": 2000, "streams": 6, "window": 4, "errors": 5},
    **{"frames_per_second": 1e4, "steps": 12, "clip_frames": 9},
}
FEED = np.random.default_rng(5).integers(0, 255, (3, *SIZE, 1), np.uint8)


@pytest.fixture(scope="module")
def service(make_service):
    return make_service(limits=LIMITS)


@pytest.fixture(scope="module")
def client(service):
    feed = Feed("own", at_pace(lambda: iter(FEED), 200.0))
    with TestClient(make_app(service, hosts=HOSTS, feeds=[feed])) as client:
        yield client


@pytest.fixture
def opened(client):
    """Opens streams, and closes them."""
    names = []

    def open_one(**options):
        answer = client.post("/v1/streams", json=options)
        assert answer.status_code == 201, answer.text
        names.append(answer.json()["stream"])
        return names[-1]

    yield open_one
    for name in names:
        client.delete(f"/v1/streams/{name}")


def _frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, *SIZE, 1), np.uint8)


def _encoded(frame, format="PNG"):
    found = io.BytesIO()
    Image.fromarray(frame[..., 0]).save(
        found, format, **({"lossless": True} if format == "WEBP" else {})
    )
    return found.getvalue()


class Alone:
    """What a stream's frames must get: `run_frame`, one after the other."""

    def __init__(self, trained, policy="s3f2"):
        self.trained, self.policy = trained, rsf.parse_policy(policy)
        self.reset()

    def reset(self):
        self.state = self.trained.model.initial_state(1, SIZE)

    def run(self, frame):
        self.state, out = rsf.run_frame(
            self.trained.model, self.trained.variables, self.state, frame[None], self.policy
        )
        return int(out.steps[0]), out.logits[0]

    def check(self, content, frame, index):
        about, parts = unpack(content)
        steps, logits = self.run(frame)
        assert (about["index"], about["status"], about["steps"]) == (index, "done", steps)
        probabilities = np.asarray(255 * jax.nn.softmax(logits))
        np.testing.assert_allclose(parts["probabilities"], probabilities, atol=0.51)
        sure = np.abs(logits[..., 0] - logits[..., 1]) > 1e-3
        np.testing.assert_array_equal(parts["mask"][sure], logits.argmax(-1)[sure])


def test_frames_go_in_and_results_come_out(client, opened, trained):
    name = opened(frames="raw", masks="raw", probabilities=True)
    alone, frames = Alone(trained), _frames(5)
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        for index, frame in enumerate(frames):
            if index == 3:
                socket.send_text('{"type": "reset"}')
                alone.reset()
            socket.send_bytes(frame.tobytes())
            alone.check(socket.receive_bytes(), frame, index)
    told = client.get(f"/v1/streams/{name}").json()
    assert (told["frames"], told["waiting"], told["unsent"]) == (5, 0, 0)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_images_are_frames_and_masks_are_images(client, opened, trained, format):
    name = opened(probabilities=True)
    alone, frames = Alone(trained), _frames(2, 3)
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        for index, frame in enumerate(frames):
            socket.send_bytes(_encoded(frame, format))
            about, parts = unpack(socket.receive_bytes())
            assert about["index"] == index
            mask = np.asarray(Image.open(io.BytesIO(parts["mask"])))
            _, logits = alone.run(frame)
            sure = np.abs(logits[..., 0] - logits[..., 1]) > 1e-3
            np.testing.assert_array_equal(mask[sure], logits.argmax(-1)[sure])


def test_a_stream_outlives_its_connection(client, opened, trained):
    name = opened(frames="raw", masks="raw", probabilities=True)
    alone, frames = Alone(trained), _frames(3)
    for index, frame in enumerate(frames):
        with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
            socket.send_bytes(frame.tobytes())
            alone.check(socket.receive_bytes(), frame, index)


def test_options_of_what_is_sent_may_change(client, opened):
    name = opened()
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        socket.send_text('{"type": "options", "frames": "raw", "masks": "none"}')
        socket.send_bytes(_frames(1)[0].tobytes())
        about, parts = unpack(socket.receive_bytes())
    assert (about["steps"], parts) == (3, {})


def test_a_client_that_takes_no_results_is_read_no_further(client, opened, service):
    name, frames = opened(frames="raw", masks="raw", probabilities=True), _frames(40)
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        for frame in frames:
            socket.send_bytes(frame.tobytes())
        indices = [unpack(socket.receive_bytes())[0]["index"] for _ in frames]
    assert indices == list(range(40))
    # In this process sending never waits: what is held back is seen where nobody is connected.
    session = service.session(opened(when_full="drop_oldest"))
    for frame in frames[: LIMITS["window"]]:
        assert session.has_room
        service.submit(session, frame)
    _wait(lambda: len(session.results) == LIMITS["window"])
    assert not session.has_room


def _wait(done, seconds=20):
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_camera_drops_old_frames_and_is_told(client, opened):
    name = opened(frames="raw", masks="none", when_full="drop_oldest")
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        for frame in _frames(30):
            socket.send_bytes(frame.tobytes())
        told = [unpack(socket.receive_bytes())[0] for _ in range(30)]
    assert [t["index"] for t in told] == list(range(30))
    assert {t["status"] for t in told} <= {"done", "dropped"}


_HOSTILE = {
    "not JSON": ("{", "bad_request"),
    "a list": ("[]", "bad_request"),
    "deep JSON": ("[" * 100_000, "bad_request"),
    "another type": ('{"type": "exec"}', "bad_request"),
    "another option": ('{"type": "options", "path": "/etc/passwd"}', "bad_request"),
    "a fixed option": ('{"type": "options", "budget_ms": 1}', "bad_request"),
    "a wrong option": ('{"type": "options", "masks": "svg"}', "bad_request"),
    "no bytes": (b"", "bad_request"),
    "few bytes": (b"\0" * 7, "bad_request"),
    "NaN": (np.full((*SIZE, 1), np.nan, "<f4").tobytes(), "bad_request"),
    "infinity": (np.full((*SIZE, 1), np.inf, "<f4").tobytes(), "bad_request"),
    "255": (np.full((*SIZE, 1), 255, "<f4").tobytes(), "bad_request"),
    "large": (b"\0" * 3000, "too_large"),
}


@pytest.mark.parametrize("what", _HOSTILE)
def test_what_cannot_be_used_is_told_and_nothing_else_is_disturbed(client, opened, trained, what):
    content, code = _HOSTILE[what]
    name = opened(frames="float32", masks="raw", probabilities=True)
    other = opened(frames="raw", masks="raw", probabilities=True)
    frames, alone, apart = np.float32(_frames(2) / 255), Alone(trained), Alone(trained)
    own, others = (f"/v1/streams/{n}/frames" for n in (name, other))
    with client.websocket_connect(own) as one, client.websocket_connect(others) as two:
        for index, frame in enumerate(frames):
            one.send_bytes(frame.tobytes())
            alone.check(one.receive_bytes(), frame, index)
            one.send_text(content) if isinstance(content, str) else one.send_bytes(content)
            assert json.loads(one.receive_text())["error"]["code"] == code
            two.send_bytes(_frames(2)[index].tobytes())
            apart.check(two.receive_bytes(), _frames(2)[index], index)


def test_one_who_never_makes_sense_has_to_connect_again(client, opened):
    name = opened(frames="raw")
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        for _ in range(LIMITS["errors"] - 1):
            socket.send_bytes(b"?")
            assert "error" in socket.receive_text()
        socket.send_bytes(b"?")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1008
    assert client.get(f"/v1/streams/{name}").json()["connected"] is False


def test_one_stream_has_one_client(client, opened):
    name = opened()
    path = f"/v1/streams/{name}/frames"
    with client.websocket_connect(path), client.websocket_connect(path) as second:  # noqa: SIM117
        with pytest.raises(WebSocketDisconnect) as closed:
            second.receive_text()
    assert "somebody is connected" in closed.value.reason
    for path in ("/v1/streams/none/frames", "/v1/streams/own/frames"):
        with client.websocket_connect(path) as socket, pytest.raises(WebSocketDisconnect):
            socket.receive_text()


def test_reasons_have_room_in_the_frame_that_closes(client):
    path = "/v1/streams/" + 64 * "\u95e8" + "/frames"
    with client.websocket_connect(path) as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_text()
    assert closed.value.reason.startswith("no stream is called '\u95e8")
    assert 120 < len(closed.value.reason.encode()) <= 123


def test_one_who_goes_before_being_refused_leaves_no_traceback(service):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])
        if message["type"] != "websocket.accept":
            raise OSError  # as servers do where a client has gone

    scope = {
        **{"type": "websocket", "path": "/v1/streams/none/frames", "query_string": b""},
        **{"headers": [(b"host", HOSTS[0].encode())], "subprotocols": []},
    }
    asyncio.run(make_app(service, hosts=HOSTS)(scope, receive, send))
    assert sent == ["websocket.accept", "websocket.close"]


def test_a_stream_that_is_closed_ends_its_connection(client, opened):
    name = opened()
    with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
        assert client.delete(f"/v1/streams/{name}").status_code == 204
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.reason == "the stream is closed"
    assert client.get(f"/v1/streams/{name}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/streams", b"{", 400),
        ("POST", "/v1/streams", b"[]", 400),
        ("POST", "/v1/streams", b'"' + b"[" * 1000, 400),
        ("POST", "/v1/streams", b"\xff\xfe", 400),
        ("POST", "/v1/streams", b'{"name": "../../etc/passwd"}', 400),
        ("POST", "/v1/streams", b'{"name": 7}', 400),
        ("POST", "/v1/streams", b'{"name": "own"}', 409),
        ("POST", "/v1/streams", b'{"color": 1}', 400),
        ("POST", "/v1/streams", b'{"masks": ["png"]}', 400),
        ("POST", "/v1/streams", b'{"budget_ms": NaN}', 400),
        ("POST", "/v1/streams", b'{"budget_ms": -1}', 400),
        ("POST", "/v1/streams", b'{"priority": 1e9}', 400),
        ("POST", "/v1/streams", b"x" * 3000, 413),
        ("GET", "/v1/streams/none", b"", 404),
        ("DELETE", "/v1/streams/none", b"", 404),
        ("DELETE", "/v1/streams/own", b"", 403),
        ("POST", "/v1/streams/none/reset", b"", 404),
        ("PATCH", "/v1/streams", b"", 405),
        ("GET", "/page/../../errors.py", b"", 404),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", b"", 404),
        ("PUT", "/v1/policy", b'{"policy": "s99f99"}', 400),
        ("PUT", "/v1/policy", b'{"policy": "nonsense"}', 400),
        ("PUT", "/v1/policy", b'{"policy": 3}', 400),
        ("PUT", "/v1/policy", b"{}", 400),
        ("POST", "/v1/predict", b"no picture", 415),
        ("POST", "/v1/predict?masks=svg", b"", 400),
    ],
)
def test_wrong_requests_have_a_status_and_a_sentence(client, method, path, body, status):
    answer = client.request(method, path, content=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_no_more_streams_than_are_allowed(client, opened):
    for _ in range(LIMITS["streams"] - 1):
        opened()
    answer = client.post("/v1/streams")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many")


def test_an_image_is_predicted_from_a_fresh_state(client, trained):
    frame = _frames(1, 8)[0]
    for _ in range(2):
        answer = client.post("/v1/predict?masks=raw&probabilities=1", content=_encoded(frame))
        Alone(trained).check(answer.content, frame, 0)
    assert not [s for s in client.get("/v1/streams").json()["streams"] if not s["own"]]


def test_a_clip_is_predicted_frame_by_frame(client, tmp_path):
    from rsf_jax.media import VideoWriter

    path = tmp_path / "clip.mp4"
    with VideoWriter(path, frames_per_second=5) as film:
        for value in (0, 100, 200):
            film.write(np.full((24, 28, 3), value, np.uint8))
    headers = {"content-type": "video/mp4"}
    content = client.post("/v1/predict", content=path.read_bytes(), headers=headers).content
    found, place = [], 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "little")
        found.append(unpack(content[place + 4 : place + 4 + size])[0])
        place += 4 + size
    assert [(f["index"], f["steps"], f["first"]) for f in found] == [
        *((0, 3, True), (1, 2, False), (2, 2, False)),
    ]
    answer = client.post("/v1/predict", content=b"#EXTM3U\nfile:///etc/passwd", headers=headers)
    assert answer.status_code == 415


def test_another_policy_loses_no_stream(client, opened, trained):
    name, frames, alone = opened(frames="raw", masks="raw", probabilities=True), _frames(2), None
    alone = Alone(trained)
    try:
        with client.websocket_connect(f"/v1/streams/{name}/frames") as socket:
            socket.send_bytes(frames[0].tobytes())
            alone.check(socket.receive_bytes(), frames[0], 0)
            answer = client.put("/v1/policy", json={"policy": "s5f5"})
            assert answer.json() == {"policy": "s5f5"}
            alone.policy = rsf.FixedSchedule(5, 5)
            socket.send_bytes(frames[1].tobytes())
            alone.check(socket.receive_bytes(), frames[1], 1)
        assert client.get("/v1/models").json()["models"][0]["policy"] == "s5f5"
    finally:
        client.put("/v1/policy", json={"policy": "s3f2"})


def test_the_servers_own_streams_are_watched_paused_and_reset(client):
    with client.websocket_connect("/v1/watch") as socket:
        seen = []
        while not (any("type" in s for s in seen) and any("index" in s for s in seen)):
            message = socket.receive()
            if "text" in message:
                account = json.loads(message["text"])
                seen.append({"type": account["type"]})
                assert account["streams"][0]["stream"] == "own"
                assert account["statistics"]["useful_share"] <= 1
            else:
                about, parts = unpack(message["bytes"])
                seen.append({"index": about["index"]})
                shown = np.asarray(Image.open(io.BytesIO(parts["frame"])))
                assert any(np.array_equal(shown, frame[..., 0]) for frame in FEED)
                assert parts["mask"].shape == SIZE
                assert about["steps"] in about["strip"]  # others may have been dropped since
        assert client.post("/v1/streams/own/pause").json()["paused"]
        time.sleep(0.1)
        before = client.get("/v1/streams/own").json()["frames"]
        time.sleep(0.1)
        assert client.get("/v1/streams/own").json()["frames"] == before
        assert not client.post("/v1/streams/own/resume").json()["paused"]
        assert client.post("/v1/streams/own/reset").status_code == 200
        _wait(lambda: client.get("/v1/streams/own").json()["frames"] > before)


_LINE = re.compile(r'(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[\w.]+"\})? -?[\d.e+-]+)')


def test_metrics_are_as_prometheus_reads_them(client):
    text = client.get("/metrics").text
    assert text.endswith("\n")
    lines = text.splitlines()
    assert [line for line in lines if not _LINE.fullmatch(line)] == []
    values = dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")
    counted = client.get("/v1/statistics").json()
    assert 0 < float(values['rsf_frames_total{status="done"}']) <= counted["done"]
    assert values["rsf_streams"] == "1"
    assert int(values["rsf_useful_steps_total"]) <= int(values["rsf_steps_total"])
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_the_document_names_what_there_is(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, calls in document["paths"].items():
        for method in calls:
            asked = path.replace("{name}", "none")
            answer = client.request(method, asked, content=b"{")
            assert answer.status_code in (200, 400, 404, 415), path
            if answer.status_code == 404:
                assert answer.json()["error"]["message"] == "no stream is called 'none'"
    known = json.dumps(document)
    for reference in re.findall(r'"#/components/schemas/(\w+)"', known):
        assert reference in document["components"]["schemas"]


def test_a_stream_may_be_named_by_its_path(client):
    answer = client.put("/v1/streams/yard", json={"masks": "none"})
    assert (answer.status_code, answer.json()["stream"]) == (201, "yard")
    assert client.put("/v1/streams/yard").status_code == 409
    assert client.delete("/v1/streams/yard").status_code == 204


def test_it_says_that_it_is_well(client):
    assert client.get("/health").json() == {"status": "ok", "streams": 1}
