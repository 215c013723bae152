"""Folders as people have them, through the builder of one's own videos."""

import pathlib
import re

import av
import numpy as np
import pytest
from frame_files import HEIGHT, WIDTH, build, write_frame, write_mask
from own_video.own_video_dataset_builder import Builder
from PIL import Image
from tensorflow_datasets.core import read_only_builder

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

_SETTINGS = "classes: [ground, person]"


def _write(folder, pairs, settings=_SETTINGS):
    """Frames of values 0, 1, ... and masks with a row of class 0, at so many rows from above."""
    folder.mkdir(exist_ok=True)
    (folder / "dataset.yaml").write_text(settings)
    for i, (image, mask) in enumerate(pairs):
        write_frame(folder / image, i)
        if mask:
            path = folder / mask
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_mask(i)).save(path, lossless=True)
    return folder


def _mask(i):
    pixels = np.ones((HEIGHT, WIDTH), np.uint8)
    pixels[i % HEIGHT] = 0
    return pixels


def _built(manual, tmp_path):
    build(Builder, "default", manual, tmp_path / "data")
    return read_only_builder.builder_from_files("own_video/default", data_dir=tmp_path / "data")


def _contents(builder):
    """Sequences and numbers by split; each frame's mask has to be the one written with it."""
    found = {}
    for split in builder.info.splits:
        for clip in builder.as_data_source(split):
            for frame, mask in zip(clip["frames"], clip["masks"]):
                if (mask != 255).any():
                    np.testing.assert_array_equal(mask, _mask(int(frame[0, 0, 0])))
            name = clip["sequence"].decode()
            found.setdefault(split, []).append((name, clip["frame_numbers"].tolist()))
    return found


def _numbers(template, mask, count=4, first=0):
    return [(template.format(i), mask.format(i)) for i in range(first, first + count)]


_TWO = {"train": [("a", [0, 1])], "test": [("b", [0, 1])]}
LAYOUTS = {
    "masks": _numbers("a/{}.png", "a_masks/{}.png", 2) + _numbers("b/{}.png", "b_Mask/{}.png", 2),
    "capitals": _numbers("a/{}.PNG", "a_mask/{}.PNG", 2) + _numbers("b/{}.PNG", "b_mask/{}.png", 2),
    "endings": _numbers("a/{}.png", "a_mask/{}_mask.png", 2)
    + _numbers("b/{}.jpg", "b_mask/{}_label.png", 2),
    "images and masks": _numbers("images/a/{}.png", "masks/a/{}.png", 2)
    + _numbers("images/b/{}.png", "masks/b/{}.png", 2),
    "DAVIS": _numbers("JPEGImages/480p/a/{:05d}.png", "Annotations/480p/a/{:05d}.png", 2)
    + _numbers("JPEGImages/480p/b/{:05d}.png", "Annotations/480p/b/{:05d}.png", 2),
    "in one folder": _numbers("a/{}.png", "a/{}_mask.png", 2)
    + _numbers("b/{}.png", "b/{}_mask.png", 2),
    "other formats": _numbers("a/{}.png", "a_mask/{}.bmp", 2)
    + _numbers("b/{}.png", "b_mask/{}.tif", 2),
}


