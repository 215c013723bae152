"""Which dataset is opened for a folder of files: the one that was made of them."""

import shutil

import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax.data.building import find_or_build
from rsf_jax.data.dataset import open_dataset
from tests.datasets.frame_files import write_frame, write_mask

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")


def _videos(folder, first):
    """Two sequences whose frames begin at a gray value of their own."""
    for name in ("one", "two"):
        for i in range(6):
            write_frame(folder / name / f"{i}.png", first + i)
            write_mask(folder / f"{name}_mask" / f"{i}.png")
    (folder / "dataset.yaml").write_text("classes: [ground, person]")
    return folder


@pytest.fixture
def two(tmp_path):
    return _videos(tmp_path / "a", 10), _videos(tmp_path / "b", 100)


def _config(tmp_path, manual="", **changes):
    return rsf.get_config("camvid_s1f1_dru").replace(
        dataset="own_video/default",
        classes=2,
        data_dir=str(tmp_path / "data"),
        manual_dir=str(manual),
        **changes,
    )


def _first(config):
    return int(open_dataset(config).test[0]["frames"][0, 0, 0, 0])


def _folders(tmp_path):
    return sorted(path.name for path in (tmp_path / "data" / "own_video").glob("d*"))


def test_each_folder_has_a_dataset_of_its_own_that_is_found_again(tmp_path, two, capsys):
    one, other = two
    assert _first(_config(tmp_path, one)) == 10
    assert _first(_config(tmp_path, other)) == 100
    assert f"is of {one.resolve()}, and {other} has other files" in capsys.readouterr().out
    folders = _folders(tmp_path)
    assert folders[0] == "default"
    assert [len(name) for name in folders] == [7, 16]
    assert _first(_config(tmp_path, one)) == 10
    assert _first(_config(tmp_path, other)) == 100
    assert _first(_config(tmp_path)) == 10
    assert _folders(tmp_path) == folders


def test_a_copy_is_the_same_and_what_is_gone_is_found_by_its_name(tmp_path, two):
    other = two[1]
    for folder in two:
        _first(_config(tmp_path, folder))
    folders = _folders(tmp_path)
    copy = shutil.copytree(other, tmp_path / "copy", copy_function=shutil.copyfile)
    assert _first(_config(tmp_path, copy)) == 100
    shutil.rmtree(other)
    assert _first(_config(tmp_path, other)) == 100
    assert _folders(tmp_path) == folders
    with pytest.raises(rsf.InputError, match=r"nowhere': there is no such folder"):
        find_or_build(_config(tmp_path, tmp_path / "nowhere"))


def _edit_mask(folder):
    write_mask(folder / "two_mask" / "0.png", first=1)


def _edit_settings(folder):
    (folder / "dataset.yaml").write_text("classes: [ground, person]\nclip_length: 3")


def _add_frame(folder):
    write_frame(folder / "two" / "6.png")
    write_mask(folder / "two_mask" / "6.png")


@pytest.mark.parametrize("edit", [_edit_mask, _edit_settings, _add_frame])
def test_an_edited_folder_is_built_anew(tmp_path, two, edit):
    config = _config(tmp_path, two[0])
    before = open_dataset(config).test
    edit(two[0])
    after = open_dataset(config).test
    same = len(before) == len(after) and before[0]["masks"].shape == after[0]["masks"].shape
    assert not same or (np.stack([v["masks"] for v in before]) != after[0]["masks"]).any()
    assert len(_folders(tmp_path)) == 2
    open_dataset(config)
    assert len(_folders(tmp_path)) == 2


def test_a_folder_that_cannot_be_used_is_no_reason_to_take_another_dataset(tmp_path, two):
    _first(_config(tmp_path, two[0]))
    (two[1] / "dataset.yaml").unlink()
    with pytest.raises(rsf.InputError, match=r"dataset\.yaml is missing"):
        find_or_build(_config(tmp_path, two[1]))
    (two[1] / "dataset.yaml").write_text("classes: [ground, person]")
    shutil.rmtree(two[1] / "one_mask")
    with pytest.raises(rsf.InputError, match=r"one_mask/0\.png: missing") as raised:
        find_or_build(_config(tmp_path, two[1]))
    head, *lines = str(raised.value).splitlines()
    assert head.startswith("cannot build own_video/default: 6 file(s) in")
    assert [line.strip() for line in lines] == [
        f"one_mask/{i}.png: missing, the mask of {i}.png" for i in range(6)
    ]


def test_what_is_built_without_a_word_of_its_files_is_built_anew(tmp_path, two):
    _first(_config(tmp_path, two[0]))
    (version,) = (tmp_path / "data").glob("own_video/default/[0-9]*")
    version.rename(version.with_name("1.0.0"))
    assert _first(_config(tmp_path, two[1])) == 100
    assert sorted(p.name for p in version.parent.glob("[0-9]*")) == ["1.0.0", version.name]


def test_generated_datasets_take_no_files(data_dir, two):
    config = rsf.get_config("quickstart").replace(
        dataset="t_pathfinder/easy", data_dir=str(data_dir), manual_dir=str(two[0])
    )
    with pytest.raises(rsf.InputError, match="t_pathfinder/easy is generated and takes no files"):
        open_dataset(config)


def test_a_version_is_built_or_made_of_files(tmp_path, two):
    config = _config(tmp_path, two[0]).replace(dataset="own_video/default:1.0.0")
    with pytest.raises(rsf.InputError, match="give one of the two"):
        open_dataset(config)
