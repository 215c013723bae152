"""The page on which the visitor's browser runs a model: its files, and what stands in its place."""

import functools
import logging
import posixpath
import re
from pathlib import Path

import rsf_jax as rsf
from documentation import browser_program, onnxruntime_web

FOLDER = "browser"  # of the site
_SOURCES = Path(__file__).parent / "browser"
_SCRIPTS = ("page.js", "page.css", "worker.js", "program.js")
_MARK = re.compile(r"^<!-- browser -->$", re.MULTILINE)
_WITHOUT = (
    "*This build of the site has no runtime, so that the model is not shown here: {}. `mkdocs "
    "build` fetches it where npm is installed and reaches a registry.*"
)


@functools.cache
def made() -> tuple[dict[str, bytes], str]:
    """Returns the page's files by their paths in the site, and why there are none.

    Raises:
        RuntimeMissingError: if there is no runtime and `RSF_BROWSER_RUNTIME` requires it.
    """
    try:
        found = onnxruntime_web.files() | browser_program.files()
    except (onnxruntime_web.RuntimeMissingError, rsf.InputError) as error:
        if onnxruntime_web.choice() == "required":
            raise onnxruntime_web.RuntimeMissingError(str(error)) from None
        logging.getLogger("mkdocs.hooks").info("No model runs in the browser: %s", error)
        return {}, str(error)
    found |= {name: (_SOURCES / name).read_bytes() for name in _SCRIPTS}
    return {f"{FOLDER}/{name}": content for name, content in found.items()}, ""


def filled_in(text: str, uri: str) -> str:
    """Returns a page with what shows the model, or a line that says why it does not.

    It stands where the page has the mark `<!-- browser -->`.

    Args:
        text: Markdown.
        uri: of the page in the site, such as "tutorials/in-the-browser.md".
    """
    if not _MARK.search(text):
        return text
    files, why = made()
    shown = _html(files, uri) if files else _WITHOUT.format(why)
    return _MARK.sub(lambda _: shown, text)


def _html(files: dict[str, bytes], uri: str) -> str:
    # A page is a folder of the site, one below its Markdown.
    folder = posixpath.relpath(FOLDER, uri.removesuffix(".md"))
    size = sum(map(len, files.values())) / 1e6
    text = (_SOURCES / "page.html").read_text()
    return text.replace("FOLDER", folder).replace("SIZE", f"{size:.0f}")