@pytest.mark.parametrize("pairs", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_two_sequences(tmp_path, pairs):
    assert _contents(_built(_write(tmp_path / "videos", pairs), tmp_path)) == _TWO


def test_what_operating_systems_leave_is_passed_over(tmp_path):
    manual = _write(tmp_path / "videos", LAYOUTS["masks"])
    for name in ("a/._0.png", "a_masks/._0.png", "__MACOSX/a/._0.png", "a/Thumbs.db", ".git/x"):
        (manual / name).parent.mkdir(parents=True, exist_ok=True)
        (manual / name).write_bytes(b"\0")
    assert _contents(_built(manual, tmp_path)) == _TWO


def test_videos_in_one_folder_are_told_apart_by_their_names(tmp_path):
    pairs = _numbers("images/a_{:04d}.png", "masks/a_{:04d}.png", 4, first=1)
    pairs += _numbers("images/b_{:04d}.png", "masks/b_{:04d}.png", 2, first=5)
    manual = _write(tmp_path / "videos", pairs)
    expected = {
        "train": [("images/a", [1, 2]), ("images/a", [2, 3]), ("images/a", [3, 4])],
        "test": [("images/b", [5, 6])],
    }
    assert _contents(_built(manual, tmp_path / "one")) == expected
    (manual / "frames.txt").write_text("\n".join(" ".join(pair) for pair in pairs))
    assert _contents(_built(manual, tmp_path / "other")) == expected


def test_names_with_a_word_behind_the_number_and_with_times(tmp_path):
    pairs = _numbers("a/f{}_left.png", "a_mask/f{}_left.png", 2)
    pairs += _numbers("a/f{}_right.png", "a_mask/f{}_right.png", 2)
    pairs += [(f"b/13.{p}.png", f"b_mask/13.{p}.png") for p in ("5", "75")] + [
        ("b/14.1.png", "b_mask/14.1.png")
    ]
    settings = _SETTINGS + "\nsplits: {train: [a], test: [b]}"
    assert _contents(_built(_write(tmp_path / "videos", pairs, settings), tmp_path)) == {
        "train": [("a/f_left", [0, 1]), ("a/f_right", [0, 1])],
        "test": [("b", [13_500_000, 13_750_000]), ("b", [13_750_000, 14_100_000])],
    }


def test_folders_of_splits_and_names_of_cityscapes(tmp_path):
    pairs = [
        (
            f"leftImg8bit/{split}/{city}/{city}_000000_{n:06d}_leftImg8bit.png",
            f"gtFine/{split}/{city}/{city}_000000_{n:06d}_gtFine_labelTrainIds.png",
        )
        for split, city in (("train", "ulm"), ("val", "bonn"))
        for n in (19, 20)
    ]
    manual = _write(tmp_path / "videos", pairs)
    for _, mask in pairs:
        write_frame(manual / mask.replace("labelTrainIds", "color"))
        write_mask(manual / mask.replace("labelTrainIds", "labelIds"), first=7)
    assert _contents(_built(manual, tmp_path)) == {
        "train": [("train/ulm", [19, 20])],
        "test": [("val/bonn", [19, 20])],
    }


def test_folders_of_splits_with_images_and_masks(tmp_path):
    pairs = [
        pair
        for split in ("train", "valid", "test")
        for pair in _numbers(f"{split}/images/a{{}}.png", f"{split}/masks/a{{}}.png", 2)
    ]
    assert _contents(_built(_write(tmp_path / "videos", pairs), tmp_path)) == {
        "test": [("test/images", [0, 1])],
        "train": [("train/images", [0, 1])],
        "validation": [("valid/images", [0, 1])],
    }


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train", "val", "extra"), "splits train, validation, but extra/a is in none of them"),
        (("val", "test"), "splits test, validation, but train is not among them"),
    ],
)
def test_folders_of_splits_that_do_not_divide_all_are_refused(tmp_path, folders, message):
    pairs = [
        pair
        for split in folders
        for name in "ab"
        for pair in _numbers(f"images/{split}/{name}/{{}}.png", f"masks/{split}/{name}/{{}}.png", 2)
    ]
    with pytest.raises(ValueError, match=f"{message}: write `splits` into"):
        _built(_write(tmp_path / "videos", pairs), tmp_path)


def _lists_of_davis(manual, train, val):
    for split, names in (("train", train), ("val", val)):
        path = manual / "ImageSets" / "2017" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(names))


def test_lists_of_davis_divide_its_sequences(tmp_path):
    manual = _write(tmp_path / "videos", LAYOUTS["DAVIS"])
    _lists_of_davis(manual, "b", "a")
    assert _contents(_built(manual, tmp_path)) == {"train": _TWO["test"], "test": _TWO["train"]}


def test_lists_of_davis_are_part_of_what_a_dataset_is_made_of(tmp_path):
    manual = _write(tmp_path / "videos", LAYOUTS["DAVIS"])
    _lists_of_davis(manual, "b", "a")
    builder = Builder(config="default", data_dir=tmp_path / "data")
    before = builder.source(manual).as_metadata()
    assert builder.source(manual).is_of(before)
    _lists_of_davis(manual, "a", "b")
    assert not builder.source(manual).is_of(before)


def _two_lists_of_davis(manual):
    _lists_of_davis(manual, "ab", "b")


def _settings_that_overlap(manual):
    (manual / "dataset.yaml").write_text(_SETTINGS + "\nsplits: {train: [a], test: [b, a/0]}")
    for folder in ("JPEGImages", "Annotations"):
        (manual / folder / "480p" / "a" / "0").mkdir()
        for image in (manual / folder / "480p" / "a").glob("*.png"):
            image.rename(image.parent / "0" / image.name)


def _link_to_another(manual):
    for folder in ("JPEGImages", "Annotations"):
        (manual / folder / "480p" / "c").symlink_to(manual / folder / "480p" / "a")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_two_lists_of_davis, r"480p/b/00001\.png: {}$"),
        (_settings_that_overlap, r"480p/a/0/00001\.png: {}$"),
        (_link_to_another, r"480p/c/00001\.png: {}, under the name \S+/480p/a/00001\.png$"),
    ],
)
def test_frames_of_two_splits_are_named_with_both(tmp_path, spoil, message):
    manual = _write(tmp_path / "videos", LAYOUTS["DAVIS"])
    spoil(manual)
    with pytest.raises(ValueError, match=r"no frame may be in two splits") as raised:
        _built(manual, tmp_path)
    told = message.format("is in split test, and in train too")
    assert re.search(told, str(raised.value), re.MULTILINE)


