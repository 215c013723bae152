"""What a server feeds itself goes on at its pace, whatever has held it up."""

import asyncio
import itertools
import time
from functools import partial

import numpy as np
import pytest
from filming import RATE, film, scenes
from served import HOSTS, SIZE
from starlette.testclient import TestClient

import rsf_jax as rsf
from rsf_jax.media.sources import open_source
from rsf_jax.serving.app import make_app
from rsf_jax.serving.feeds import Feed, at_pace, of_source

NOTHING = np.zeros((*SIZE, 1), np.uint8)
PAUSE = 0.7  # seconds


@pytest.mark.parametrize("is_file", [True, False])
def test_after_a_pause_frames_go_on_at_their_pace(tmp_path, is_file):
    if is_file:
        path = film(tmp_path / "clip.mp4", scenes(14))
        feed = of_source(partial(open_source, path, SIZE, 1))
    else:
        feed = at_pace(lambda: itertools.repeat(NOTHING), RATE)

    async def times():
        loop, found = asyncio.get_running_loop(), []
        async for _ in feed():
            found.append(loop.time())
            if len(found) == 3:
                await asyncio.sleep(PAUSE)
            if len(found) == 12:
                return found

    found = asyncio.run(times())
    # The frame after the pause is due at once, the eight after it are not.
    assert found[11] - found[3] > 8 / RATE - 0.3


def test_a_file_that_begins_again_begins_a_video(tmp_path, make_service):
    path, seen = film(tmp_path / "clip.mp4", scenes(3)), []
    feed = Feed("clip", of_source(partial(open_source, path, SIZE, 1)))
    service = make_service()
    with TestClient(make_app(service, hosts=HOSTS, feeds=[feed])) as client:
        stream = service.session("clip").stream
        deliver = stream.on_result
        stream.on_result = lambda result: (seen.append(result), deliver(result))
        until = time.monotonic() + 30
        while len(seen) < 7 and time.monotonic() < until:
            client.get("/v1/health")
            time.sleep(0.02)
    firsts = [result.index for result in seen if result.first]
    assert len(firsts) > 1
    assert all(index % 3 == 0 for index in firsts)
    assert [r.steps for r in seen] == [3 if r.first else 2 for r in seen]


def test_feeds_have_names_that_are_free(make_service, tmp_path):
    path = tmp_path / "streams.safetensors"
    with TestClient(make_app(make_service(snapshot=path), hosts=HOSTS)) as client:
        client.post("/v1/streams", json={"name": "door"})
    frames = at_pace(lambda: itertools.repeat(NOTHING), RATE)
    wanted = ["door", "contour-1", "contour-1", "T\u00fcr", "", "x" * 80]
    feeds = [Feed(name, frames) for name in wanted]
    service = make_service(snapshot=path)
    with TestClient(make_app(service, hosts=HOSTS, feeds=feeds)) as client:
        told = client.get("/v1/streams").json()["streams"]
    names = ["door-2", "contour-1", "contour-1-2", "T-r", "stream", "x" * 40]
    assert [feed.name for feed in feeds] == names
    assert [(s["stream"], s["own"]) for s in told] == [
        ("door", False),
        *((name, True) for name in names),
    ]
    few = make_service(snapshot=path, limits={"streams": 6})
    with pytest.raises(rsf.InputError, match="have 7 streams, 6 are taken"):
        make_app(few, hosts=HOSTS, feeds=feeds)
