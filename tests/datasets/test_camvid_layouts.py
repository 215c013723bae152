"""CamVid as released, and as others have repackaged it: all come to the same 11 classes."""

import numpy as np
import pytest
from camvid.camvid_dataset_builder import Builder
from camvid.classes import CLASSES
from camvid.released import RELEASED, class_of
from frame_files import build, write_frame
from PIL import Image
from tensorflow_datasets.core import read_only_builder

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

NAMES = {
    "train": ["0001TP_008490", "0001TP_008520", "0006R0_f00930", "0006R0_f00960", "0016E5_07980"],
    "validation": ["0016E5_07959", "0016E5_07961"],
    "test": ["0001TP_008550", "0001TP_008580", "Seq05VD_f00000", "Seq05VD_f00030"],
}
_EVERY = [name for names in NAMES.values() for name in names]
_CODES = list(RELEASED)
# A row of pixels for each of the 32 classes.
_INDICES = np.repeat(np.arange(32, dtype=np.uint8)[:, None], 16, 1)
_PAINTED = np.array([color for color, _ in RELEASED.values()], np.uint8)[_INDICES]
_EXPECTED = np.array([class_of(name) for name in _CODES], np.uint8)[_INDICES]


def _write(folder, image, label, pixels, names=_EVERY):
    for value, name in enumerate(names):
        write_frame(folder / image.format(name), value, size=(32, 16))
        path = folder / label.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def _released(folder):
    _write(folder, "701_StillsRaw_full/{}.png", "LabeledApproved_full/{}_L.png", _PAINTED)


def _kaggle(folder):
    for split, names in NAMES.items():
        short = split[:3] if split == "validation" else split
        _write(folder, short + "/{}.png", short + "_labels/{}_L.png", _PAINTED, names)
    lines = [f"{name},{','.join(map(str, color))}" for name, (color, _) in RELEASED.items()]
    (folder / "class_dict.csv").write_text("name,r,g,b\n" + "\n".join(lines))


def _fastai(folder):
    _write(folder, "images/{}.png", "labels/{}_P.png", _INDICES)
    (folder / "codes.txt").write_text("\n".join(_CODES))
    (folder / "valid.txt").write_text("\n".join(f"{name}.png" for name in NAMES["validation"]))


def _segnet(folder, suffix=".png", void=255):
    for split, names in NAMES.items():
        short = split[:3] if split == "validation" else split
        pixels = np.where(_EXPECTED == 11, void, _EXPECTED).astype(np.uint8)
        _write(folder, short + "/{}" + suffix, short + "annot/{}.png", pixels, names)


LAYOUTS = {
    "released": _released,
    "kaggle": _kaggle,
    "fastai": _fastai,
    "void is 255": _segnet,
    "capitals": lambda folder: _segnet(folder, ".PNG", 11),
    "jpeg": lambda folder: _segnet(folder, ".jpg"),
}


@pytest.mark.parametrize("write", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(tmp_path, write):
    write(tmp_path / "manual")
    build(Builder, "pairs", tmp_path / "manual", tmp_path / "data")
    builder = read_only_builder.builder_from_files("camvid/pairs", data_dir=tmp_path / "data")
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    assert counts == {"train": 2, "validation": 1, "test": 2}
    expected = np.where(_EXPECTED == 11, 255, _EXPECTED)
    for split in counts:
        for pair in builder.as_data_source(split):
            np.testing.assert_array_equal(pair["masks"], np.stack([expected] * 2))
    assert builder.info.metadata["pixels"]["test"]["unlabelled"] == 4 * 16


@pytest.mark.parametrize(
    ("write", "name", "text"),
    [
        (_fastai, "valid.txt", "0016E5_07959.png"),
        (_fastai, "codes.txt", "\n".join(reversed(_CODES))),
        (_kaggle, "class_dict.csv", "name,r,g,b\nCar,1,2,3"),
    ],
)
def test_lists_are_part_of_what_a_dataset_is_made_of(tmp_path, write, name, text):
    manual = tmp_path / "manual"
    write(manual)
    builder = Builder(config="pairs", data_dir=tmp_path / "data")
    before = builder.source(manual).as_metadata()
    assert builder.source(manual).is_of(before)
    (manual / name).write_text(text)
    assert not builder.source(manual).is_of(before)


def test_32_classes_make_11():
    of = {name: {known for known, (_, c) in RELEASED.items() if c == name} for name in CLASSES}
    assert all(of.values())
    assert of["Car"] == {"Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"}
    assert [name for name, (_, c) in RELEASED.items() if not c] == ["Void"]
    assert len({color for color, _ in RELEASED.values()}) == len(RELEASED) == 32


def test_other_frames_and_classes_are_named(tmp_path):
    _released(tmp_path / "manual")
    write_frame(tmp_path / "manual" / "701_StillsRaw_full" / "0005XX_1.png", size=(32, 16))
    with pytest.raises(ValueError, match=r"0005XX_1.png: is of none of CamVid's four sequences"):
        build(Builder, "pairs", tmp_path / "manual", tmp_path / "data")
    _fastai(tmp_path / "other")
    (tmp_path / "other" / "codes.txt").write_text("Animal\nDragon")
    with pytest.raises(ValueError, match=r"codes.txt has the class 'Dragon', which CamVid"):
        build(Builder, "pairs", tmp_path / "other", tmp_path / "data")
