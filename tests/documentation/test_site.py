"""How files of the repository become pages of the site; the build itself is a step of CI."""

import base64
import dataclasses
import json

import pytest
from documentation import notebook_pages, site, tables

import rsf_jax as rsf


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("README.md", "index.md"),
        ("RESULTS.md", "results/index.md"),
        ("docs/live.md", "live.md"),
        ("docs/decisions/README.md", "decisions/README.md"),
        ("datasets/camvid/README.md", "datasets/camvid/README.md"),
        ("datasets/t_pathfinder/images/hard.png", "datasets/t_pathfinder/images/hard.png"),
        ("notebooks/own_cell.ipynb", "notebooks/own_cell.md"),
        ("rsf_jax/unroll.py", None),
        ("docs/none.md", None),
    ],
)
def test_files_of_the_repository_have_places_in_the_site(path, uri):
    assert site.site_path(path) == uri
    if uri is not None:
        assert site.repository_path(uri) == path


@pytest.mark.parametrize(
    ("path", "link", "there"),
    [
        ("README.md", "[a](docs/live.md)", "[a](live.md)"),
        ("README.md", "[a](docs/live.md#drift)", "[a](live.md#drift)"),
        ("README.md", "![a](docs/easy72_predictions.png)", "![a](easy72_predictions.png)"),
        ("docs/live.md", "[a](../RESULTS.md)", "[a](results/index.md)"),
        ("docs/live.md", "[a](decisions/README.md)", "[a](decisions/README.md)"),
        ("docs/how-to-add.md", "[a](../notebooks/own_cell.ipynb)", "[a](notebooks/own_cell.md)"),
        (
            "docs/guides/own-cell.md",
            "[a](../../notebooks/own_cell.ipynb)",
            "[a](../notebooks/own_cell.md)",
        ),
        (
            "datasets/t_pathfinder/README.md",
            "![a](images/hard.png)",
            "![a](images/hard.png)",
        ),
        (
            "datasets/template/README.md",
            "[a](../../docs/how-to-add.md#a-dataset)",
            "[a](../../how-to-add.md#a-dataset)",
        ),
        ("docs/live.md", "[the `code`](../rsf_jax/unroll.py)", "the `code`"),
        ("notebooks/own_cell.ipynb", "![a](own_cell-f-1.png)", "![a](own_cell-f-1.png)"),
        ("docs/live.md", "[a](#drift) [b](https://x.org/y)", "[a](#drift) [b](https://x.org/y)"),
        ("docs/live.md", "```\n[a](../RESULTS.md)\n```", "```\n[a](../RESULTS.md)\n```"),
    ],
)
def test_links_lead_to_pages_of_the_site(path, link, there):
    assert site.with_links_of_the_site(link, path) == there


def _notebook(*cells):
    made = [
        {"cell_type": kind, "id": f"{kind}-{number}", "source": [source], "outputs": outputs}
        for number, (kind, source, outputs) in enumerate(cells)
    ]
    return json.dumps({"cells": made})


_PICTURE = {"data": {"image/png": base64.b64encode(b"png").decode()}}
_NOTEBOOK = _notebook(
    ("markdown", "# Title\n\ntext", []),
    ("markdown", "[![Open in Colab](https://colab.org/a.svg)](https://colab.org/a.ipynb)", []),
    ("markdown", "## How far", []),
    ("code", "x = 1\nx", [{"text": ["a\n", "b\n"]}, {"data": {"text/plain": ["1"]}}]),
    ("code", "plot()", [_PICTURE, _PICTURE]),
)


def test_a_notebook_is_its_texts_its_code_and_its_outputs():
    title, note, *rest = notebook_pages.page(_NOTEBOOK, "notebooks/a.ipynb").split("\n\n")
    assert title == "# Title"
    assert "`notebooks/a.ipynb`" in note
    assert rest == [
        "text",
        "[Open in Colab](https://colab.org/a.ipynb)",
        "## How far",
        "```python\nx = 1\nx\n```",
        '```{ .text .output title="Output" }\na\nb\n1\n```',
        "```python\nplot()\n```",
        "![How far: what this code draws](a-code-4-1.png)",
        "![How far: what this code draws](a-code-4-2.png)\n",
    ]
    drawn = notebook_pages.pictures(_NOTEBOOK, "notebooks/a.ipynb")
    assert drawn == {"a-code-4-1.png": b"png", "a-code-4-2.png": b"png"}


def test_notebooks_and_their_pictures_are_in_the_site(monkeypatch, tmp_path):
    for folder in ("datasets", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "notebooks" / "a.ipynb").write_text(_NOTEBOOK)
    monkeypatch.setattr(site, "ROOT", tmp_path)
    assert site.text_of("notebooks/a.ipynb").startswith("# Title")
    names = ["notebooks/a-code-4-1.png", "notebooks/a-code-4-2.png"]
    assert [uri for uri, _ in site.pictures_of_notebooks()] == names


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ('<script src="https://cdn.org/a.js"></script>', "https://cdn.org/a.js"),
        ("<img alt=a src=//cdn.org/a.png>", "//cdn.org/a.png"),
        ('<link href="https://f.org/a.css" rel="stylesheet">', "https://f.org/a.css"),
        ('<link rel=preconnect href="https://f.org">', "https://f.org"),
        ("<style>@import 'https://f.org/a.css';</style>", "https://f.org/a.css"),
        ("<style>a { background: url(https://f.org/a.png) }</style>", "https://f.org/a.png"),
        ('<a href="https://x.org">read</a>', None),
        ('<script src="assets/a.js"></script><img src="a.png">', None),
        ('<link rel="canonical" href="https://x.org/">', None),
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_found(tmp_path, page, address):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "page.html").write_text(page)
    found = list(site.foreign(tmp_path))
    assert found == ([("folder/page.html", address)] if address else [])


def test_settings_are_grouped_as_they_are_declared():
    groups = tables.setting_groups()
    assert list(groups)[:3] == ["Name", "Data", "Streams"]
    assert "chunk_frames" in groups["Streams"]
    assert "seed" in groups["Training"]


def test_tables_are_filled_in():
    page = tables.filled_in("# Settings\n\n<!-- generated: settings -->\n")
    assert "| `kernel_size` | side of the recurrent kernels in pixels, odd." in page
    assert "**free**" in page
    page = tables.filled_in("<!-- generated: policies -->")
    assert "| `gate` | `ChangeGate` |" in page
    assert "| `pattern` | Euclidean distance" in page
    page = tables.filled_in("<!-- generated: presets -->")
    assert (
        "| `hard_s8f2` | t_pathfinder/hard | hgru | 25 | 15x15 | s8f2 | 100 epochs | 10 |" in page
    )


def test_every_setting_is_in_a_table():
    listed = [name for names in tables.setting_groups().values() for name in names]
    assert listed == [field.name for field in dataclasses.fields(rsf.Config)]


def test_a_mark_within_a_text_is_no_table():
    text = "Put `<!-- generated: NAME -->` there."
    assert tables.filled_in(text) == text
