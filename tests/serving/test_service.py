"""What a server does at its ends: streams that nobody wants, snapshots, failures, shutdown."""

import asyncio
import dataclasses
import itertools
import math
import threading
import time

import numpy as np
import pytest
from served import HOSTS, SIZE
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import rsf_jax as rsf
from rsf_jax.serving.app import make_app
from rsf_jax.serving.inbox import Inbox
from rsf_jax.serving.problems import Problem
from rsf_jax.serving.protocol import unpack
from rsf_jax.streaming import FrameResult, Snapshot
from rsf_jax.streaming.program import Program

FRAMES = np.random.default_rng(2).integers(0, 255, (6, *SIZE, 1), np.uint8)
RAW = {"frames": "raw", "masks": "raw", "probabilities": True}


def _expected(trained, frames):
    variables = trained.variables
    out = rsf.run_video(trained.model, variables, frames[None], rsf.parse_policy("s3f2"))
    return np.asarray(out.logits[0]), out.steps[0].tolist()


def _check(contents, trained, frames, first):
    logits, steps = _expected(trained, frames)
    for index, content in enumerate(contents, first):
        about, parts = unpack(content)
        assert (about["index"], about["steps"]) == (index, steps[index])
        sure = np.abs(logits[index, ..., 0] - logits[index, ..., 1]) > 1e-3
        wanted = logits[index].argmax(-1)
        np.testing.assert_array_equal(parts["mask"][sure], wanted[sure])


def _wait(done, seconds=20):
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_each_frame_of_a_stream_that_fails_has_a_result(make_service, monkeypatch):
    def fail(program, load):
        raise RuntimeError("RESOURCE_EXHAUSTED")

    put, service = Inbox.put, make_service()
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", **RAW})
        with client.websocket_connect("/v1/streams/door/frames") as socket:
            monkeypatch.setattr(Program, "tick", fail)
            # Each takes a while to arrive, as it may in front of a busy loop.
            monkeypatch.setattr(Inbox, "put", lambda *call: (time.sleep(0.1), put(*call)))
            for frame in FRAMES[:2]:
                socket.send_bytes(frame.tobytes())
            told = [unpack(socket.receive_bytes())[0] for _ in range(2)]
            assert [(t["index"], t["status"]) for t in told] == [(0, "failed"), (1, "dropped")]
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_bytes()
            assert "RESOURCE_EXHAUSTED" in closed.value.reason


def test_streams_go_on_in_the_next_process_and_failures_are_survived(
    make_service, trained, tmp_path, monkeypatch
):
    path = tmp_path / "streams.safetensors"
    service = make_service(snapshot=path, snapshot_seconds=0.05)
    frames = "/v1/streams/door/frames"
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", **RAW})
        with client.websocket_connect(frames) as socket:
            for frame in FRAMES[:2]:
                socket.send_bytes(frame.tobytes())
            _check([socket.receive_bytes() for _ in range(2)], trained, FRAMES, 0)
            # Kept meanwhile, too, for a process that is killed.
            _wait(lambda: path.exists() and Snapshot.load(path).streams[0].submitted == 2)
            _fail_once(service, monkeypatch)
            socket.send_bytes(FRAMES[2].tobytes())
            _check([socket.receive_bytes()], trained, FRAMES, 2)
        assert client.get("/v1/statistics").json()["failed_ticks"] == 1
    (told,) = Snapshot.load(path).streams
    assert (told.name, told.submitted, told.frames) == ("door", 3, [])

    # Under whatever policy it is started with.
    again = make_service("s4f2", snapshot=path, limits={"idle_seconds": 0.2})
    with TestClient(make_app(again, hosts=HOSTS)) as client:
        assert client.get("/v1/streams/door").json()["frames"] == 3
        with client.websocket_connect(frames) as socket:
            socket.send_json({"type": "options", **RAW})
            for frame in FRAMES[3:]:
                socket.send_bytes(frame.tobytes())
            _check([socket.receive_bytes() for _ in range(3)], trained, FRAMES, 3)
            time.sleep(0.4)  # who is connected may be silent
            assert client.get("/v1/streams/door").status_code == 200
        _wait(lambda: client.get("/v1/streams/door").status_code == 404)
    assert not path.exists()  # nobody's stream is kept


