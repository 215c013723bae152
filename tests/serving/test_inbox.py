"""Results on their way to the event loop: all of them, in order, by few looks."""

import asyncio
import threading

from rsf_jax.serving.inbox import Inbox


def test_what_threads_put_comes_in_order_and_nothing_is_left():
    async def run():
        loop, had, done = asyncio.get_running_loop(), [], asyncio.Event()
        inbox = Inbox(loop)

        def take(value):
            had.append(value)
            if len(had) == 4 * 2000:
                done.set()

        def put(thread):
            for number in range(2000):
                inbox.put(take, (thread, number))

        threads = [threading.Thread(target=put, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(done.wait(), 60)
        for thread in threads:
            thread.join()
        return had

    had = asyncio.run(run())
    for thread in range(4):
        assert [number for of, number in had if of == thread] == list(range(2000))


def test_the_loop_is_woken_once_for_what_comes_together(monkeypatch):
    loop, had, woken = asyncio.new_event_loop(), [], []
    monkeypatch.setattr(loop, "call_soon_threadsafe", woken.append)
    inbox = Inbox(loop)
    for value in range(3):
        inbox.put(had.append, value)
    assert (len(woken), had) == (1, [])
    woken[0]()
    assert had == [0, 1, 2]
    inbox.put(had.append, 3)
    assert len(woken) == 2
    loop.close()
