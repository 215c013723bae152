"""Opens streams and sends frames until it is killed: ADDRESS PREFIX NUMBER...; frames on stdin."""

import asyncio
import json
import sys
import urllib.request

from websockets.asyncio.client import connect

_PERIOD = 8


def main() -> None:
    """Prints a line once each stream has had a result, and goes on."""
    address, prefix, *numbers = sys.argv[1:]
    content = sys.stdin.buffer.read()
    size = len(content) // (len(numbers) * _PERIOD)
    frames = [content[n : n + size] for n in range(0, len(content), size)]
    asyncio.run(_all(address, [f"{prefix}-{number}" for number in numbers], frames))


async def _all(address: str, names: list[str], frames: list[bytes]) -> None:
    had: set[str] = set()
    of = (frames[n * _PERIOD : (n + 1) * _PERIOD] for n in range(len(names)))
    await asyncio.gather(
        *(_one(address, name, own, had, len(names)) for name, own in zip(names, of))
    )


async def _one(address: str, name: str, frames: list[bytes], had: set[str], count: int) -> None:
    options = json.dumps({"frames": "raw", "masks": "raw"}).encode()
    asked = urllib.request.Request(f"{address}/v1/streams/{name}", options, method="PUT")
    urllib.request.urlopen(asked).close()
    url = f"{address.replace('http', 'ws', 1)}/v1/streams/{name}/frames"
    async with connect(url, compression=None) as socket:
        sent = 0
        while True:
            if sent % _PERIOD == 0:
                await socket.send('{"type": "reset"}')
            await socket.send(frames[sent % _PERIOD])
            sent += 1
            if sent > 3:  # some are always on their way
                await socket.recv()
                had.add(name)
                if len(had) == count:
                    print("", flush=True)


if __name__ == "__main__":
    main()
