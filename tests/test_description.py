"""What a package index shows of the README, where paths of the repository lead nowhere."""

import re
import runpy
import shutil
from pathlib import Path

import pytest
import setuptools

ROOT = Path(__file__).parents[1]


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Returns the description that setup.py makes, of a project with more in its pyproject.toml."""

    def make(more=""):
        for name in ("setup.py", "README.md"):
            shutil.copy(ROOT / name, tmp_path)
        project = (ROOT / "pyproject.toml").read_text().replace("[tool.ruff]", f"{more}[tool.ruff]")
        (tmp_path / "pyproject.toml").write_text(project)
        (tmp_path / "datasets").mkdir()
        given = {}
        # Setuptools that came with Python may be older than what builds the package.
        monkeypatch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
        monkeypatch.chdir(tmp_path)
        runpy.run_path("setup.py")
        return given["long_description"]

    return make


def _paths(text):
    return re.findall(r"\]\(((?!https?:|#)[^)]*)\)", text)


def test_without_an_address_nothing_leads_to_files(described):
    readme, found = (ROOT / "README.md").read_text(), described()
    assert len(_paths(readme)) > 20
    assert _paths(found) == []
    assert "![" not in found
    # What was a link is still there, and so are links to other sites.
    assert "the decisions" in found
    assert found.count("](https://") == readme.count("](https://")


def test_with_an_address_pictures_and_pages_are_there(described):
    address = "https://example.org/rsf"
    found = described(f'[project.urls]\nRepository = "{address}/"\n\n')
    assert _paths(found) == []
    assert f"]({address}/raw/HEAD/docs/images/live.png)" in found
    assert f"[the decisions]({address}/blob/HEAD/docs/decisions/README.md)" in found
