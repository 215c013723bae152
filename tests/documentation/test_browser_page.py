"""The page that runs a model in the browser: its runtime, its program, and the page itself."""

import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from importlib.util import find_spec
from pathlib import Path

import browser
import numpy as np
import pytest
from documentation import browser_page, browser_program, onnxruntime_web, site

import rsf_jax as rsf
from rsf_jax.serving import demo

pytest.importorskip("onnxruntime")

FRAMES = 60  # one stream with its pauses and cuts


# ---- the runtime


def _archive(path, names=onnxruntime_web.FILES):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            file = path.parent / name
            file.write_bytes(name.encode())
            archive.add(file, f"package/dist/{name}")
    return path


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """A stand-in for npm, which hands out an archive; returns its folder and what it was asked."""
    folder = tmp_path / "npm"
    folder.mkdir()
    name = f"{onnxruntime_web.PACKAGE}-{onnxruntime_web.VERSION}.tgz"
    archive, asked = _archive(folder / name), folder / "asked"
    script = f'#!/bin/sh\necho "$@" >> {asked}\ncp {archive} .\n'
    (folder / "npm").write_text(script)
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    monkeypatch.delenv(onnxruntime_web.SWITCH, raising=False)
    monkeypatch.setattr(onnxruntime_web, "INTEGRITY", onnxruntime_web.integrity(archive))
    return folder


def test_the_runtime_is_fetched_once_and_its_files_are_taken(npm, tmp_path):
    kept = tmp_path / "kept"
    for _ in range(2):
        found = onnxruntime_web.files(kept)
        assert found == {name: name.encode() for name in onnxruntime_web.FILES}
    (asked,) = (npm / "asked").read_text().splitlines()
    assert asked.startswith(f"pack onnxruntime-web@{onnxruntime_web.VERSION} ")
    assert [path.name for path in kept.iterdir()] == [
        f"onnxruntime-web-{onnxruntime_web.VERSION}.tgz"
    ]


