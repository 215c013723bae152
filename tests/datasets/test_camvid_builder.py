"""The builder of CamVid, on frames that are made here."""

import pathlib
import subprocess
import sys

import camvid
import numpy as np
import pytest
from camvid.camvid_dataset_builder import Builder
from camvid.classes import CLASSES
from frame_files import build, write_camvid, write_mask
from tensorflow_datasets.core import read_only_builder

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

DATASETS = pathlib.Path(camvid.__file__).resolve().parents[1]

# Out of order; a gap after A_0070, a frame on its own, and runs that are no multiple of 4 or 8.
FRAMES = {
    "train": [f"A_{n:04d}" for n in [*range(10, 80, 10), *range(500, 590, 10), 5000]] + ["B_0002"],
    "val": [f"Seq_f{n:05d}" for n in range(9)],
    "test": [f"D_{n}" for n in range(8, 18)] + [f"C_{n}" for n in range(8, -1, -1)],
}


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    write_camvid(folder, FRAMES)
    return folder


@pytest.fixture(scope="module")
def built(manual, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for config in Builder.BUILDER_CONFIGS:
        build(Builder, config.name, manual, folder)
    return folder


def opened(folder, config, split):
    builder = read_only_builder.builder_from_files(f"camvid/{config}", data_dir=folder)
    return list(builder.as_data_source(split))


@pytest.mark.parametrize(
    ("config", "counts"),
    [
        ("pairs", [6 + 8, 8, 9 + 8]),
        ("clips4", [4 + 6, 3, 3 + 3]),
        ("clips8", [2, 2, 2 + 2]),
        ("sequences", [4, 1, 2]),
    ],
)
def test_number_of_clips(built, config, counts):
    builder = read_only_builder.builder_from_files(f"camvid/{config}", data_dir=built)
    splits = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert splits == dict(zip(("train", "validation", "test"), counts))


def test_a_pair_is_two_neighbors_with_their_labels(built):
    pairs = opened(built, "pairs", "train")
    numbers = [tuple(pair["frame_numbers"]) for pair in pairs]
    assert numbers[:7] == [(n, n + 10) for n in (10, 20, 30, 40, 50, 60, 500)]
    first = pairs[0]
    assert first["sequence"] == b"A"
    assert first["frames"].shape == (2, 12, 16, 3)
    assert first["frames"].dtype == first["masks"].dtype == np.uint8
    assert first["frame_numbers"].dtype == np.int64
    assert first["frames"][:, 0, 0].tolist() == [[0, 0, 12], [1, 0, 12]]
    assert (first["masks"][:, 0] == 255).all()  # 11 in the files
    assert (first["masks"][:, 1:] == 1).all()


def test_evaluation_counts_every_frame_once(built):
    clips = opened(built, "clips4", "validation")
    assert [clip["frame_numbers"].tolist() for clip in clips] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [5, 6, 7, 8],
    ]
    counted = [(clip["masks"] != 255).any(axis=(1, 2)).tolist() for clip in clips]
    assert counted == [[True] * 4, [True] * 4, [False, False, False, True]]


def test_sequences_are_whole_and_broken_at_gaps(built):
    sequences = opened(built, "sequences", "train")
    names = [(s["sequence"], len(s["frames"]), int(s["frame_numbers"][0])) for s in sequences]
    assert names == [(b"A", 7, 10), (b"A", 9, 500), (b"A", 1, 5000), (b"B", 1, 2)]


def test_metadata_survives(built):
    info = read_only_builder.builder_from_files("camvid/pairs", data_dir=built).info
    assert info.metadata["class_names"] == list(CLASSES)
    assert info.metadata["colors"] == [list(color) for color in CLASSES.values()]
    assert info.metadata["ignored"] == 255
    assert info.metadata["frames_left_out"] == {"train": 2, "validation": 0, "test": 0}
    assert info.features["frames"].shape == (2, 12, 16, 3)
    assert Builder(config="pairs", data_dir=built).info.features["masks"].shape == (2, 12, 16)


def test_webp_and_no_lists_give_the_same(manual, built, tmp_path):
    listed, unlisted = tmp_path / "listed", tmp_path / "unlisted"
    write_camvid(listed, FRAMES, suffix=".webp")
    write_camvid(unlisted, {k: sorted(v) for k, v in FRAMES.items()}, lists=False)
    expected = opened(built, "pairs", "validation")
    for folder in (listed, unlisted):
        build(Builder, "pairs", folder, folder / "data")
        for one, other in zip(opened(folder / "data", "pairs", "validation"), expected):
            for name in other:
                np.testing.assert_array_equal(one[name], other[name])


