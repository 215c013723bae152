"""The description of generated datasets in the Croissant format."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_datasets
from generated_videos import croissant

pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

ROOT = Path(__file__).parents[2]
_DATASETS = ("t_pathfinder/quickstart", "t_pathfinder_live/quickstart_live", "pathfinder/small3")


@pytest.fixture(scope="module", params=_DATASETS)
def built(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_PATHFINDER_WORKERS", "1")
        return small_datasets.small(request.param, folder / "files").build(folder)


def _described(built):
    return json.loads(Path(built.data_dir, croissant.FILE).read_text())


def test_every_file_is_there_with_its_checksum(built):
    folder = Path(built.data_dir)
    files = [x for x in _described(built)["distribution"] if x["@type"] == "cr:FileObject"]
    names = {path.name for path in folder.iterdir()} - {croissant.FILE}
    assert {file["contentUrl"] for file in files} == names
    for file in files:
        content = (folder / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["contentSize"] == f"{len(content)} B"
    (together,) = [x for x in _described(built)["distribution"] if x["@type"] == "cr:FileSet"]
    records = {path.name for path in folder.glob(together["includes"])}
    assert records == {name for name in names if "array_record" in name}


def test_splits_and_features_are_those_of_the_dataset(built):
    splits, videos = _described(built)["recordSet"]
    assert splits["data"] == [
        {"splits/name": name, "splits/records": split.num_examples}
        for name, split in built.info.splits.items()
    ]
    record = built.as_data_source("train")[0]
    fields = {field["name"]: field for field in videos["field"]}
    assert fields.keys() == record.keys()
    for name, value in record.items():
        value = np.asarray(value)
        kind = {"i": "Int", "u": "UInt", "f": "Float"}[value.dtype.kind]
        bits = 8 * value.itemsize if value.ndim else ""  # of one number, Python has its own
        assert fields[name]["dataType"].startswith(f"cr:{kind}{bits}")
        assert fields[name].get("isArray", False) == bool(value.ndim)
        shape = [int(n) for n in fields[name].get("arrayShape", "").split(",") if n]
        assert len(shape) == value.ndim
        assert all(n in (-1, there) for n, there in zip(shape, value.shape))


def test_nothing_is_said_that_nobody_knows(built):
    described = _described(built)
    assert not described.keys() & {"license", "creator", "datePublished"}
    assert described["url"] == built.info.homepage
    assert described["version"] == str(built.info.version)
    assert built.builder_config.description in described["description"]
    assert "|" not in described["description"]  # the tables of its page
    assert "@inproceedings" in described["citeAs"]


def test_one_that_is_built_already_is_described_without_tensorflow(built):
    expected = _described(built)
    Path(built.data_dir, croissant.FILE).unlink()
    program = (
        "import sys\nfrom generated_videos import croissant\n"
        f"sys.argv = ['croissant', {built.data_dir!r}]\ncroissant.main()\n"
        "assert not {'tensorflow', 'mlcroissant'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=small_datasets.DATASETS,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "croissant.json: add license and creator before you share the dataset" in done.stdout
    assert _described(built) == expected


def test_what_cannot_be_described_is_a_line(built, tmp_path):
    cut = shutil.copytree(built.data_dir, tmp_path / "cut")
    next(cut.glob("*-test.array_record*")).unlink()
    for folder in (tmp_path, cut):
        done = subprocess.run(
            [sys.executable, "-m", "rsf_jax.datasets.generated_videos.croissant", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"error: {folder} is no folder of a built")
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_others_can_read_it(built):
    """In a process of its own: mlcroissant is imported with much else."""
    pytest.importorskip("mlcroissant")
    program = (
        "import json, sys, mlcroissant\n"
        "dataset = mlcroissant.Dataset(sys.argv[1])\n"
        "issues = dataset.metadata.issues\n"
        "splits = [{k: v.decode() if isinstance(v, bytes) else v for k, v in r.items()}"
        " for r in dataset.records('splits')]\n"
        "print(json.dumps([sorted(issues.errors), sorted(issues.warnings), splits,"
        " [f.array_shape for s in dataset.metadata.record_sets for f in s.fields]], default=str))"
    )
    path = Path(built.data_dir, croissant.FILE)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    errors, warnings, splits, shapes = json.loads(done.stdout.splitlines()[-1])
    assert not errors
    missing = {"datePublished", "license"}
    assert all(any(f'/{name}"' in str(said) for name in missing) for said in warnings)
    assert len(warnings) == len(missing)
    assert splits == _described(built)["recordSet"][0]["data"]
    frames = built.info.features["frames"].shape
    assert ",".join(map(str, frames)) in shapes
