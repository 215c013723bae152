"""What masks of 0 and 255 mean, and what is said of classes and splits without a pixel."""

import numpy as np
import pytest
from frame_files import build, write_frame
from own_video.own_video_dataset_builder import Builder
from PIL import Image
from tensorflow_datasets.core import read_only_builder

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")


def _write(folder, masks, settings="classes: [ground, person]"):
    """Sequences a, b, ... of two frames; of each mask the upper half and the lower one."""
    folder.mkdir()
    (folder / "dataset.yaml").write_text(settings)
    for name, halves in zip("abcdef", masks):
        for i, (upper, lower) in enumerate(halves):
            write_frame(folder / name / f"{i}.png", i)
            pixels = np.full((12, 16), lower, np.uint8)
            pixels[:6] = upper
            (folder / f"{name}_mask").mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{name}_mask" / f"{i}.png")
    return folder


def _build(tmp_path, masks, settings="classes: [ground, person]"):
    manual = _write(tmp_path / "manual", masks, settings)
    build(Builder, "default", manual, tmp_path / "data")
    return read_only_builder.builder_from_files("own_video/default", data_dir=tmp_path / "data")


def _halves(builder, split):
    masks = builder.as_data_source(split)[0]["masks"]
    return [(int(mask[0, 0]), int(mask[-1, 0])) for mask in masks]


def test_of_two_classes_255_is_the_second_where_masks_hold_0_and_255(tmp_path, capsys):
    builder = _build(tmp_path, [[(0, 255), (0, 0)], [(255, 0), (255, 255)]])
    assert _halves(builder, "train") == [(0, 1), (0, 0)]
    assert _halves(builder, "test") == [(1, 0), (1, 1)]
    said = capsys.readouterr().out
    assert "255 is read as class 1, person" in said
    assert "split train: 1 sequence(s), 2 frame(s), 1 clip(s)" in said
    assert "pixels of train: ground 75.0%, person 25.0%, unlabeled 0.0%" in said
    assert builder.info.metadata["pixels"] == {
        "train": {"ground": 288, "person": 96, "unlabelled": 0},
        "test": {"ground": 96, "person": 288, "unlabelled": 0},
    }


def test_another_index_may_mean_unlabeled_in_binary_masks(tmp_path):
    settings = "classes: [ground, person]\nignored: 128"
    builder = _build(tmp_path, [[(0, 255), (128, 0)], [(255, 0), (0, 0)]], settings)
    assert _halves(builder, "train") == [(0, 1), (255, 0)]


@pytest.mark.parametrize(
    "masks",
    [
        [[(0, 1), (0, 255)], [(1, 255), (0, 0)]],  # an edge without a label
        [[(0, 1), (255, 255)], [(0, 1), (255, 255)]],  # labels on some frames alone
    ],
)
def test_beside_1_index_255_is_unlabeled(tmp_path, masks):
    builder = _build(tmp_path, masks)
    assert _halves(builder, "train") == masks[0]
    assert _halves(builder, "test") == masks[1]


_SAID = "classes: [ground, person]\nignored: 255"


def test_settings_settle_what_255_is(tmp_path):
    builder = _build(tmp_path, [[(0, 1), (0, 255)], [(0, 1), (0, 1)]], _SAID)
    assert _halves(builder, "train") == [(0, 1), (0, 255)]


_THREE = "classes: [ground, person, dog]"
_BAD = [
    ([[(0, 1), (0, 255)], [(0, 1), (0, 1)]], None, "write `ignored: 255` into dataset.yaml if"),
    ([[(0, 255), (0, 0)], [(0, 255), (0, 0)]], _SAID, "if 255 is person, take that line out"),
    ([[(255, 255)] * 2] * 2, None, "every labeled pixel of all masks is 255"),
    ([[(0, 1), (0, 1)], [(255, 255)] * 2], None, "no pixel of split test is labeled"),
    ([[(0, 0), (0, 0)]] * 2, None, "no mask has a pixel of class 1, person"),
    ([[(0, 255), (0, 0)]] * 2, _THREE, "binary masks are of two classes"),
    ([[(0, 1), (0, 255)]] * 2, _SAID.replace("255", "9"), r"has index 255; allowed .*have 1 more"),
]


@pytest.mark.parametrize(("masks", "settings", "message"), _BAD)
def test_masks_that_mean_nothing_are_refused(tmp_path, masks, settings, message):
    with pytest.raises(ValueError, match=message):
        _build(tmp_path, masks, settings or "classes: [ground, person]")
    assert not list((tmp_path / "data").rglob("*.array_record*"))


def test_classes_without_a_pixel_are_named(tmp_path, capsys):
    _build(tmp_path, [[(0, 1), (0, 2)], [(0, 1), (0, 1)]], _THREE)
    said = capsys.readouterr().out
    assert "WARNING: no mask of split test has a pixel of dog" in said
    assert "split train has a pixel" not in said