def test_another_archive_is_refused_and_not_kept(npm, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime_web, "INTEGRITY", "sha512-another")
    with pytest.raises(onnxruntime_web.RuntimeMissingError, match="not the archive"):
        onnxruntime_web.files(tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []


def test_without_npm_or_a_registry_it_says_so(npm, tmp_path, monkeypatch):
    (npm / "npm").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(onnxruntime_web.RuntimeMissingError, match="npm cannot get onnxruntime-web"):
        onnxruntime_web.files(tmp_path / "kept")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(onnxruntime_web.RuntimeMissingError, match="npm is not installed"):
        onnxruntime_web.files(tmp_path / "kept")


def test_it_can_be_switched_off(npm, tmp_path, monkeypatch):
    monkeypatch.setenv(onnxruntime_web.SWITCH, "off")
    with pytest.raises(onnxruntime_web.RuntimeMissingError, match="is off"):
        onnxruntime_web.files(tmp_path / "kept")
    assert not (npm / "asked").exists()
    with pytest.raises(ValueError, match="choose one of auto, off, required"):
        onnxruntime_web.choice({onnxruntime_web.SWITCH: "on"})


# ---- the page as text


PAGE = "# Title\n\n<!-- browser -->\n\nText with `<!-- browser -->`.\n"


@pytest.fixture
def unmade():
    """Nothing is remembered of other builds."""
    browser_page.made.cache_clear()
    yield
    browser_page.made.cache_clear()


def test_without_a_runtime_the_page_says_so_in_a_line(monkeypatch, unmade):
    monkeypatch.setenv(onnxruntime_web.SWITCH, "off")
    title, told, rest = browser_page.filled_in(PAGE, "tutorials/a.md").strip().split("\n\n")
    assert (title, rest) == ("# Title", "Text with `<!-- browser -->`.")
    assert told.startswith("*This build of the site has no runtime")
    assert "RSF_BROWSER_RUNTIME is off" in told
    assert browser_page.made()[0] == {}


def test_a_build_may_require_it(monkeypatch, unmade, tmp_path):
    monkeypatch.setenv(onnxruntime_web.SWITCH, "required")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(onnxruntime_web, "KEPT", tmp_path)
    with pytest.raises(onnxruntime_web.RuntimeMissingError, match="npm is not installed"):
        browser_page.made()


def test_with_it_the_page_loads_what_lies_in_the_site(monkeypatch):
    files = {f"browser/{name}": b"0" * 600_000 for name in ("page.js", "page.css")}
    monkeypatch.setattr(browser_page, "made", lambda: (files, ""))
    text = browser_page.filled_in(PAGE, "tutorials/a.md")
    assert 'src="../../browser/page.js"' in text
    assert 'href="../../browser/page.css"' in text
    assert "(1 MB)" in text
    assert browser_page.filled_in("# Another\n", "a.md") == "# Another\n"


def test_the_page_has_the_policy_that_it_runs():
    text = (site.ROOT / "docs/tutorials/in-the-browser.md").read_text()
    assert f"`{demo.MODEL}`" in text
    assert f"`{demo.POLICY}`" in text


# ---- the program


@pytest.fixture(scope="module")
def wanted():
    """Logits [T, H, W, K] and steps [T] of the library."""
    from rsf_jax.programs.check import library_video

    run = library_video(rsf.load_pretrained(demo.MODEL), demo.policy(), (36, 36))
    found = [run(frame[None]) for frame in browser_program.frames()[:FRAMES]]
    return np.concatenate([logits for logits, _ in found]), [int(steps[0]) for _, steps in found]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The files of the page's program, in a folder."""
    folder = tmp_path_factory.mktemp("program")
    for name, content in browser_program.files().items():
        (folder / name).write_bytes(content)
    return folder


def _first_state(told, content):
    place, found = 0, {}
    for one in told["inputs"][:-1]:
        count = int(np.prod(one["shape"]))
        found[one["name"]] = np.frombuffer(content, one["dtype"], count, place).reshape(
            one["shape"]
        )
        place += found[one["name"]].nbytes
    assert place == len(content)
    return found


def test_the_program_of_the_page_gives_what_the_library_gives(program, wanted):
    import onnxruntime

    told = json.loads((program / "program.json").read_text())
    state = _first_state(told, (program / "state.bin").read_bytes())
    session = onnxruntime.InferenceSession((program / "program.onnx").read_bytes())
    frames = np.frombuffer((program / "stream.bin").read_bytes(), np.uint8)
    frames = frames.reshape(told["frames"], *told["inputs"][-1]["shape"])
    logits, steps = [], []
    for frame in frames[:FRAMES]:
        *after, found, taken = session.run(None, {**state, "frame": frame})
        state = dict(zip(state, after, strict=True))
        logits.append(found)
        steps.append(int(taken[0]))
    assert steps == wanted[1]
    assert min(steps) == 0 < 4 <= max(steps)  # pauses and cuts
    np.testing.assert_allclose(np.concatenate(logits), wanted[0], atol=1e-4, rtol=0)


def _runtime():
    """The runtime's files; where they cannot be had, the test is left out and says why."""
    try:
        return onnxruntime_web.files()
    except onnxruntime_web.RuntimeMissingError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_runtime_of_the_page_gives_what_the_library_gives(program, wanted, tmp_path):
    for name, content in _runtime().items():
        (tmp_path / name).write_bytes(content)
    sources = Path(browser_page.__file__).parent / "browser"
    shutil.copyfile(sources / "program.js", tmp_path / "program.js")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for path in program.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    script = Path(__file__).with_name("program_in_node.mjs")
    subprocess.run(["node", script, tmp_path, str(FRAMES)], check=True, timeout=600)
    first, again = json.loads((tmp_path / "steps.json").read_text())
    assert first == again == wanted[1]  # also after a reset
    logits = np.frombuffer((tmp_path / "logits.bin").read_bytes(), "<f4").reshape(wanted[0].shape)
    np.testing.assert_allclose(logits, wanted[0], atol=1e-4, rtol=0)
    masks = np.frombuffer((tmp_path / "masks.bin").read_bytes(), np.uint8)
    np.testing.assert_array_equal(masks, logits.argmax(-1).ravel())


# ---- the page in a browser


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def _served(folder):
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.skipif(browser.installed() is None, reason="there is no Chromium")
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is not installed")
def test_the_built_page_runs_the_model(tmp_path):
    _runtime()
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    subprocess.run([*build, "-d", tmp_path / "site"], cwd=site.ROOT, check=True, timeout=600)
    with (
        _served(tmp_path / "site") as address,
        browser.Browser(tmp_path / "profile", dark=True) as page,
    ):
        page.open(f"{address}/tutorials/in-the-browser/")
        page.wait("document.readyState === 'complete' && !!document.getElementById('live-start')")
        loaded = "performance.getEntriesByType('resource').filter(x => /wasm/.test(x.name)).length"
        assert page.run(loaded) == 0  # megabytes, which nobody has asked for yet
        page.run("document.getElementById('live-start').focus()")
        page.key("Enter")
        _shows(page)
        page.run("document.getElementById('live-webcam').click()")
        page.wait("document.getElementById('live-webcam').ariaPressed === 'true'")
        _shows(page)
        for width, phone in ((390, True), (1100, False)):
            page.resize(width, 800, phone)
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        foreign = "performance.getEntriesByType('resource').filter(x => !x.name.startsWith(origin))"
        assert page.run(f"{foreign}.length") == 0
        assert page.errors == []


def _shows(page):
    """Frames go on, and their steps are drawn."""
    page.wait("Number(document.getElementById('live-rate').textContent) > 0.5", seconds=120)
    strip = "document.getElementById('live-strip')"
    drawn = f"{strip}.getContext('2d').getImageData(0, 0, {strip}.width, {strip}.height).data"
    page.wait(f"{drawn}.some(value => value > 0)")
