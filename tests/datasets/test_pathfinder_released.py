"""Pathfinder of C-RBP, with masks, and of the Long Range Arena, with labels."""

import io

import numpy as np
import pytest
from frame_files import build
from pathfinder_released.pathfinder_released_dataset_builder import Builder
from PIL import Image
from tensorflow_datasets.core import read_only_builder

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

SIZE = (10, 12)


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _pixels(part, number, kind):
    return np.random.default_rng([part, number, kind]).integers(0, 256, SIZE, np.uint8)


def _images(folder, count):
    for part in (1, 2):
        for number in range(count):
            _save(folder / "imgs" / str(part) / f"sample_{number}.png", _pixels(part, number, 0))


def _with_masks(folder):
    _images(folder, 12)
    for part in (1, 2):
        for number in range(12):
            _save(folder / "gt" / str(part) / f"sample_{number}.png", _pixels(part, number, 1))


def _label(part, number):
    return (part + number) % 3 == 0


def _with_labels(folder, text=True):
    _images(folder, 12)
    _write_labels(folder, _label, text)


def _write_labels(folder, label, text=True):
    (folder / "metadata").mkdir(exist_ok=True)
    for part in (1, 2):
        rows = [
            [f"imgs/{part}", f"sample_{n}.png", str(n), str(int(label(part, n))), "1.8", "6"]
            for n in range(13)  # of the last there is no image
        ]
        file = io.BytesIO("\n".join(map(" ".join, rows)).encode())
        if not text:
            file = io.BytesIO()
            np.save(file, np.array(rows))
        (folder / "metadata" / f"{part}.npy").write_bytes(file.getvalue())


def _opened(folder, tmp_path):
    build(Builder, "default", folder, tmp_path / "data")
    name = "pathfinder_released/default"
    return read_only_builder.builder_from_files(name, data_dir=tmp_path / "data")


def _names(builder):
    return {
        split: [example["sequence"].decode() for example in builder.as_data_source(split)]
        for split in builder.info.splits
    }


def test_masks_are_read_and_images_divided_by_tenths(tmp_path):
    _with_masks(tmp_path / "released")
    builder = _opened(tmp_path / "released", tmp_path)
    names = _names(builder)
    assert names["validation"] == ["1/sample_8", "2/sample_6"]
    assert names["test"] == ["1/sample_9", "2/sample_7"]
    assert names["train"][7:10] == ["1/sample_7", "1/sample_10", "1/sample_11"]
    first = builder.as_data_source("test")[0]
    np.testing.assert_array_equal(first["frames"], _pixels(1, 9, 0)[None, ..., None])
    np.testing.assert_array_equal(first["masks"], _pixels(1, 9, 1)[None] > 51)


def test_lists_divide_the_images(tmp_path):
    _with_masks(tmp_path / "released")
    lists = {"train_images_14_SEG": [(1, 3), (2, 10)], "test_images_14_SEG": [(2, 2)]}
    for name, images in lists.items():
        lines = [f"curv_contour_length_14/imgs/{p}/sample_{n}.png {n % 4}" for p, n in images]
        (tmp_path / "released" / f"{name}.txt").write_text("\n".join(lines))
    names = _names(_opened(tmp_path / "released", tmp_path))
    assert names == {"train": ["1/sample_3", "2/sample_10"], "test": ["2/sample_2"]}


def _lists(folder, **images):
    for name, numbers in images.items():
        lines = [f"imgs/1/sample_{number}.png" for number in numbers]
        (folder / f"{name}.txt").write_text("\n".join(lines))


def test_without_a_list_of_the_test_that_of_validation_is_it(tmp_path):
    _with_masks(tmp_path / "released")
    _lists(tmp_path / "released", train=range(3), val=range(8, 10))
    assert _names(_opened(tmp_path / "released", tmp_path)) == {
        "train": ["1/sample_0", "1/sample_1", "1/sample_2"],
        "test": ["1/sample_8", "1/sample_9"],
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train", r"test\*\.txt: missing, where there is train\.txt"),
        ("val", r"train\*\.txt: missing, where there is val\.txt"),
    ],
)
def test_a_list_of_one_split_alone_is_refused(tmp_path, name, message):
    _with_masks(tmp_path / "released")
    _lists(tmp_path / "released", **{name: range(3)})
    with pytest.raises(ValueError, match=message):
        _opened(tmp_path / "released", tmp_path)


def test_an_image_of_two_lists_is_refused(tmp_path):
    _with_masks(tmp_path / "released")
    _lists(tmp_path / "released", train=range(8), test=range(5, 12))
    with pytest.raises(ValueError, match=r"3 file\(s\)") as raised:
        _opened(tmp_path / "released", tmp_path)
    told = [f"sample_{number}.png: is in split test, and in train too" for number in (5, 6, 7)]
    assert all(line in str(raised.value) for line in told)


@pytest.mark.parametrize("text", [True, False])
def test_labels_of_images_are_the_class_of_every_pixel(tmp_path, text):
    _with_labels(tmp_path / "released", text)
    dataset = open_dataset(_config(tmp_path))
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [20, 2, 2]
    assert _classes(dataset.test) == [[_label(1, 9)], [_label(2, 7)]]


def _config(tmp_path):
    return rsf.get_config("easy_s6f1").replace(
        dataset="pathfinder_released/default",
        data_dir=str(tmp_path / "data"),
        manual_dir=str(tmp_path / "released"),
    )


def _classes(split):
    return [np.unique(video["masks"]).tolist() for video in split]


def test_other_labels_are_another_dataset(tmp_path):
    _with_labels(tmp_path / "released")
    before = _classes(open_dataset(_config(tmp_path)).test)
    _write_labels(tmp_path / "released", lambda part, number: not _label(part, number))
    after = _classes(open_dataset(_config(tmp_path)).test)
    assert after == [[1 - label] for (label,) in before]


def _no_labels(folder):
    _images(folder, 1)


def _bad_label(folder):
    _with_labels(folder)
    (folder / "metadata" / "1.npy").write_text("imgs/1 sample_0.png 0 7")


def _pickled(folder):
    _with_labels(folder)
    np.save(folder / "metadata" / "1.npy", np.array([["x", 1]], object))


def _damaged(folder):
    _with_labels(folder)
    (folder / "imgs" / "1" / "sample_4.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "else").mkdir(parents=True), "imgs: missing, or without images"),
        (_no_labels, "metadata: missing, and there is none of the folders gt, segs, masks"),
        (_bad_label, r"metadata/1.npy: has a row without a label of 0 or 1: 'imgs/1 sample_0"),
        (_pickled, r"metadata/1.npy: cannot be read as text or an array of text"),
        (_damaged, r"imgs/1/sample_4.png: damaged"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, spoil, message):
    spoil(tmp_path / "released")
    with pytest.raises(ValueError, match=message):
        _opened(tmp_path / "released", tmp_path)
