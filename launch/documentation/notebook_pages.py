"""Notebooks as pages of the site: their texts, their code and its outputs."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
# A picture from another host that is a link: the link is left.
_BADGE = re.compile(r"\[!\[([^\]]*)\]\(https?:[^)]*\)\]")
_NOTE = (
    "This page is the notebook `{}`. To run it: `pip install notebook`, then `jupyter notebook "
    "notebooks`."
)


def page(text: str, path: str) -> str:
    """Returns a notebook as Markdown, with a note of where it is.

    Its pictures are those that `pictures` returns, beside the page.

    Args:
        text: of the file.
        path: of the notebook in the repository.
    """
    parts = list(_parts(json.loads(text)["cells"], PurePosixPath(path).stem))
    title, _, rest = "\n\n".join(parts).partition("\n")
    return f"{title}\n\n*{_NOTE.format(path)}*\n{rest}\n"


def pictures(text: str, path: str) -> dict[str, bytes]:
    """Returns the pictures of a notebook, PNG, by their names in the folder of its page."""
    stem = PurePosixPath(path).stem
    return {
        _name(stem, cell, number): base64.b64decode("".join(data["image/png"]))
        for cell in json.loads(text)["cells"]
        for number, data in _pictures_of(cell)
    }


def _parts(cells: list[dict[str, Any]], stem: str) -> Iterator[str]:
    section = ""
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            section = (_HEADING.findall(source) or [section])[-1]
            yield _FORMULA.sub(_mathml, _BADGE.sub(r"[\1]", source))
            continue
        yield f"```python\n{source}\n```"
        if told := _told(cell):
            yield f'```{{ .text .output title="Output" }}\n{told}\n```'
        for number, _ in _pictures_of(cell):
            yield f"![{section}: what this code draws]({_name(stem, cell, number)})"


def _told(cell: dict[str, Any]) -> str:
    """What a cell has printed, and what it ends in."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        text = output.get("text") or ("" if "image/png" in data else data.get("text/plain", ""))
        texts.append("".join(text).strip("\n"))
    return "\n".join(filter(None, texts))


def _pictures_of(cell: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    found = [output.get("data", {}) for output in cell.get("outputs", [])]
    return enumerate((data for data in found if "image/png" in data), 1)


def _name(stem: str, cell: dict[str, Any], number: int) -> str:
    return f"{stem}-{cell['id']}-{number}.png"


def _mathml(match: re.Match) -> str:
    """A formula as MathML, which browsers show by themselves."""
    # Of the extra `docs`: the tests run without it.
    from latex2mathml.converter import convert

    if match[1]:
        return f'<div class="formula">{convert(match[1], display="block")}</div>'
    return convert(match[2])
