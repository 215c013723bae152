"""Which files of the repository are pages of the site, and how they are made to fit into it.

Links in the pages are those of the repository, so that they work there as well.
"""

import html
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from documentation import notebook_pages

ROOT = Path(__file__).parents[2]
DOCS = "docs"
_ALONE = {"README.md": "index.md", "RESULTS.md": "results/index.md", "WORKSPACE.md": "workspace.md"}
# A link or a picture, with the anchor apart.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)
# What a page loads by itself, unlike links that a reader follows.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preconnect|preload|icon|dns-prefetch))"
    r"[^>]*?\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|url\([\"']?((?:https?:)?//[^\"')]+)|@import\s+[\"']((?:https?:)?//[^\"']+)"
)


def outside() -> dict[str, str]:
    """Returns what the site has from outside of `docs/`: paths in the repository, and in it."""
    folders = sorted((ROOT / "datasets").iterdir())
    texts = [path for folder in folders for path in sorted(folder.glob("*.md"))]
    pictures = [path for folder in folders for path in sorted(folder.glob("images/*.png"))]
    found = {str(path.relative_to(ROOT)): str(path.relative_to(ROOT)) for path in texts + pictures}
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    found |= {f"notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in notebooks}
    return _ALONE | found


def repository_path(uri: str) -> str:
    """Returns the path in the repository of what has a path in the site."""
    return {there: here for here, there in outside().items()}.get(uri, f"{DOCS}/{uri}")


def site_path(path: str) -> str | None:
    """Returns the path in the site of a file or folder of the repository; None if it has none."""
    if path in (known := outside()):
        return known[path]
    if path.startswith(f"{DOCS}/") and (ROOT / path).is_file():
        return path.removeprefix(f"{DOCS}/")
    return None


def text_of(path: str) -> str:
    """Returns a file of the repository as Markdown."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if not path.endswith(".ipynb"):
        return text
    return notebook_pages.page(text, path)


def pictures_of_notebooks() -> Iterator[tuple[str, bytes]]:
    """Yields the pictures that notebooks have drawn: their paths in the site, and PNG."""
    for path, uri in outside().items():
        if path.endswith(".ipynb"):
            text = (ROOT / path).read_text(encoding="utf-8")
            for name, picture in notebook_pages.pictures(text, path).items():
                yield posixpath.join(posixpath.dirname(uri), name), picture


def with_links_of_the_site(text: str, path: str) -> str:
    """Returns a page with links that lead to the pages of the site.

    Links to files that are no pages, such as code, become plain text.

    Args:
        text: Markdown.
        path: of the page in the repository.
    """
    here = posixpath.dirname(site_path(path) or "")

    def link(match: re.Match) -> str:
        picture, label, target, anchor = match.groups(default="")
        if not target:
            return match[0]
        there = site_path(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
        if there is None:
            # A picture that a notebook has drawn is in the site alone.
            return match[0] if picture else label
        return f"{picture}[{label}]({posixpath.relpath(there, here or '.')}{anchor})"

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)


def foreign(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields what pages of a built site would load from other hosts: file and address."""
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".html", ".css", ".svg"):
            continue
        for match in _LOADED.finditer(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(folder)), html.unescape(next(filter(None, match.groups())))
