"""Notebooks run from start to end, and are stored with outputs that can be shown."""

import base64
import dataclasses
import io

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from tests import compiling
from tools import notebooks

PATHS = sorted(notebooks.FOLDER.glob("*.ipynb"))
# Runs before a notebook: what it trains is small, and the speed of it measured for a moment.
_BEFORE = """
import rsf_jax as rsf
from rsf_jax import experiment
from rsf_jax.evaluation import sweep
from tests import brevity

brevity.begin()
preset, run, test_all = rsf.get_config, experiment.run, sweep.sweep
smaller = {"channels": 4, "kernel_size": 3, "updates": 2, "validate_every": 0}
tiny = {"t_pathfinder/quickstart": "t_pathfinder/tiny"}


def get_config(name):
    config = preset(name)
    return config.replace(dataset=tiny.get(config.dataset, config.dataset))


def run_briefly(config, *rest):
    # What begins with other weights stays of their size.
    changes = {"updates": 2} if config.init_from else smaller
    return run(config.replace(**changes), *rest)


rsf.get_config, experiment.run = get_config, run_briefly
sweep.sweep = lambda *arguments, videos: test_all(*arguments)
"""


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """A TFDS data directory with `t_pathfinder/tiny`, few videos of the quickstart's."""
    from t_pathfinder.subsets import SUBSETS
    from t_pathfinder.t_pathfinder_dataset_builder import Builder, SubsetConfig

    subset = dataclasses.replace(
        SUBSETS["quickstart"], train_videos=40, test_videos=8, calibration_videos=1
    )
    folder = tmp_path_factory.mktemp("tensorflow_datasets")
    config = SubsetConfig(name="tiny", subset=subset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        Builder(config=config, data_dir=folder).download_and_prepare()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebooks_run(path, quickstart, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, new_code_cell(_BEFORE))
    # One device: every other one would be compiled for too.
    environment = {"TFDS_DATA_DIR": str(quickstart), "XLA_FLAGS": compiling.FLAGS}
    notebooks.execute(notebook, tmp_path, environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    # Warnings are errors in the tests; a notebook's are written here.
    assert not [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebooks_are_stored_as_they_can_be_shown(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert list(notebooks.problems(notebook)) == []
    address = notebooks.repository_address()
    assert notebooks.with_head(notebook, f"notebooks/{path.name}", address) == notebook


def _png(side, noise=False):
    pixels = np.zeros((side, side, 3), np.uint8)
    if noise:
        pixels = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _shown(png):
    data = {"image/png": png, "text/plain": "<Figure size 1x1 with 1 Axes>"}
    return new_output("display_data", data)


def _said(text, name="stdout"):
    return new_output("stream", text=text, name=name)


def _executed(*outputs):
    cells = [new_markdown_cell("# Title"), new_code_cell("f()", outputs=list(outputs), id="f")]
    return notebooks.tidy(new_notebook(cells=cells))


def test_a_tidy_notebook_has_no_problems():
    table = new_output(
        "display_data", {"text/html": "<b>a</b>", "text/plain": "\x1b[1ma ┃ b\x1b[0m\n\n"}
    )
    notebook = _executed(_shown(_png(8)), table, _said("mIoU 0.9 at 0.8 steps\n"))
    assert list(notebooks.problems(notebook)) == []
    picture, text = notebook.cells[1].outputs
    assert (list(picture.data), text.text) == (["image/png"], "a ┃ b\nmIoU 0.9 at 0.8 steps\n")
    nbformat.validate(notebook)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (_said("x is deprecated", name="stderr"), "standard error"),
        (new_output("error", ename="ValueError", evalue="", traceback=[]), "an error: ValueError"),
        (_said("UserWarning: x"), "a warning"),
        (_said('install "ipywidgets"\nWARNING:x'), "a warning"),
        (_said("Building it in /root/data/x"), "a path of the machine"),
        (_said("in '/tmp/tmpx1/runs'"), "a path of the machine"),
        (_said("C:\\Users\\x"), "a path of the machine"),
        (new_output("execute_result", {"text/plain": "<f at 0x7f00aa>"}), "an address in memory"),
        (_said("10%|█  | 1/10\r20%"), "a progress bar"),
        (_shown(_png(400, noise=True)), "a picture of"),
    ],
)
def test_what_must_not_be_stored_is_found(output, problem):
    found = list(notebooks.problems(_executed(_shown(_png(8)), output)))
    assert len(found) == 1
    assert found[0].startswith(f"cell f: {problem}")


def test_outputs_that_are_missing_old_or_too_many_are_found():
    assert list(notebooks.problems(_executed(_said("a")))) == ["it has no picture"]
    changed = _executed(_shown(_png(8)))
    changed.cells[1].source = "g()"
    assert "not those of its code" in next(notebooks.problems(changed))
    large = _executed(_shown(_png(8)), _said("a" * notebooks.MOST_OF_A_NOTEBOOK))
    assert [problem.split()[:2] for problem in notebooks.problems(large)] == [["it", "has"]]


@pytest.mark.parametrize(
    ("address", "installs", "colab"),
    [
        (None, "..[train,video]", None),
        (
            "https://github.com/someone/project",
            "rsf_jax[train,video] @ git+https://github.com/someone/project",
            "colab.research.google.com/github/someone/project/blob/main/notebooks/a.ipynb",
        ),
        (
            "https://example.org/project.git",
            "rsf_jax[train,video] @ git+https://example.org/project.git",
            None,
        ),
    ],
)
def test_the_head_of_a_notebook_follows_the_address(address, installs, colab):
    before = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("f()")])
    made = notebooks.with_head(before, "notebooks/a.ipynb", address)
    title, *head, code = made.cells
    assert (title.source, code.source) == ("# Title", "f()")
    assert f'%pip install -q "{installs}"' in head[-1].source
    badges = [cell.source for cell in head if cell.cell_type == "markdown"]
    assert [colab in badge for badge in badges] == ([True] if colab else [])
    # Written once, whatever the address was before.
    assert notebooks.with_head(made, "notebooks/a.ipynb", None).cells[1:] == [
        *notebooks.with_head(before, "notebooks/a.ipynb", None).cells[1:]
    ]
    nbformat.validate(made)


def test_the_address_is_a_setting_of_the_project(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nname = "a"\n')
    assert notebooks.repository_address() is None
    project.write_text('[project]\nname = "a"\n[project.urls]\nRepository = "https://a.org/b"\n')
    assert notebooks.repository_address() == "https://a.org/b"


def test_a_notebook_that_is_not_there_is_said(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["notebooks.py", "none"])
    with pytest.raises(SystemExit):
        notebooks.main()
    assert "no notebook none: choose of" in capsys.readouterr().err
