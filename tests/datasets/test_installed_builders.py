"""Builders go by two names, of the repository and of the package, and are one module."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

import rsf_jax as rsf
from rsf_jax import datasets
from rsf_jax.data.building import find_or_build

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.parent.name for path in datasets.FOLDER.glob("*/*_dataset_builder.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_builder_is_one_by_both_names(name):
    second = importlib.import_module(f"rsf_jax.datasets.{name}.{name}_dataset_builder")
    first = importlib.import_module(f"{name}.{name}_dataset_builder")
    assert first is second
    assert tfds.builder_cls(name) is first.Builder
    assert first.__spec__.name == first.__name__ == f"{name}.{name}_dataset_builder"
    assert importlib.import_module(f"rsf_jax.datasets.{name}") is importlib.import_module(name)


def test_either_name_may_come_first_and_builders_find_what_they_share(tmp_path):
    name = "t_pathfinder_live.t_pathfinder_live_dataset_builder"
    program = (
        f"import rsf_jax.datasets.{name} as a\nimport {name} as b\n"
        "from rsf_jax.datasets.t_pathfinder import subsets\nprint(a is b, subsets.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "True t_pathfinder.subsets\n", done.stderr


def test_a_tool_of_a_builder_runs_by_either_name(tmp_path):
    for name in ("rsf_jax.datasets.own_video.example", "own_video.example"):
        done = subprocess.run(
            [sys.executable, "-m", name, "--help"],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{ROOT}{os.pathsep}{datasets.FOLDER}", "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith("usage: "), done.stderr


@pytest.mark.parametrize("name", ["none", "t_pathfinder.none"])
def test_what_is_no_builder_is_not_there(name):
    with pytest.raises(ModuleNotFoundError, match=rf"rsf_jax\.datasets\.{name}"):
        importlib.import_module(f"rsf_jax.datasets.{name}")


def test_a_file_that_hides_a_builder_is_named(tmp_path, monkeypatch):
    (tmp_path / "camvid.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for module in [name for name in sys.modules if name.partition(".")[0] == "camvid"]:
        monkeypatch.delitem(sys.modules, module)
    config = rsf.get_config("quickstart").replace(dataset="camvid/pairs", data_dir=str(tmp_path))
    with pytest.raises(rsf.InputError, match=r"camvid\.py hides .*datasets/camvid.*rename"):
        find_or_build(config)
    monkeypatch.delitem(sys.modules, "camvid")


def test_builders_of_another_folder_use_what_those_of_the_library_share(tmp_path, monkeypatch):
    folder = tmp_path / "builders" / "mine_apart"
    folder.mkdir(parents=True)
    text = (ROOT / "datasets" / "template" / "template_dataset_builder.py").read_text()
    (folder / "mine_apart_dataset_builder.py").write_text(text)
    (folder / "__init__.py").touch()
    monkeypatch.setenv("RSF_DATASETS", str(folder.parent))
    monkeypatch.setattr(sys, "path", [p for p in sys.path if Path(p).name != "datasets"])
    config = rsf.get_config("quickstart").replace(
        dataset="mine_apart/default", data_dir=str(tmp_path)
    )
    assert find_or_build(config).name == "mine_apart"
