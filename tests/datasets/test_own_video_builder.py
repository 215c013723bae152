"""The builder of one's own videos, on frames that are made here."""

import itertools

import numpy as np
import pytest
import tensorflow_datasets as tfds
from frame_files import build, write_frame, write_mask
from own_video import example
from own_video.files import divide
from own_video.own_video_dataset_builder import Builder
from own_video.settings import read_settings
from tensorflow_datasets.core import read_only_builder

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")


def write_sequence(folder, name, count, suffix=".png", first=0):
    for i in range(count):
        write_frame(folder / name / f"{i:04d}{suffix}", i)
        write_mask(folder / f"{name}_mask" / f"{i:04d}.png", first=first)


def write_yaml(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.yaml"
    path.write_text(text)
    return path


def built(manual, data):
    build(Builder, "default", manual, data)
    return read_only_builder.builder_from_files("own_video/default", data_dir=data)


def contents(builder):
    return {
        split: [(e["sequence"].decode(), e["frame_numbers"].tolist()) for e in source]
        for split in builder.info.splits
        for source in [builder.as_data_source(split)]
    }


def test_folders_with_settings(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(
        manual,
        """
        classes: [ground, person]
        colors: [[0, 0, 0], [255, 0, 0]]
        ignored: 7
        clip_length: 3
        splits: {train: [walk, run], test: [jump], validation: [swim]}
        """,
    )
    write_sequence(manual, "walk", 4)
    write_sequence(manual, "run", 3, ".jpg", first=7)
    write_sequence(manual, "jump", 4, ".webp")
    write_sequence(manual, "swim", 3)
    write_sequence(manual, "unused", 3)
    builder = built(manual, tmp_path / "data")
    assert contents(builder) == {
        "train": [("walk", [0, 1, 2]), ("walk", [1, 2, 3]), ("run", [0, 1, 2])],
        "validation": [("swim", [0, 1, 2])],
        "test": [("jump", [0, 1, 2]), ("jump", [1, 2, 3])],
    }
    assert builder.info.features["frames"].shape == (3, 12, 16, 3)
    assert (builder.as_data_source("train")[2]["masks"][:, 0] == 255).all()
    # Frames 1 and 2 have been counted in the clip before.
    assert (builder.as_data_source("test")[1]["masks"][:2] == 255).all()
    metadata = dict(builder.info.metadata)
    assert metadata["pixels"]["train"] == {"ground": 64, "person": 1232, "unlabelled": 48}
    expected = {
        "class_names": ["ground", "person"],
        "colors": [[0, 0, 0], [255, 0, 0]],
        "ignored": 255,
        "frames_left_out": {"train": 0, "validation": 0, "test": 0},
    }
    assert {name: metadata[name] for name in expected} == expected


def test_a_list_and_no_splits(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(manual, "classes: [ground, person]")
    lines = []
    for name in ("b", "a", "c"):
        for i in range(3):
            write_frame(manual / "deep" / name / f"frame{i}.png", i)
            write_mask(manual / "labels" / f"{name}{i}.png")
            lines.append(f"deep/{name}/frame{i}.png labels/{name}{i}.png")
    (manual / "frames.txt").write_text("\n\n".join(lines))
    assert contents(built(manual, tmp_path / "data")) == {
        "train": [("deep/a", [0, 1]), ("deep/a", [1, 2]), ("deep/b", [0, 1]), ("deep/b", [1, 2])],
        "test": [("deep/c", [0, 1]), ("deep/c", [1, 2])],
    }


def test_a_single_sequence_is_cut_in_two(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(manual, "classes: [ground, person]\nclip_length: 2")
    write_sequence(manual, "walk", 10)
    found = contents(built(manual, tmp_path / "data"))
    assert found["train"] == [("walk", [i, i + 1]) for i in range(7)]
    assert found["test"] == [("walk", [8, 9])]


@pytest.mark.parametrize(("count", "training"), [(2, 1), (3, 2), (5, 4), (10, 8)])
def test_four_fifths_are_for_training(count, training):
    divided = divide({str(i): [i] for i in range(count)}, None)
    assert divided == {"train": list(range(training)), "test": list(range(training, count))}


def test_all_bad_files_are_in_one_error(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(manual, "classes: [ground, person]")
    write_sequence(manual, "walk", 4)
    (manual / "walk_mask" / "0001.png").unlink()
    write_mask(manual / "walk_mask" / "0002.png", first=3)
    write_mask(manual / "walk_mask" / "0009.png")
    write_frame(manual / "walk" / "cover.png")
    (manual / "empty").mkdir()
    write_mask(manual / "run_mask" / "0001.png")
    with pytest.raises(ValueError, match=r"6 file\(s\)") as raised:
        build(Builder, "default", manual, tmp_path / "data")
    told = dict(line.strip().split(": ", 1) for line in str(raised.value).splitlines()[1:])
    assert told == {
        "empty": "has no images (.png, .jpg, .jpeg, .webp)",
        "run_mask/0001.png": "has no image in run",
        "walk_mask/0009.png": "has no image in walk",
        "walk/cover.png": "has no frame number at the end of its name, such as 0001",
        "walk_mask/0001.png": "missing, the mask of 0001.png",
        "walk_mask/0002.png": "has index 3; allowed are 0 to 1 and 255 (unlabeled)",
    }


def test_an_unknown_sequence_is_told_with_those_there_are(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(manual, "classes: [ground, person]\nsplits: {train: [walk], test: [walks]}")
    write_sequence(manual, "walk", 2)
    write_sequence(manual, "run", 2)
    with pytest.raises(ValueError, match=r"'walks', which is not there: choose from run, walk"):
        build(Builder, "default", manual, tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [a, b", r"dataset\.yaml, line \d is not valid YAML: "),
        ("- a", "lines `key: value` are needed, with the keys classes, colors, background"),
        ("", "lines `key: value` are needed"),
        ("class: [a]", r"dataset\.yaml: unknown key class: choose from classes, colors, backgr"),
        ("clip_length: 2", "classes is None: a list of names is needed"),
        ("classes: []", "classes is \\[\\]: a list of names"),
        ("classes: [a]", "classes has the name 'a' alone: two or more are needed"),
        ("classes: [yes, b]", "classes has True, which is no text: put quotes around it"),
        ("classes: [a, a]", "classes has 'a' twice"),
        ("classes: [a, b]\ncolors: [[0, 0, 0]]", "colors is 1: a list of one color for each of"),
        ("classes: [a, b]\ncolors: [[0, 0, 256], [0, 0, 0]]", r"colors has \[0, 0, 256\]"),
        ("classes: [a, b]\nbackground: 0", "background is 0: one of the classes a, b is needed"),
        ("classes: [a, b]\nignored: 1", "ignored is 1: a whole number from 2 to 255 is needed"),
        ("classes: [a, b]\nclip_length: 0", "clip_length is 0: a number of frames is needed"),
        ("classes: [a, b]\nclip_length: true", "clip_length is True"),
        ("classes: [a, b]\nsplits: [x]", "splits is \\['x'\\]: lines `train"),
        (
            "classes: [a, b]\nsplits: {train: [x], tests: [y]}",
            "splits has tests: choose from train, validation, test",
        ),
        (
            "classes: [a, b]\nsplits: {train: [x]}",
            "splits has no test: only validation may be absent",
        ),
        ("classes: [a, b]\nsplits: {train: [x], test: [1]}", "splits.test has 1, which is no text"),
        (
            "classes: [a, b]\nsplits: {train: [x], test: [x]}",
            "splits has the sequence 'x' in two splits",
        ),
    ],
)
def test_bad_settings_are_told_in_one_line(text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as raised:
        read_settings(write_yaml(tmp_path, text))
    assert "dataset.yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_settings_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"dataset\.yaml is missing.*classes: \[first"):
        read_settings(tmp_path / "dataset.yaml")


@pytest.mark.parametrize(
    ("line", "background", "told"),
    [
        ("", 0, {}),
        ("background: b", 1, {"background": 1}),
        ("background: null", None, {"background": None}),
    ],
)
def test_pictures_leave_the_class_clear_that_is_named(line, background, told, tmp_path):
    labels = read_settings(write_yaml(tmp_path, f"classes: [a, b, c]\n{line}")).labels
    assert labels.background == background
    metadata = labels.as_metadata()
    assert {name: metadata[name] for name in metadata if name == "background"} == told


def test_colors_are_left_out_where_none_are_given(tmp_path):
    labels = read_settings(write_yaml(tmp_path, "classes: [a, b, c]")).labels
    assert labels.colors is None
    assert "colors" not in labels.as_metadata()


def test_the_example_is_a_folder_of_videos(tmp_path, monkeypatch):
    monkeypatch.setattr(example, "SPLITS", {"train": 2, "validation": 1, "test": 1})
    example.write(tmp_path / "manual")
    builder = built(tmp_path / "manual", tmp_path / "data")
    assert {split: len(clips) for split, clips in contents(builder).items()} == {
        "train": 2 * (example.FRAMES - 1),
        "validation": example.FRAMES // 2,
        "test": example.FRAMES // 2,
    }
    with pytest.raises(FileExistsError, match="train00"):
        example.write(tmp_path / "manual")


def test_colors_do_not_tell_the_classes_of_the_example():
    rng = np.random.default_rng(0)
    drawn = [example.draw_sequence(rng) for _ in range(100)]
    frames, masks = (np.stack(x) for x in zip(*drawn))
    means = [frames[masks == k].mean(0) for k in range(3)]
    np.testing.assert_allclose(means, 127.5, atol=10)
    disc, square = ((masks == k).sum() for k in (1, 2))  # of about 250 objects each
    assert disc == pytest.approx(square, rel=0.1)


@pytest.mark.parametrize("sequences", [1, 2, 5])
def test_validation_and_calibration_share_no_frame_with_training(tmp_path, sequences):
    manual = tmp_path / "manual"
    names = [f"walk{i}" for i in range(sequences)]
    write_yaml(manual, f"classes: [a, b]\nclip_length: 3\nsplits: {{train: {names}, test: [x]}}")
    for i, name in enumerate(names):
        for t in range(20):
            write_frame(manual / name / f"{t:04d}.png", 20 * i + t)
            write_mask(manual / f"{name}_mask" / f"{t:04d}.png")
    write_sequence(manual, "x", 3)
    dataset = open_dataset(
        rsf.get_config("camvid_s1f1_dru").replace(
            dataset="own_video/default",
            classes=2,
            manual_dir=str(manual),
            data_dir=str(tmp_path / "data"),
            calibration_share=0.1,
        )
    )
    parts = (dataset.train, dataset.validation, dataset.calibration)
    frames = [{frame.tobytes() for video in part for frame in video["frames"]} for part in parts]
    assert all(frames)
    for one, other in itertools.combinations(frames, 2):
        assert not one & other


def test_a_dataset_without_random_access_is_not_called_damaged(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(manual, "classes: [a, b]")
    write_sequence(manual, "walk", 10)
    builder = Builder(config="default", data_dir=tmp_path / "data", file_format="tfrecord")
    settings = tfds.download.DownloadConfig(manual_dir=str(manual))
    builder.download_and_prepare(download_config=settings)
    config = rsf.get_config("camvid_s1f1_dru").replace(
        dataset="own_video/default", classes=2, data_dir=str(tmp_path / "data")
    )
    with pytest.raises(
        rsf.InputError, match=r"tfrecord.*build it in the format array_record"
    ) as raised:
        open_dataset(config)
    assert "damaged" not in str(raised.value)


def test_what_is_built_of_other_files_is_not_reused(tmp_path):
    manual = tmp_path / "manual"
    write_yaml(manual, "classes: [a, b]")
    write_sequence(manual, "walk", 10)
    build(Builder, "default", manual, tmp_path / "data")
    build(Builder, "default", manual, tmp_path / "data")
    write_mask(manual / "walk_mask" / "0003.png", first=1)
    with pytest.raises(ValueError, match=r"was made of other files than .* delete it, or give"):
        build(Builder, "default", manual, tmp_path / "data")
