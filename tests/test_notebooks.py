"""Every notebook runs from start to end, and is stored without outputs."""

import os
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from tests import compiling

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Runs before a notebook: what it trains is small, and the speed of it measured for a moment.
BEFORE = """
import rsf_jax as rsf
from tests import brevity

brevity.begin()
preset = rsf.get_config
rsf.get_config = lambda name: preset(name).replace(channels=4, kernel_size=3, epochs=1)
"""


class _ThisInterpreter(AsyncKernelManager):
    """Starts the running interpreter, whatever kernels are installed."""

    @property
    def kernel_spec(self):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="tests", language="python")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(run, path, tmp_path, monkeypatch):
    config, workdir = run
    for name, value in (
        ("RSF_WORKDIR", workdir),  # a trained model
        ("RSF_DATASET", config.dataset),  # what to train on, and where to leave it
        ("RSF_DATA_DIR", config.data_dir),
        ("RSF_RUNS", tmp_path),
        # One device: every other one would be compiled for too.
        ("XLA_FLAGS", compiling.FLAGS),
    ):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent), prepend=os.pathsep)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(BEFORE))
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_manager_class=_ThisInterpreter,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    # Warnings are errors in the tests; a notebook's are written here.
    errors = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert not errors, errors
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None
