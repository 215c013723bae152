"""What is installed with which extra, and what is said of a package that is missing."""

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rsf_jax as rsf
from rsf_jax import extras

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
# Hides packages from a process, as if they were not installed.
_WITHOUT = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda _, name, *others: None if name in {hidden} else find(name, *others)
)
"""
_RUN_A_MODEL = """
import numpy as np
import rsf_jax as rsf
trained = rsf.load_pretrained("quickstart_live16")
frames = np.zeros((1, 2, 36, 36, 1), np.uint8)
out = rsf.run_video(trained.model, trained.variables, frames, rsf.parse_policy("s2f1"))
engine = rsf.StreamEngine(trained.model, trained.variables, rsf.FixedSchedule(2, 1), (36, 36))
print(out.steps.tolist())
"""


def _declared(texts):
    """Names of distributions, those of an extra's extras included."""
    for wanted in map(Requirement, texts):
        if wanted.name == "rsf_jax":
            yield from (name for extra in wanted.extras for name in _declared(OPTIONAL[extra]))
        else:
            yield canonicalize_name(wanted.name)


def _imported():
    """What modules of the library import of others, by the name that is imported."""
    for path in (ROOT / "rsf_jax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def _distributions(package):
    found = importlib.metadata.packages_distributions().get(package, [package])
    return {canonicalize_name(name) for name in found}


def _run(program, hidden):
    text = _WITHOUT.format(hidden=set(hidden)) + program
    command = [sys.executable, "-c", text]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_whatever_is_imported_is_declared():
    base = set(_declared(PROJECT["dependencies"]))
    others = set(_imported()) - set(sys.stdlib_module_names) - {"rsf_jax"}
    optional = {package for package in others if not _distributions(package) & base}
    assert optional <= extras.EXTRAS.keys()
    for package, extra in extras.EXTRAS.items():
        assert _distributions(package) & set(_declared(OPTIONAL[extra])), package
    assert "pillow" in set(_declared(OPTIONAL["video"]))


def test_what_tfds_alone_needs_is_in_no_other_extra():
    heavy = {"tensorflow", "tensorflow-cpu", "apache-beam", "mlcroissant"}
    assert heavy <= set(_declared(OPTIONAL["tfds"]))
    for extra in OPTIONAL.keys() - {"tfds", "all"}:
        assert not heavy & set(_declared(OPTIONAL[extra])), extra


def test_all_is_every_extra_of_a_user():
    everything = set(_declared(OPTIONAL["all"]))
    for extra in OPTIONAL.keys() - {"dev", "docs"}:
        assert set(_declared(OPTIONAL[extra])) <= everything


def test_a_model_runs_without_any_extra():
    done = _run(_RUN_A_MODEL, extras.EXTRAS)
    assert (done.returncode, done.stdout) == (0, "[[2, 1]]\n"), done.stderr


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("av", "rsf_jax.media.sources", "video"),
        ("PIL", "rsf_jax.media.overlay", "video"),
        ("grain", "rsf_jax.data.dataset", "train"),
        ("matplotlib", "rsf_jax.figures.runs", "plots"),
        ("jinja2", "rsf_jax.evaluation.report", "plots"),
    ],
)
def test_a_missing_package_is_a_line_that_names_its_extra(package, module, extra):
    done = _run(f"import {module}", [package])
    said = done.stderr.splitlines()[-1]
    assert f"needs the package {package}, which is not installed: " in said
    assert said.endswith(f"pip install 'rsf_jax[{extra}]'")


def test_a_model_of_the_hub_without_its_package_is_a_line_too():
    done = _run("import rsf_jax; rsf_jax.load_pretrained('hf:a/b')", ["huggingface_hub"])
    said = done.stderr.splitlines()[-1]
    assert said.endswith("huggingface_hub, which is not installed: pip install 'rsf_jax[hub]'")


def test_a_command_says_it_in_one_line():
    program = (
        "import sys; sys.argv = ['rsf', 'stream']\nfrom rsf_jax import __main__ as m; m.main()"
    )
    done = _run(program, ["av", "PIL"])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: rsf_jax.media.")
    assert done.stderr.endswith("pip install 'rsf_jax[video]'\n")
    assert done.stderr.count("\n") == 1


def test_others_may_ask_whether_a_package_is_there():
    program = "import rsf_jax, importlib.util as u; print(u.find_spec('av'), u.find_spec('grain'))"
    done = _run(program, ["av", "grain"])
    assert done.stdout == "None None\n", done.stderr


def test_it_is_an_import_that_failed_and_a_mistake_of_the_users():
    assert issubclass(extras.MissingExtraError, ImportError)
    assert issubclass(extras.MissingExtraError, ValueError)


def test_the_version_is_pyprojects():
    assert rsf.__version__ == PROJECT["version"]
