"""Runs notebooks from start to end and stores them with their outputs.

    python tools/notebooks.py [NAME ...]
    python tools/notebooks.py --heads

NAME is that of a file in `notebooks/` without its ending; all of them unless given. With `--heads`
nothing is run: the badge and the cell that installs the library are written anew, as after the
repository's address in pyproject.toml has changed.
"""

import argparse
import base64
import hashlib
import io
import itertools
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import nbclient
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
MOST_OF_A_PICTURE, MOST_OF_A_NOTEBOOK = 60_000, 300_000  # bytes
# Names of the cells that this tool writes.
BADGE, INSTALL = "badge", "install"
_EXTRAS = "train,video"
_INSTALL = """\
# Installs the library where it is missing, as on Colab; elsewhere nothing happens.
import importlib.util

if importlib.util.find_spec("rsf_jax") is None:
    %pip install -q "{}"
"""
_COLAB = "https://colab.research.google.com"
_BADGE = f"[![Open in Colab]({_COLAB}/assets/colab-badge.svg)]({_COLAB}/github/{{}}/blob/main/{{}})"
_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
_COLORS = re.compile(r"\x1b\[[\d;]*m")  # as terminals are told
# What a stored output must not have, and what to call it.
_UNWANTED = {
    "a warning": re.compile(r"warn(?:ing)?\b", re.IGNORECASE),
    "a path of the machine": re.compile(
        r"(?<![\w.])/(?:home|root|tmp|work|content|Users|usr|var|opt|mnt|private)/|\b[A-Z]:\\"
    ),
    "an address in memory": re.compile(r"\bat 0x[0-9a-f]{4,}"),
    "a progress bar": re.compile("\r|█"),
}


def repository_address() -> str | None:
    """Returns the repository's address, `Repository` in pyproject.toml; None where it has none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project.get("urls", {}).get("Repository")


def with_head(notebook: NotebookNode, path: str, address: str | None) -> NotebookNode:
    """Returns a notebook that can be run where the library is not installed.

    Below the title come a badge that opens it in Colab, if the repository is on GitHub, and a cell
    that installs the library: from its address, or from the clone that the notebook is in.

    Args:
        notebook: its first cell is the title.
        path: of the notebook in the repository.
        address: of the repository; None where it is not known.
    """
    title, *rest = (cell for cell in notebook.cells if cell.id not in (BADGE, INSTALL))
    source = f"rsf_jax[{_EXTRAS}] @ git+{address}" if address else f"..[{_EXTRAS}]"
    head = [new_code_cell(_INSTALL.format(source).rstrip(), id=INSTALL, execution_count=1)]
    on_github = _GITHUB.fullmatch(address or "")
    if on_github:
        head.insert(0, new_markdown_cell(_BADGE.format(on_github[1], path), id=BADGE))
    return NotebookNode({**notebook, "cells": [title, *head, *rest]})


class _ThisInterpreter(AsyncKernelManager):
    """Starts the running interpreter, whatever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv += ["--log-level=ERROR"]
        return KernelSpec(argv=argv, display_name="this", language="python")


def execute(notebook: NotebookNode, folder: Path, environment: Mapping[str, str]) -> None:
    """Runs all cells of a notebook in a process of its own, and puts their outputs into it.

    Args:
        notebook: is changed.
        folder: where it runs: what it writes is there.
        environment: variables besides those of this process.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell raises.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    client = nbclient.NotebookClient(
        notebook,
        timeout=1200,
        record_timing=False,
        kernel_manager_class=_ThisInterpreter,
        resources={"metadata": {"path": str(folder)}},
    )
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment}
    client.execute(env={**os.environ, **variables})


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Returns a notebook without what differs from run to run, and with the digest of its code."""
    for number, cell in enumerate(_code_cells(notebook), 1):
        cell.metadata, cell.execution_count = NotebookNode(), number
        cell.outputs = list(_together(map(_plain, cell.outputs)))
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        code=digest(notebook),
    )
    return notebook


