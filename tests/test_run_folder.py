"""The folder of a run."""

import pytest

from rsf_jax.errors import InputError
from rsf_jax.run_folder import writable_folder


def test_asking_whether_a_folder_is_writable_leaves_its_files(tmp_path):
    names = (".writable", "probe", "probe.unfinished")
    for name in names:
        (tmp_path / name).write_text("mine")
    assert writable_folder(tmp_path) == tmp_path
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        names, "mine"
    )


def test_a_folder_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be written to \(File exists\): choose"):
        writable_folder(tmp_path / "file")
