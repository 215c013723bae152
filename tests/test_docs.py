"""The documents name what is there, and WORKSPACE.md stays a map."""

import importlib
import io
import re
import tokenize

import pytest
import yaml
from documentation import site, tables
from pages import PAGES, ROOT, name

import rsf_jax as rsf

DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
# From the root of the repository. "NAME" and "toy" stand for what a reader adds.
_PATH = re.compile(r"(?<![\w/.])(?:rsf_jax|docs|tests|datasets|launch|notebooks)/[\w./=-]*[\w/]")
_PLACEHOLDER = re.compile(r"NAME|\btoy\b|test_toy|toy_dataset")
_DOTTED = re.compile(r"\brsf_jax((?:\.[a-z_]+)+)")
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(#[^)]*)?\)")


def _named(text):
    """Paths in a text, but for those that a reader is to make."""
    return {path for path in _PATH.findall(text) if not _PLACEHOLDER.search(path)}


def _missing(text):
    """Paths in a text that are not there."""
    return sorted(path for path in _named(text) if not (ROOT / path).exists())


def _anchors(path):
    """What GitHub makes of a page's titles."""
    titles = re.findall(r"^#+ (.+)", path.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def _comments(path):
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def _code():
    folders = ("rsf_jax", "launch", "datasets", "tests")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_what_is_missing_is_found():
    """The search itself, on a text."""
    text = "`rsf_jax/data.py`, rsf_jax/unroll.py, docs/none.md and datasets/toy/README.md"
    assert _missing(text) == ["docs/none.md", "rsf_jax/data.py"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_and_link_of_a_page_leads_somewhere(page):
    text = page.read_text()
    assert not _missing(text)
    for target, anchor in _LINK.findall(text):
        found = page.parent / target if target else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target + anchor


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_module_of_a_page_is_there(page):
    """Of `rsf_jax.a.b` at least `a` is a module or a name that the library hands out."""
    names = {dotted.split(".")[1] for dotted in _DOTTED.findall(page.read_text())}
    init = (ROOT / "rsf_jax" / "__init__.py").read_text()
    here = {path.stem for path in (ROOT / "rsf_jax").iterdir()}
    assert not [name for name in names - here if f'"{name}"' not in init]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_and_bundled_model_of_a_page_is_there(page):
    text = page.read_text()
    assert set(re.findall(r"--config\.(\w+)", text)) <= {
        *rsf.Config.__dataclass_fields__,
        "NAME",
        "FIELD",
    }
    named = re.findall(r"(?:--pretrained=|load_pretrained\(\")(\w+)(?=[ `\n\")])", text)
    assert set(named) <= {*rsf.pretrained_names(), "NAME"}


def test_comments_name_pages_and_modules_that_are_there():
    missing = {
        str(path.relative_to(ROOT)): found
        for path in _code()
        if (found := _missing(_comments(path)))
    }
    assert not missing


def test_the_readme_is_read_to_its_end():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 180


def _entries(nav):
    """The pages of a navigation."""
    for entry in nav if isinstance(nav, list) else nav.values():
        yield from [entry] if isinstance(entry, str) else _entries(entry)


def test_the_navigation_has_every_page_once():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    listed = list(_entries(settings["nav"]))
    here = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")]
    here += [uri for uri in site.outside().values() if uri.endswith(".md")]
    assert sorted(listed) == sorted(here)


@pytest.mark.parametrize("page", sorted((DOCS / "reference" / "api").glob("*.md")), ids=name)
def test_what_the_reference_documents_is_there(page):
    named = re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
    assert named
    assert not [dotted for dotted in named if not _documented(dotted)]


def _documented(dotted):
    """Whether a module, or what it has of that name, has a docstring."""
    module, _, attribute = dotted.rpartition(".")
    thing = getattr(importlib.import_module(module), attribute, None)
    return bool(getattr(thing, "__doc__", None))


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "api" / "README.md").read_text()
    assert set(rsf.__all__) == set(re.findall(r"`rsf\.(\w+)`", text))


def test_generated_tables_have_pages():
    marks = [
        mark
        for page in PAGES
        for mark in re.findall(r"^<!-- generated: (\w+) -->$", page.read_text(), re.MULTILINE)
    ]
    assert sorted(marks) == sorted(tables.TABLES)


def test_figures_stand_where_a_page_shows_them():
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())
    }
    pictures = {*DOCS.glob("*.png"), *(DOCS / "images").iterdir()}
    assert pictures <= shown


def test_decisions_are_named_where_they_have_forced_the_code():
    named = [page for path in _code() for page in _named(_comments(path))]
    assert sum(page.startswith("docs/") for page in named) >= 15


def test_every_decision_is_in_the_index_once():
    index = (DOCS / "decisions" / "README.md").read_text()
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\)", index, re.MULTILINE)
    assert listed == [(path.name[:4], path.name) for path in DECISIONS]
    assert len({path.name[:4] for path in DECISIONS}) == len(DECISIONS)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda path: path.name)
def test_a_decision_has_its_sections(page):
    text = page.read_text()
    assert text.startswith(f"# {page.name[:4]}: ")
    titles = re.findall(r"^## (.+)", text, re.MULTILINE)
    assert titles[:2] == ["Context", "Decision"]
    assert "Consequences" in titles


def test_workspace_stays_a_map():
    lines = (ROOT / "WORKSPACE.md").read_text().splitlines()
    assert len(lines) <= 120
    text = "\n".join(lines)
    packages = [path for path in (ROOT / "rsf_jax").iterdir() if (path / "__init__.py").exists()]
    assert packages
    assert not [path.name for path in packages if f"rsf_jax/{path.name}/" not in text]
    files = [path for path in (ROOT / "rsf_jax").glob("*.py") if path.name != "__init__.py"]
    assert not [path.name for path in files if path.name not in text]