def test_a_link_to_the_folder_that_it_is_in_leads_nowhere(tmp_path):
    manual = _write(tmp_path / "videos", LAYOUTS["images and masks"])
    for folder in ("images", "masks"):
        (manual / folder / "all").symlink_to(manual / folder)
    assert _contents(_built(manual, tmp_path)) == _TWO


def test_a_list_that_is_no_text_is_named(tmp_path):
    manual = _write(tmp_path / "videos", LAYOUTS["DAVIS"])
    _lists_of_davis(manual, "b", "a")
    (manual / "ImageSets" / "2017" / "val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"ImageSets/2017/val\.txt: is not a text file in UTF-8"):
        _built(manual, tmp_path)


def test_folders_of_a_list_are_told_apart_by_the_ends_of_their_paths(tmp_path):
    manual, other = _write(tmp_path / "videos", []), tmp_path / "other"
    pairs = [
        *_numbers(f"{other}/cam1/frames/{{}}.png", f"{other}/cam1/masks/{{}}.png", 2),
        *_numbers(f"{other}/cam2/frames/{{}}.png", f"{other}/cam2/masks/{{}}.png", 2, first=2),
        *_numbers(f"{other}/walk/{{}}.png", f"{other}/walk_mask/{{}}.png", 2),
        *_numbers("walk/{}.png", "walk_mask/{}.png", 2, first=2),
        *_numbers(f"{other}/run/{{}}.png", f"{other}/run_mask/{{}}.png", 2),
    ]
    _write(manual, pairs)
    (manual / "frames.txt").write_text("\n".join(" ".join(pair) for pair in pairs))
    assert _contents(_built(manual, tmp_path)) == {
        "train": [
            ("cam1/frames", [0, 1]),
            ("cam2/frames", [2, 3]),
            ("other/walk", [0, 1]),
            ("run", [0, 1]),
        ],
        "test": [("walk", [2, 3])],
    }


def test_folders_that_come_to_one_sequence_are_refused(tmp_path):
    pairs = _numbers("a/x_{}.png", "a_mask/x_{}.png", 2) + _numbers("a/y_{}.png", "a_mask/y_{}.png")
    pairs += _numbers("a/x/{}.png", "m/{}.png", 2, first=2)
    manual = _write(tmp_path / "videos", pairs)
    (manual / "frames.txt").write_text("\n".join(" ".join(pair) for pair in pairs))
    with pytest.raises(ValueError, match=r"a/x: has frames of a sequence a/x, as .*/a has: rename"):
        _built(manual, tmp_path)


LISTS = {
    "byte order mark": "\ufeff{0[0]} {0[1]}\n{1[0]} {1[1]}",
    "tabs and commas": "{0[0]}\t{0[1]}\n{1[0]},{1[1]}",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_lists_as_other_programs_write_them(tmp_path, text, slash):
    pairs = _numbers("a/{}.png", "m/{}.png", 2)
    manual = _write(tmp_path / "videos", pairs + _numbers("b/{}.png", "n/{}.png", 2))
    lines = text.format(*pairs) + "\nb/0.png n/0.png\nb/1.png n/1.png"
    (manual / "frames.txt").write_text(lines.replace("/", slash), encoding="utf-8")
    assert _contents(_built(manual, tmp_path)) == _TWO


def test_with_a_comma_paths_may_have_spaces(tmp_path):
    pairs = _numbers("a b/{}.png", "m/{}.png", 10)
    manual = _write(tmp_path / "videos", pairs)
    (manual / "frames.txt").write_text("\n".join(", ".join(pair) for pair in pairs))
    assert _contents(_built(manual, tmp_path))["train"][0] == ("a b", [0, 1])


def test_masks_on_some_frames_are_taken_when_the_settings_say_so(tmp_path):
    pairs = _numbers("a/{}.png", "a_mask/{}.png", 6) + _numbers("b/{}.png", "b_mask/{}.png", 4)
    for i in (0, 2, 3, 4, 7):
        pairs[i] = (pairs[i][0], None)
    with pytest.raises(ValueError, match=r"with `sparse: true` in dataset\.yaml frames may be"):
        _built(_write(tmp_path / "videos", pairs), tmp_path)
    manual = _write(tmp_path / "videos", pairs, _SETTINGS + "\nclip_length: 2\nsparse: true")
    builder = _built(manual, tmp_path)
    assert _contents(builder) == {
        "train": [("a", [0, 1]), ("a", [1, 2]), ("a", [4, 5])],
        "test": [("b", [0, 1]), ("b", [2, 3])],
    }
    labeled = [
        (clip["masks"] != 255).any((1, 2)).tolist() for clip in builder.as_data_source("train")
    ]
    assert labeled == [[False, True], [True, False], [False, True]]
    assert builder.info.metadata["frames_left_out"] == {"train": 1, "test": 0}


def test_a_split_without_a_mask_is_told_so(tmp_path):
    pairs = _numbers("a/{}.png", "a_mask/{}.png", 6) + [(f"b/{i}.png", None) for i in range(6)]
    manual = _write(tmp_path / "videos", pairs, _SETTINGS + "\nsparse: true")
    with pytest.raises(ValueError, match=r"split test has 6 .*but no clip of it has a mask"):
        _built(manual, tmp_path)


def _film(path, values, size=(64, 48)):
    """A video of gray frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = size
        stream.bit_rate = 2_000_000
        for value in values:
            pixels = value if isinstance(value, np.ndarray) else np.full((*size[::-1], 3), value)
            frame = av.VideoFrame.from_ndarray(np.uint8(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _half(i):
    """White in the left part of a mask, which grows."""
    pixels = np.zeros((48, 64), np.uint8)
    pixels[:, : 16 + 8 * i] = 255
    return pixels


def _write_films(folder, masks):
    (folder / "v").mkdir(parents=True)
    for name in ("a", "b"):
        _film(folder / f"{name}.mp4", [10 + 40 * i for i in range(4)])
        masks(folder, name)
    (folder / "v").rmdir()
    (folder / "dataset.yaml").write_text(_SETTINGS)
    return folder


def _in_files(folder, name, numbers=range(1, 5)):
    (folder / f"{name}_mask").mkdir()
    for i in numbers:
        Image.fromarray(_half(i - 1)).save(folder / f"{name}_mask" / f"{i:04d}.png")


def _in_film(folder, name):
    _film(folder / f"{name}_mask.mp4", [np.repeat(_half(i)[..., None], 3, -1) for i in range(4)])


@pytest.mark.parametrize("masks", [_in_files, _in_film])
def test_videos_with_masks(tmp_path, masks):
    builder = _built(_write_films(tmp_path / "videos", masks), tmp_path)
    clips = list(builder.as_data_source("train"))
    assert [clip["frame_numbers"].tolist() for clip in clips] == [[0, 1], [1, 2], [2, 3]]
    for i, clip in enumerate(clips):
        assert clip["sequence"] == b"a"
        np.testing.assert_allclose(
            clip["frames"].mean((1, 2, 3)), [10 + 40 * i, 50 + 40 * i], atol=4
        )
        expected = np.stack([_half(i), _half(i + 1)]) == 255
        assert (clip["masks"] == expected).mean() > 0.97


def test_videos_in_folders_of_splits(tmp_path):
    manual = tmp_path / "videos"
    for split, name in (("train", "b"), ("val", "a")):
        _film(manual / "images" / split / f"{name}.mp4", [10, 20])
        _film(manual / "masks" / split / f"{name}.mp4", [np.repeat(_half(0)[..., None], 3, -1)] * 2)
    (manual / "dataset.yaml").write_text(_SETTINGS)
    builder = _built(manual, tmp_path)
    assert {s: [c["sequence"] for c in builder.as_data_source(s)] for s in builder.info.splits} == {
        "train": [b"train/b"],
        "test": [b"val/a"],
    }


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (range(1, 4), "it cannot be told whether they count from 0 or 1"),
        ((2, 4), "4 frames and 2 masks: .*sparse: true"),
        ((), "a.mp4: has 4 frames, and masks"),
    ],
)
def test_videos_with_masks_of_some_frames_are_told(tmp_path, numbers, message):
    manual = _write_films(tmp_path / "videos", lambda f, n: _in_files(f, n, numbers))
    with pytest.raises(ValueError, match=message):
        _built(manual, tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.mp4", "a.mp4: has no masks: a folder a_mask or a video"),
        ("0001.png", "has neither frames.txt nor folders"),
    ],
)
def test_frames_without_masks_are_told_in_a_line(tmp_path, name, message):
    manual = tmp_path / "videos"
    manual.mkdir()
    (manual / "dataset.yaml").write_text(_SETTINGS)
    path = pathlib.Path(manual, name)
    if path.suffix == ".mp4":
        _film(path, [0, 1])
    else:
        write_frame(path)
    with pytest.raises(ValueError, match=message):
        _built(manual, tmp_path)


def test_folders_of_a_left_camera_are_no_masks(tmp_path):
    pairs = _numbers("cam_L/{}.png", "cam_L_mask/{}.png", 2)
    pairs += _numbers("cam_R/{}.png", "cam_R_mask/{}.png", 2)
    assert _contents(_built(_write(tmp_path / "videos", pairs), tmp_path)) == {
        "train": [("cam_L", [0, 1])],
        "test": [("cam_R", [0, 1])],
    }
