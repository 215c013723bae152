"""A browser without a window, driven over its debugging port."""

import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
# A camera that shows a moving pattern, and no question whether it may be used.
_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


def installed():
    """The browser's program; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser."""

    def __init__(self, folder, *, width=1100, height=900, dark=False):
        self._folder = Path(folder)
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
        options += ("--no-first-run", "--remote-debugging-port=0", *_CAMERA)
        self._process = subprocess.Popen(
            [installed(), *options, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._count, self.errors = 0, []
        self._open = contextlib.ExitStack()
        try:
            self._begin(width, height, dark)
        except BaseException:
            self.close()
            raise

    def _begin(self, width, height, dark):
        self._socket = self._open.enter_context(
            connect(self._page(), max_size=2**26, ping_interval=None)
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=theme)

    def _page(self):
        """The address of its first page's debugger."""
        file, until = self._folder / "DevToolsActivePort", time.monotonic() + 60
        while True:
            assert time.monotonic() < until, "the browser does not start"
            with contextlib.suppress(OSError, ValueError, StopIteration):
                port = int(file.read_text().split()[0])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                    pages = json.loads(answer.read())
                return next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
            time.sleep(0.1)

    def call(self, method, **params):
        """Calls a method of the debugger; errors of the page are noted meanwhile."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._count:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", params))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"])
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(params["args"])

    def open(self, address):
        """Goes to a page."""
        self.call("Page.navigate", url=address)

    def resize(self, width, height, phone=False):
        """Makes the page as large as that."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def key(self, name):
        """Presses a key, such as "Enter", where the focus is."""
        text = {"Enter": "\r", " ": " "}.get(name, "")
        codes = {"Enter": 13, " ": 32, "Tab": 9}
        about = {"key": name, "text": text, "windowsVirtualKeyCode": codes[name]}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def run(self, script):
        """Returns what an expression is worth; of a promise, once it is kept."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, script, seconds=60):
        """Waits until an expression is true."""
        until = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < until, (script, self.errors)
            time.sleep(0.1)

    def picture(self, path):
        """Writes what is seen as a PNG, the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(found["data"]))

    def close(self):
        """Ends it."""
        self._open.close()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
