"""What MkDocs calls while it builds the site; see mkdocs.yml."""

import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

# MkDocs loads this file by its path.
sys.path[:0] = [str(Path(__file__).parents[1])]

from documentation import browser_page, onnxruntime_web, site, tables  # noqa: E402


def on_files(files: Any, *, config: Any) -> Any:
    """Adds the pages and pictures that lie outside of `docs/`."""
    for path, uri in site.outside().items():
        made: dict[str, Any] = {"abs_src_path": str(site.ROOT / path)}
        if uri.endswith(".md"):
            made = {"content": site.text_of(path)}
        files.append(File.generated(config, uri, **made))
    for uri, picture in site.pictures_of_notebooks():
        files.append(File.generated(config, uri, content=picture))
    for uri, content in _of_the_browser().items():
        files.append(File.generated(config, uri, content=content))
    return files


def _of_the_browser() -> dict[str, bytes]:
    try:
        return browser_page.made()[0]
    except (onnxruntime_web.RuntimeMissingError, ValueError) as error:
        raise PluginError(str(error)) from None


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fills in generated tables, and lets links lead to pages of the site."""
    path = site.repository_path(page.file.src_uri)
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]  # which has this page alone
    text = tables.filled_in(site.with_links_of_the_site(markdown, path))
    return browser_page.filled_in(text, page.file.src_uri)


def on_post_build(*, config: Any) -> None:
    """Refuses a site whose pages load anything from another host."""
    found = [f"{path} loads {address}" for path, address in site.foreign(Path(config.site_dir))]
    if found:
        raise PluginError("\n".join(found))
