"""The builder of the released T-Pathfinder, on files that are made here, whole and spoilt."""

import json
import shutil

import numpy as np
import pytest
from frame_files import build
from PIL import Image
from t_pathfinder_released.files import CONFIG
from t_pathfinder_released.t_pathfinder_released_dataset_builder import Builder
from tensorflow_datasets.core import read_only_builder

import rsf_jax as rsf
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import open_dataset

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

SIZE, LENGTH = (10, 12), 6
VIDEOS = {"train": ["12", "3", "7"], "test": ["5", "40"]}


def _pixels(video, frame):
    rng = np.random.default_rng([int(video), frame])
    return rng.integers(0, 256, SIZE, np.uint8), rng.integers(0, 256, SIZE, np.uint8)


def _write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    (folder / CONFIG).write_text(json.dumps({"n_videos": 6, "n_frames": LENGTH}))
    for split, videos in VIDEOS.items():
        (folder / f"{split}_vid_id_list.txt").write_text("\n".join(videos) + "\n")
    for video in (*VIDEOS["train"], *VIDEOS["test"], "99"):  # the last is in no list
        for frame in range(LENGTH):
            image, truth = _pixels(video, frame)
            _write(folder / "imgs" / "1" / f"{video}_{frame}.png", image)
            _write(folder / "gt" / "1" / f"{video}_{frame}.png", truth)
    return folder


@pytest.fixture
def copy(released, tmp_path):
    return shutil.copytree(released, tmp_path / "copy")


def _error(folder, tmp_path, config="easy"):
    with pytest.raises(
        ValueError, match=r"cannot be used|holds no frames|no \d+ in a row"
    ) as error:
        build(Builder, config, folder, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("dataset_info.json"))
    return str(error.value)


def test_videos_of_the_lists_in_their_order(released, tmp_path):
    build(Builder, "easy", released, tmp_path)
    builder = read_only_builder.builder_from_files("t_pathfinder_released/easy", data_dir=tmp_path)
    for split, videos in VIDEOS.items():
        examples = list(builder.as_data_source(split))
        assert [e["sequence"].decode() for e in examples] == videos
        for video, example in zip(videos, examples):
            images, truths = zip(*(_pixels(video, frame) for frame in range(LENGTH)))
            np.testing.assert_array_equal(example["frames"], np.stack(images)[..., None])
            np.testing.assert_array_equal(example["masks"], np.stack(truths) > 51)
            assert example["frame_numbers"].tolist() == list(range(LENGTH))


def test_models_take_it_like_the_generated_one(released, tmp_path):
    config = rsf.get_config("easy_s6f1").replace(
        dataset="t_pathfinder_released/easy", data_dir=str(tmp_path), manual_dir=str(released)
    )
    batch = next(evaluation_batches(open_dataset(config).test, 2))
    assert batch.frames.shape == (2, LENGTH, *SIZE, 1)
    assert set(np.unique(batch.masks)) == {0, 1}


def test_all_that_is_wrong_is_named_at_once(copy, tmp_path):
    (copy / "imgs" / "1" / "3_2.png").unlink()
    (copy / "gt" / "1" / "12_0.png").unlink()
    (copy / "gt" / "1" / "5_1.png").write_bytes(b"no image")
    _write(copy / "imgs" / "1" / "40_3.png", np.zeros((4, 4), np.uint8))
    _write(copy / "imgs" / "1" / "7_0.png", np.zeros((*SIZE, 3), np.uint8))
    (copy / "test_vid_id_list.txt").write_text("5\n40\n12\n")
    message = _error(copy, tmp_path)
    for expected in (
        "imgs/1/3_0.png: the video has frames 0, 1, 3, 4, 5: 6 in a row are needed",
        "gt/1/12_0.png: missing",
        "gt/1/5_1.png: damaged",
        "imgs/1/40_3.png: is 4x4 pixels",
        "imgs/1/7_0.png: is of mode RGB: 8-bit gray is needed",
        "imgs/1/12_5.png: is in split test, and in train too",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (CONFIG, b'{"n_frames": 8}', "n_frames is 8: easy has 6 frames a video"),
        (CONFIG, b'{"n_frames": true}', "n_frames is no number above 0"),
        (CONFIG, b"[" * 100_000, "is no JSON with a number n_frames"),
        (CONFIG, b"\xff\xfe", "is no JSON with a number n_frames"),
        (CONFIG, None, "dataset_config.json: missing"),
        ("train_vid_id_list.txt", None, "train_vid_id_list.txt: missing"),
        ("train_vid_id_list.txt", b"", "names no videos"),
        ("train_vid_id_list.txt", b"3\n3\n", "names 1 video(s) more than once, such as 3"),
        ("train_vid_id_list.txt", b"../../3\n", "names '../../3', which is no name of a video"),
        ("train_vid_id_list.txt", b"\xff\xfe", "is not a text file"),
        ("train_vid_id_list.txt", b"3 8\n", "8_0.png: the video has frames none"),
    ],
)
def test_lists_and_settings_that_cannot_be_used(copy, tmp_path, name, content, expected):
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    assert expected in _error(copy, tmp_path)