def test_all_bad_files_are_in_one_error_and_nothing_is_written(tmp_path):
    manual, data = tmp_path / "manual", tmp_path / "data"
    write_camvid(manual, {split: names[:4] for split, names in FRAMES.items()})
    (manual / "train" / "A_0020.png").write_bytes(b"")
    write_mask(manual / "valannot" / "Seq_f00001.png", first=12)
    (manual / "testannot" / "D_9.png").unlink()
    (manual / "val.txt").write_text((manual / "val.txt").read_text() + "one/path.png\n")
    with pytest.raises(ValueError, match="4 file") as raised:
        build(Builder, "pairs", manual, data)
    message = str(raised.value)
    assert "train/A_0020.png: damaged" in message
    assert "valannot/Seq_f00001.png: has index 12; allowed are 0 to 10 and 11" in message
    assert "testannot/D_9.png: missing, the mask of D_9.png" in message
    assert "val.txt: line 5 has 1 word(s)" in message
    assert not list(data.rglob("*.array_record*"))
    assert not Builder(config="pairs", data_dir=data).is_prepared()


def test_a_list_of_training_that_has_images_of_the_test_is_refused(tmp_path):
    write_camvid(tmp_path / "manual", FRAMES)
    lists = [tmp_path / "manual" / f"{split}.txt" for split in ("train", "test")]
    lists[0].write_text("".join(path.read_text() for path in lists))
    with pytest.raises(ValueError, match=r"test/D_8\.png: is in split test, and in train too"):
        build(Builder, "pairs", tmp_path / "manual", tmp_path / "data")


def test_a_missing_folder_is_told_with_what_belongs_there(tmp_path):
    with pytest.raises(ValueError, match=r"does not exist or is empty.*train\.txt.*trainannot"):
        build(Builder, "pairs", tmp_path / "nothing", tmp_path / "data")


def test_a_missing_split_is_told(tmp_path):
    write_camvid(tmp_path / "manual", {"train": FRAMES["train"], "test": FRAMES["test"]})
    with pytest.raises(ValueError, match=r"val\.txt: missing, and there is no folder val"):
        build(Builder, "pairs", tmp_path / "manual", tmp_path / "data")


def test_a_split_in_which_no_clip_fits_is_told(tmp_path):
    write_camvid(tmp_path / "manual", {**FRAMES, "val": FRAMES["val"][:7]})
    with pytest.raises(ValueError, match=r"split validation has 7 frame\(s\), but no 8 in a row"):
        build(Builder, "clips8", tmp_path / "manual", tmp_path / "data")


# In a process of its own: what it checks is the state of the whole interpreter.
BUILD = """
import sys
sys.path.insert(0, {datasets!r})
import tensorflow_datasets as tfds
from camvid.camvid_dataset_builder import Builder
builder = Builder(config="pairs", data_dir={data!r})
config = tfds.download.DownloadConfig(manual_dir={manual!r})
builder.download_and_prepare(download_config=config)
assert builder.as_data_source("test")[0]["sequence"] == b"D"
assert "tensorflow" not in sys.modules
"""


def test_tensorflow_is_not_imported(manual, tmp_path):
    code = BUILD.format(datasets=str(DATASETS), data=str(tmp_path), manual=str(manual))
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_split_of_several_files_is_read_in_order(manual, tmp_path, monkeypatch):
    monkeypatch.setattr("frame_folders.building.BYTES_PER_FILE", 3 * 2 * 12 * 16 * 4)
    builder = build(Builder, "pairs", manual, tmp_path)
    assert builder.info.splits["validation"].num_shards == 3
    first = [int(pair["frame_numbers"][0]) for pair in builder.as_data_source("validation")]
    assert first == list(range(8))


def test_sequences_of_different_lengths_are_refused_in_one_line(built):
    config = rsf.get_config("camvid_s1f1_dru").replace(
        dataset="camvid/sequences", data_dir=str(built)
    )
    with pytest.raises(rsf.InputError, match=r"different lengths.*camvid/pairs, clips4") as raised:
        open_dataset(config)
    assert "\n" not in str(raised.value)