def test_what_clients_wanted_goes_on_in_the_next_process(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    wanted = {
        **{"frames": "raw", "masks": "none", "probabilities": True},
        **{"when_full": "drop_oldest", "budget_ms": 250, "priority": 3},
    }
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", **wanted})
        client.post("/v1/streams", json={"name": "yard"})
        with client.websocket_connect("/v1/streams/yard/frames") as socket:
            socket.send_json({"type": "options", "frames": "raw", "masks": "raw"})
            socket.send_bytes(FRAMES[0].tobytes())
            socket.receive_bytes()
        assert client.put("/v1/policy", json={"policy": "s4f1"}).status_code == 200
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        assert client.get("/v1/models").json()["models"][0]["policy"] == "s4f1"
        assert client.get("/v1/streams/door").json()["options"] == wanted
        assert client.get("/v1/streams/yard").json()["options"]["masks"] == "raw"
        with client.websocket_connect("/v1/streams/yard/frames") as socket:
            socket.send_bytes(FRAMES[1].tobytes())
            about, parts = unpack(socket.receive_bytes())
        assert (about["index"], about["steps"], parts["mask"].shape) == (1, 1, SIZE)
    # Who starts it with another policy wants that one.
    with TestClient(make_app(make_service("s2f2", snapshot=path), hosts=HOSTS)) as client:
        assert client.get("/v1/models").json()["models"][0]["policy"] == "s2f2"
        assert client.get("/v1/streams/door").json()["options"] == wanted


def test_streams_of_a_server_that_is_away_go_on_in_another_one(make_service, trained, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    frames = "/v1/streams/door/frames"
    with TestClient(make_app(make_service(snapshot=first), hosts=HOSTS)) as client:
        for name in ("door", "yard"):
            client.post("/v1/streams", json={"name": name, "priority": 2, **RAW})
        with client.websocket_connect(frames) as socket:
            for frame in FRAMES[:2]:
                socket.send_bytes(frame.tobytes())
            _check([socket.receive_bytes() for _ in range(2)], trained, FRAMES, 0)
    other = make_service(snapshot=second, adopt=[tmp_path / "none", first])
    with TestClient(make_app(other, hosts=HOSTS)) as client:
        assert client.get("/v1/streams/none").status_code == 404
        assert client.get("/v1/streams").json()["streams"] == []
        with client.websocket_connect(frames) as socket:  # which asks for it
            for frame in FRAMES[2:4]:
                socket.send_bytes(frame.tobytes())
            _check([socket.receive_bytes() for _ in range(2)], trained, FRAMES, 2)
        about = client.get("/v1/streams/door").json()
        assert (about["frames"], about["options"]["priority"]) == (4, 2)
        # The first one does not go on with it, too.
        assert [s.name for s in Snapshot.load(first).streams] == ["yard"]
        client.delete("/v1/streams/door")
        assert client.get("/v1/streams/door").status_code == 404
    first.write_bytes(b"damaged")
    with TestClient(make_app(make_service(adopt=[first]), hosts=HOSTS)) as client:
        assert client.get("/v1/streams/yard").status_code == 404


def test_no_stream_of_another_server_is_one_too_many(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        for name in ("door", "yard"):
            client.post("/v1/streams", json={"name": name, **RAW})
    with pytest.raises(rsf.InputError, match="itself have 2 streams, 1 are taken"):
        make_service(limits={"streams": 1}, snapshot=path)

    async def act():
        service = make_service(limits={"streams": 1}, adopt=[path])
        await service.start()
        service.open("mine")
        with pytest.raises(Problem, match="1 streams are open") as raised:
            await service.find("door")
        assert raised.value.code == "too_many"
        assert _names(path) == ["door", "yard"]
        assert len(await service.predict([FRAMES[0]])) == 1
        service.close("mine")
        assert (await service.find("door")).name == "door"
        assert _names(path) == ["yard"]
        await service.stop()

    asyncio.run(act())


def test_predictions_that_are_not_handed_in_end_with_the_server(make_service):
    async def act():
        service = make_service()
        await service.start()
        clips = [itertools.repeat(FRAMES[0]), [FRAMES[0]]]
        tasks = [asyncio.create_task(service.predict(clip)) for clip in clips]
        while service.engine.statistics().done < 2:
            await asyncio.sleep(0.01)
        await service.stop()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    for error in asyncio.run(act()):
        assert isinstance(error, Problem)
        assert error.code == "closing"


@pytest.mark.parametrize("keeps", [False, True])
def test_a_prediction_that_is_handed_in_is_answered_unless_streams_are_kept(
    make_service, tmp_path, monkeypatch, keeps
):
    async def act():
        service = make_service(snapshot=tmp_path / "streams" if keeps else None)
        tick, goes_on = service.engine.tick, threading.Event()
        monkeypatch.setattr(service.engine, "tick", lambda: goes_on.wait(20) and tick())
        await service.start()
        prediction = asyncio.create_task(service.predict([FRAMES[0]]))
        while not service.engine.statistics().waiting:
            await asyncio.sleep(0.01)
        end = asyncio.create_task(service.stop())
        await asyncio.sleep(0.1)
        goes_on.set()
        await end
        (found,) = await asyncio.wait_for(asyncio.gather(prediction, return_exceptions=True), 10)
        return found

    found = asyncio.run(act())
    if keeps:
        assert isinstance(found, Problem)
        assert found.code == "closing"
    else:
        assert [(result.status, result.steps) for result in found] == [("done", 3)]


def test_a_changed_policy_is_kept_without_any_stream(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        client.put("/v1/policy", json={"policy": "s4f1"})
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        assert client.get("/v1/models").json()["models"][0]["policy"] == "s4f1"
        assert client.get("/v1/streams").json()["streams"] == []


@pytest.mark.parametrize(
    "notes", [{"server": 3}, {"server": {}}, {"server": {"options": {"door": {"frame": 1}}}}]
)
def test_notes_that_are_no_servers_are_told(make_service, tmp_path, notes):
    path = tmp_path / "streams.safetensors"
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door"})
    dataclasses.replace(Snapshot.load(path), notes=notes).save(path)
    with pytest.raises(rsf.InputError, match=r"notes are not a server's|is no option"):
        make_service(snapshot=path)


def test_where_streams_cannot_be_kept_is_told_before_there_are_any(make_service, tmp_path):
    (tmp_path / "a_file").touch()
    with pytest.raises(rsf.InputError, match="a_file cannot be written to"):
        make_service(snapshot=tmp_path / "a_file" / "streams.safetensors")
    with pytest.raises(rsf.InputError, match="is a folder: a file for the streams is needed"):
        make_service(snapshot=tmp_path)
    with pytest.raises(rsf.InputError, match="snapshot_seconds is nan: seconds above 0"):
        make_service(snapshot=tmp_path / "streams.safetensors", snapshot_seconds=math.nan)


def test_a_snapshot_without_notes_is_gone_on_with(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", "budget_ms": 250})
    dataclasses.replace(Snapshot.load(path), notes={}).save(path)
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        options = client.get("/v1/streams/door").json()["options"]
    assert (options["budget_ms"], options["masks"]) == (250, "png")


def test_streams_are_kept_while_others_end(make_service, tmp_path, monkeypatch, caplog):
    path = tmp_path / "streams.safetensors"
    service = make_service(snapshot=path, snapshot_seconds=0.05)
    snapshot = service.engine.snapshot
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        for name in ("door", "gate", "yard"):
            client.post("/v1/streams", json={"name": name, **RAW})

        def ends_meanwhile(*chosen):
            monkeypatch.setattr(service.engine, "snapshot", snapshot)
            client.portal.call(service.close, "door")
            client.portal.call(service.close, "gate")
            client.portal.call(service.open, "gate")  # another one, which the next time is kept
            return snapshot(*chosen)

        monkeypatch.setattr(service.engine, "snapshot", ends_meanwhile)
        _wait(lambda: path.exists() and _names(path) == ["gate", "yard"])
        client.delete("/v1/streams/gate")
        _wait(lambda: _names(path) == ["yard"])  # it has gone on
    assert not caplog.records


def test_what_cannot_be_kept_is_kept_later(make_service, tmp_path, caplog):
    path = tmp_path / "away" / "streams.safetensors"
    service = make_service(snapshot=path, snapshot_seconds=0.05)
    path.parent.rmdir()  # it was there when the server began
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "yard", **RAW})
        _wait(lambda: caplog.records)
        assert "streams are not kept" in caplog.text
        assert "cannot be written: No such file" in caplog.text
        path.parent.mkdir()
        _wait(path.exists)
        assert _names(path) == ["yard"]


def test_what_is_kept_at_the_end_is_not_replaced_by_what_was_before(
    make_service, tmp_path, monkeypatch
):
    path = tmp_path / "streams.safetensors"
    begun, goes_on, ended = (threading.Event() for _ in range(3))
    save = Snapshot.save

    def slow(snapshot, to):
        is_first = not begun.is_set()
        begun.set()
        if is_first:
            assert goes_on.wait(20)
        written = save(snapshot, to)
        if is_first:
            ended.set()
        return written

    monkeypatch.setattr(Snapshot, "save", slow)
    service = make_service(snapshot=path, snapshot_seconds=0.05)
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", **RAW})
        assert begun.wait(20)
        with client.websocket_connect("/v1/streams/door/frames") as socket:
            socket.send_bytes(FRAMES[0].tobytes())
            socket.receive_bytes()
        threading.Timer(0.5, goes_on.set).start()
    assert ended.wait(20)
    assert [stream.submitted for stream in Snapshot.load(path).streams] == [1]


def _names(path):
    return sorted(stream.name for stream in Snapshot.load(path).streams)


def test_a_late_result_of_a_restored_stream_is_not_its_successors(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", **RAW})
    service = make_service(snapshot=path)
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        restored = service.sessions["door"].stream
        deliver = restored.on_result  # the engine's thread is about to call it
        client.delete("/v1/streams/door")
        result = FrameResult("door", 0, "done", {"mask": np.zeros(SIZE, np.uint8)}, 1, 0.1)
        deliver(result)  # nobody's
        client.post("/v1/streams", json={"name": "door", **RAW})
        deliver(result)
        assert client.get("/v1/streams/door").json()["unsent"] == 0


def test_name_and_place_of_a_closed_stream_are_free_at_once(make_service):
    async def act():
        service = make_service(limits={"streams": 3})
        await service.start()
        await asyncio.to_thread(service.runner.stop)  # the test ticks
        for names in ("abc", "abd", "efg", "abc"):
            for name in names:
                service.submit(service.open(name), FRAMES[0])
            service.engine.tick()
            assert any(s.stream.at_work for s in service.sessions.values())
            for name in names:
                service.close(name)
        while service.engine.tick():
            pass
        await service.stop()
        return service.engine.statistics()

    assert asyncio.run(act()).waiting == 0


def _fail_once(service, monkeypatch):
    """Lets the device fail at the next tick."""
    tick, failed = service.engine.tick, []

    def failing():
        if not failed:
            failed.append(True)
            raise RuntimeError("the device is on fire")
        return tick()

    monkeypatch.setattr(service.engine, "tick", failing)


def test_a_server_that_ends_answers_what_it_has_taken(make_service, trained):
    service = make_service()
    with TestClient(make_app(service, hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door", **RAW})
        with client.websocket_connect("/v1/streams/door/frames") as socket:
            for frame in FRAMES:
                socket.send_bytes(frame.tobytes())
            contents = [socket.receive_bytes()]
            client.portal.call(service.drain)
            assert client.get("/health").status_code == 503
            assert client.post("/v1/streams").json()["error"]["code"] == "closing"
            taken = service.sessions["door"].stream.submitted
            contents += [socket.receive_bytes() for _ in range(taken - 1)]
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_bytes()
        assert closed.value.code == 1001
        _check(contents, trained, FRAMES, 0)


def test_a_snapshot_that_does_not_fit_is_told_at_the_start(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(rsf.InputError, match=r"streams\.safetensors: this is no file"):
        make_service(snapshot=path)
    assert path.read_bytes() == b"nothing"
