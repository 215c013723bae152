"""What MkDocs calls while it builds the site; see mkdocs.yml."""

import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

# MkDocs loads this file by its path.
sys.path[:0] = [str(Path(__file__).parents[1])]

from documentation import site, tables  # noqa: E402


def on_files(files: Any, *, config: Any) -> Any:
    """Adds the pages and pictures that lie outside of `docs/`."""
    for path, uri in site.outside().items():
        made: dict[str, Any] = {"abs_src_path": str(site.ROOT / path)}
        if uri.endswith(".md"):
            made = {"content": site.text_of(path)}
        files.append(File.generated(config, uri, **made))
    for uri, picture in site.pictures_of_notebooks():
        files.append(File.generated(config, uri, content=picture))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fills in generated tables, and lets links lead to pages of the site."""
    path = site.repository_path(page.file.src_uri)
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]  # which has this page alone
    return tables.filled_in(site.with_links_of_the_site(markdown, path))


def on_post_build(*, config: Any) -> None:
    """Refuses a site whose pages load anything from another host."""
    found = [f"{path} loads {address}" for path, address in site.foreign(Path(config.site_dir))]
    if found:
        raise PluginError("\n".join(found))