def _plain(output: NotebookNode) -> NotebookNode:
    """A picture without the name of its class, or text without its HTML and colors."""
    data = output.get("data", {})
    if "image/png" in data:
        picture = _in_few_colors(data["image/png"])
        return NotebookNode({**output, "data": {"image/png": picture}, "metadata": {}})
    if output.output_type == "display_data":
        return _printed(f"{data['text/plain'].rstrip()}\n", "stdout")
    return _printed(output.text, output.name) if output.output_type == "stream" else output


def _printed(text: str, name: str) -> NotebookNode:
    return new_output("stream", text=_COLORS.sub("", text), name=name)


def _together(outputs: Iterable[NotebookNode]) -> Iterator[NotebookNode]:
    """What is printed one after the other as one output."""
    streams = itertools.groupby(outputs, lambda output: output.get("name"))
    for name, group in streams:
        if name:
            yield new_output("stream", text="".join(o.text for o in group), name=name)
        else:
            yield from group


def _in_few_colors(png: str) -> str:
    """The same picture in 256 colors, a third of the size; in fewer if that is too large."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    for colors in (256, 64, 32):
        smaller = io.BytesIO()
        picture.quantize(colors, dither=Image.Dither.NONE).save(smaller, "PNG", optimize=True)
        if smaller.tell() <= MOST_OF_A_PICTURE:
            break
    return base64.b64encode(smaller.getvalue()).decode()


def digest(notebook: NotebookNode) -> str:
    """Returns a digest of the code that a notebook's outputs are of."""
    code = [cell.source for cell in _code_cells(notebook) if cell.id != INSTALL]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def problems(notebook: NotebookNode) -> Iterator[str]:
    """Yields what is wrong with a notebook that is to be stored."""
    if notebook.metadata.get("code") != digest(notebook):
        yield "its outputs are not those of its code: python tools/notebooks.py"
    outputs = [(cell.id, output) for cell in _code_cells(notebook) for output in cell.outputs]
    if not any("image/png" in output.get("data", {}) for _, output in outputs):
        yield "it has no picture"
    for name, output in outputs:
        yield from (f"cell {name}: {problem}" for problem in _problems_of(output))
    size = len(nbformat.writes(notebook))
    if size > MOST_OF_A_NOTEBOOK:
        yield f"it has {size:,} bytes, more than {MOST_OF_A_NOTEBOOK:,}"


def _problems_of(output: NotebookNode) -> Iterator[str]:
    if output.output_type == "error":
        yield f"an error: {output.ename}"
    if output.get("name") == "stderr":
        yield f"standard error: {output.text[:200]}"
    size = len(output.get("data", {}).get("image/png", "")) * 3 // 4
    if size > MOST_OF_A_PICTURE:
        yield f"a picture of {size:,} bytes, more than {MOST_OF_A_PICTURE:,}"
    text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
    for what, pattern in _UNWANTED.items():
        if match := pattern.search(text):
            yield f"{what}: {text[max(match.start() - 40, 0) : match.end() + 80]!r}"


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _store(path: Path, *, run: bool) -> list[str]:
    """Writes a notebook anew; returns what is wrong with it."""
    notebook = nbformat.read(path, as_version=4)
    notebook = with_head(notebook, f"{FOLDER.name}/{path.name}", repository_address())
    if run:
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, Path(folder), {})
        notebook = tidy(notebook)
    nbformat.write(notebook, path)
    return [f"{path.name}: {problem}" for problem in problems(notebook)]


def main() -> None:
    """Command line."""
    here = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(here)}")
    parser.add_argument("--heads", action="store_true", help="write badge and install cell alone")
    arguments = parser.parse_args()
    if unknown := sorted({*arguments.names} - {*here}):
        parser.error(f"no notebook {unknown[0]}: choose of {', '.join(here)}")
    found = []
    for name in arguments.names or here:
        print(name, flush=True)
        found += _store(FOLDER / f"{name}.ipynb", run=not arguments.heads)
    if found:
        parser.error("stored, but cannot stay so:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
