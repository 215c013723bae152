"""What a server feeds itself goes on at its pace, whatever has held it up."""

import asyncio
import itertools
from functools import partial

import numpy as np
import pytest
from filming import RATE, film, scenes

from rsf_jax.media.sources import open_source
from rsf_jax.serving.feeds import at_pace, of_source

PAUSE = 0.7  # seconds


@pytest.mark.parametrize("is_file", [True, False])
def test_after_a_pause_frames_go_on_at_their_pace(tmp_path, is_file):
    if is_file:
        path = film(tmp_path / "clip.mp4", scenes(14))
        feed = of_source(partial(open_source, path, (12, 16), 1))
    else:
        feed = at_pace(lambda: itertools.repeat(np.zeros((12, 16, 1), np.uint8)), RATE)

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