def test_files_with_other_names_are_told_if_a_video_is_not_whole(copy, tmp_path):
    images = copy / "imgs" / "1"
    for name in ("Thumbs.db", "cover.png", "99_6.png"):
        (images / name).write_bytes(b"left alone")
    build(Builder, "easy", copy, tmp_path / "built")
    for frame in range(LENGTH):
        (images / f"3_{frame}.png").rename(images / f"3_{frame:03d}.png")
    (images / "7_0.png").rename(images / "7_0.PNG")
    lines = _error(copy, tmp_path).splitlines()
    assert lines[0].startswith("3 file(s)")
    assert [line.strip() for line in lines[1:]] == [
        "imgs/1: 9 file(s) in it are not called {video}_{frame}.png: "
        "3_000.png, 3_001.png, 3_002.png, 3_003.png, 3_004.png, ...",
        "imgs/1/3_0.png: the video has frames none: 6 in a row are needed",
        "imgs/1/7_1.png: the video has frames 1, 2, 3, 4, 5: 6 in a row are needed",
    ]


def test_truth_that_is_missing_is_told_unless_no_list_has_the_video(copy, tmp_path):
    (copy / "gt" / "1" / "99_0.png").unlink()  # in no list
    build(Builder, "easy", copy, tmp_path / "built")
    for name in ("3_2.png", "40_5.png"):
        (copy / "gt" / "1" / name).unlink()
    message = _error(copy, tmp_path)
    assert message.startswith("2 file(s)")
    for name in ("3_2.png", "40_5.png"):
        assert f"gt/1/{name}: missing, the mask of {name}" in message


def test_files_with_flipped_bits_give_arrays_or_the_error(copy, tmp_path):
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    rng = np.random.default_rng(0)
    built = refused = 0
    for number in range(60):
        path = files[rng.integers(len(files))]
        content = path.read_bytes()
        path.write_bytes(_spoil(content, rng))
        data_dir = tmp_path / f"data{number}"
        message = _error_or_none(copy, data_dir)
        refused, built = refused + bool(message), built + (not message)
        # A list's mistakes may be told by the videos that it names.
        assert not message or path.name in message or "are needed" in message
        shutil.rmtree(data_dir, ignore_errors=True)
        path.write_bytes(content)
    assert refused > 20
    assert built > 0


def _error_or_none(folder, data_dir):
    """Builds; checks what comes of it if that goes well."""
    try:
        builder = build(Builder, "easy", folder, data_dir)
    except ValueError as error:
        return str(error)
    for example in builder.as_data_source("train"):
        assert example["frames"].shape == (LENGTH, *SIZE, 1)
        assert set(np.unique(example["masks"])) <= {0, 1}
    return None


def _spoil(content, rng):
    if rng.random() < 0.3:
        return content[: rng.integers(len(content))]
    spoilt = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        # Headers hold sizes: they are where a forged number does most.
        place = rng.integers(min(len(spoilt), 40) if rng.random() < 0.5 else len(spoilt))
        spoilt[place] ^= 1 << int(rng.integers(8))
    return bytes(spoilt)
