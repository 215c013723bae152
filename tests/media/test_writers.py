import contextlib
import json
import os
import resource

import av
import jax.numpy as jnp
import numpy as np
import pytest
from filming import noise, scenes
from PIL import Image

from rsf_jax.errors import InputError
from rsf_jax.media import JsonLinesWriter, MaskWriter, VideoWriter, open_source
from rsf_jax.streaming import FrameResult

COLORS = np.array([[0, 0, 0], [200, 30, 10], [0, 100, 250]], np.uint8)
full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has /dev/full")


def _result(index, status="done", reason=""):
    return FrameResult("door", index, status, None, 7, 0.0123456, reason)


@pytest.mark.parametrize("name", ["clip.mp4", "deeper/clip.mkv"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_a_video_reads_back_as_it_was_written(tmp_path, monkeypatch, name, codec):
    monkeypatch.setattr(av, "codecs_available", {codec})
    images = scenes(12, 48, 64)
    with VideoWriter(tmp_path / name, 30000 / 1001) as writer:
        for image in images:
            writer.write(image)
        assert not (tmp_path / name).exists()
    with open_source(tmp_path / name, None) as source:
        assert source.frames_per_second == pytest.approx(30000 / 1001)
        pictures = list(source)
    with av.open(tmp_path / name) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == codec.replace("libx264", "h264")
    assert os.listdir((tmp_path / name).parent) == [os.path.basename(name)]
    seconds = [picture.seconds for picture in pictures]
    np.testing.assert_allclose(seconds, np.arange(12) * 1001 / 30000, atol=1e-3)
    for picture, image in zip(pictures, images, strict=True):
        assert np.median(np.abs(picture.image.astype(int) - image)) <= 5


def test_files_may_lie_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with VideoWriter("~/clip.mp4", 10) as video:
        video.write(scenes(1)[0])
    with MaskWriter("~/masks", COLORS) as masks:
        masks.write(0, np.zeros((4, 4), int))
    with JsonLinesWriter("~/lines.jsonl", ["a"]):
        pass
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "lines.jsonl", "masks"]


def test_odd_sizes_are_padded_with_their_own_edge(tmp_path):
    image = np.full((47, 63, 3), 200, np.uint8)
    with VideoWriter(tmp_path / "clip.mp4", 10) as writer:
        writer.write(image)
    with open_source(tmp_path / "clip.mp4", None) as source:
        (picture,) = source
    assert picture.image.shape == (48, 64, 3)
    assert np.abs(picture.image.astype(int) - 200).max() < 4


def test_numbers_of_numpy_are_numbers(tmp_path):
    rate, seconds = np.float32(30000 / 1001), np.float32(0.5)
    with VideoWriter(tmp_path / "clip.mp4", rate) as video:
        for time in (0, seconds):
            video.write(scenes(1)[0], time)
    with open_source(tmp_path / "clip.mp4", None) as source:
        assert [picture.seconds for picture in source] == pytest.approx([0, 0.5], abs=1e-3)
    with JsonLinesWriter(tmp_path / "lines.jsonl", ["ground"]) as lines:
        lines.write(_result(0), seconds, None, frame=np.int64(3))
    (line,) = (tmp_path / "lines.jsonl").read_text().splitlines()
    assert (json.loads(line)["seconds"], json.loads(line)["frame"]) == (0.5, 3)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, "1"])
def test_a_frame_is_shown_at_a_time(tmp_path, seconds):
    writer = VideoWriter(tmp_path / "clip.mp4", 10)
    with pytest.raises(InputError, match=r"seconds is .*: it has to be a number of seconds of at"):
        writer.write(scenes(1)[0], seconds)
    writer.close()
    assert os.listdir(tmp_path) == []


def test_a_frame_of_another_size_is_refused(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 10) as writer:
        writer.write(scenes(1)[0])
        with pytest.raises(InputError, match=r"a frame is \[32, 64\] .* first was \[48, 64\]"):
            writer.write(scenes(1, 32, 64)[0])
        writer.write(scenes(1)[0])
    with open_source(tmp_path / "clip.mp4", None) as source:
        assert len(list(source)) == 2


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_image_is_refused(tmp_path, image):
    writer = VideoWriter(tmp_path / "clip.mp4", 10)
    with pytest.raises(InputError, match=r"it has to be uint8 \[h, w, 3\]"):
        writer.write(image)
    writer.close()
    assert os.listdir(tmp_path) == []


def _write_until(path, images, error=None, overwrite=False):
    with VideoWriter(path, 10, overwrite) as writer:
        for image in images:
            writer.write(image)
        if error is not None:
            assert f"{path.name}.unfinished" in os.listdir(path.parent)
            raise error


def test_a_frame_that_no_coder_takes_is_named(tmp_path):
    writer = VideoWriter(tmp_path / "clip.mp4", 10)
    with pytest.raises(InputError, match=r"clip\.mp4: a frame is \[20000, 2\] pixels, and 16384 a"):
        writer.write(np.zeros((20000, 2, 3), np.uint8))
    writer.close()
    assert os.listdir(tmp_path) == []


def test_an_interrupted_video_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        _write_until(tmp_path / "clip.mp4", scenes(2), KeyboardInterrupt())
    assert os.listdir(tmp_path) == []


def test_an_interrupted_video_leaves_the_old_one(tmp_path):
    (tmp_path / "clip.mp4").write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_until(tmp_path / "clip.mp4", scenes(2), ZeroDivisionError(), overwrite=True)
    assert os.listdir(tmp_path) == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        ("clip.gif", 10, r"clip\.gif ends in \.gif: choose \.mp4 or \.mkv"),
        ("clip", 10, "ends in nothing: choose"),
        ("clip.mp4", 0, r"frames_per_second is 0: it lies between 0\.0001 and 1000"),
        ("clip.mp4", float("nan"), "frames_per_second is nan"),
        ("clip.mp4", "25", "frames_per_second is '25': it lies between"),
        ("clip.mp4", None, "frames_per_second is None: it lies between"),
        ("folder.mp4", 10, "is a folder: give the name of a file"),
    ],
)
def test_videos_that_cannot_be_are_refused(tmp_path, name, rate, message):
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=message):
        VideoWriter(tmp_path / name, rate)


@pytest.mark.parametrize("end", ["close", "discard"])
def test_what_is_closed_takes_no_more(tmp_path, end):
    """It would begin a file of the same name anew, and replace the one that is complete."""
    video = VideoWriter(tmp_path / "clip.mp4", 10)
    video.write(scenes(1)[0])
    getattr(video, end)()
    video.close()
    files = [path.name for path in tmp_path.iterdir()]
    assert files == ["clip.mp4"] * (end == "close")
    lines = JsonLinesWriter(tmp_path / "lines.jsonl", ["a"])
    lines.close()
    lines.close()
    with pytest.raises(InputError, match=r"clip\.mp4 is closed, and takes no more"):
        video.write(scenes(1)[0])
    with pytest.raises(InputError, match=r"lines\.jsonl is closed, and takes no more"):
        lines.write(FrameResult("a", 0, "done", None, 1, 0.1), 0.0, None)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".jsonl"] == files


def test_nothing_is_replaced_unasked(tmp_path):
    (tmp_path / "clip.mp4").write_text("old")
    (tmp_path / "lines.jsonl").write_text("old")
    (tmp_path / "masks").mkdir()
    for index in (0, 7):
        (tmp_path / "masks" / f"{index:06d}.png").write_text("old")
    with pytest.raises(InputError, match=r"clip\.mp4 exists already: give another name, or"):
        VideoWriter(tmp_path / "clip.mp4", 10)
    with pytest.raises(InputError, match=r"lines\.jsonl exists already"):
        JsonLinesWriter(tmp_path / "lines.jsonl", ["a"])
    with pytest.raises(InputError, match="masks is not empty: give another, or allow overwrite"):
        MaskWriter(tmp_path / "masks", COLORS)
    assert (tmp_path / "lines.jsonl").read_text() == "old"

    with VideoWriter(tmp_path / "clip.mp4", 10, overwrite=True) as video:
        video.write(scenes(1)[0])
    with MaskWriter(tmp_path / "masks", COLORS, overwrite=True) as masks:
        masks.write(0, np.zeros((4, 4), int))
    with JsonLinesWriter(tmp_path / "lines.jsonl", ["a"], overwrite=True):
        pass
    assert (tmp_path / "clip.mp4").stat().st_size > 100
    assert os.listdir(tmp_path / "masks") == ["000000.png"]
    assert (tmp_path / "lines.jsonl").read_text() == ""


@pytest.fixture
def _small_files():
    """No file may be larger than 2,000 bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_small_files")
@pytest.mark.parametrize(("suffix", "frames"), [(".mp4", 3), (".mp4", 200), (".mkv", 3)])
def test_a_video_that_finds_no_room_is_an_input_error(tmp_path, suffix, frames):
    with pytest.raises(InputError, match=rf"clip{suffix} cannot be written: File too large"):
        _write_until(tmp_path / f"clip{suffix}", noise(frames))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("taken", ["clip.part.mp4", "clip.mp4.unfinished"])
def test_no_file_that_somebody_has_is_used_for_a_video_on_its_way(tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    _write_until(tmp_path / "clip.mp4", scenes(2))
    with pytest.raises(ZeroDivisionError):
        _write_until(tmp_path / "other.mp4", scenes(2), ZeroDivisionError())
    assert sorted(os.listdir(tmp_path)) == sorted(["clip.mp4", taken])
    assert (tmp_path / taken).read_text() == "mine"


def test_videos_that_are_written_at_once_do_not_meet(tmp_path):
    names = ("clip.mp4", "clip.part.mp4", "clip.mkv")
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(VideoWriter(tmp_path / name, 10)) for name in names]
        for count, writer in enumerate(writers, 1):
            for image in scenes(count):
                writer.write(image)
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    for count, name in enumerate(names, 1):
        with open_source(tmp_path / name, None) as source:
            assert len(list(source)) == count


def _write_line(path):
    with JsonLinesWriter(path, ["a"]) as lines:
        lines.write(_result(0), 0.0, None)


@full_disk
def test_masks_and_lines_on_a_full_disk_are_input_errors(tmp_path):
    (tmp_path / "lines.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"lines\.jsonl cannot be written: No space left"):
        _write_line(tmp_path / "lines.jsonl")
    with MaskWriter(tmp_path / "masks", COLORS) as masks:
        (tmp_path / "masks" / "000000.png").symlink_to("/dev/full")
        with pytest.raises(InputError, match=r"000000\.png cannot be written: No space left"):
            masks.write(0, np.zeros((4, 4), int))
    assert os.listdir(tmp_path / "masks") == []


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"lines\.jsonl cannot be written: "):
        JsonLinesWriter(tmp_path / "file" / "lines.jsonl", ["a"])
    with pytest.raises(InputError, match="masks cannot be written: "):
        MaskWriter(tmp_path / "file" / "masks", COLORS)
    with pytest.raises(InputError, match=r"clip\.mp4 cannot be written: "):
        _write_until(tmp_path / "file" / "clip.mp4", scenes(1))
    with pytest.raises(InputError, match="is a file: give the name of a folder"):
        MaskWriter(tmp_path / "file", COLORS)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_masks_keep_classes_and_colors(tmp_path, dtype):
    classes = np.random.default_rng(0).integers(0, 3, (2, 9, 13)).astype(dtype)
    with MaskWriter(tmp_path / "masks", COLORS) as writer:
        for index, mask in zip((0, 12), classes):
            writer.write(index, mask)
    assert sorted(os.listdir(tmp_path / "masks")) == ["000000.png", "000012.png"]
    for index, mask in zip((0, 12), classes):
        with Image.open(tmp_path / "masks" / f"{index:06d}.png") as image:
            assert image.mode == "P"
            np.testing.assert_array_equal(np.asarray(image), mask)
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), COLORS[mask])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (np.full((2, 2), 3), "a pixel has class 3: there are colors for 0 to 2"),
        (np.full((2, 2), -1), "a pixel has class -1"),
        (np.zeros((2, 2, 3)), r"classes are float64 \[2, 2, 3\]: give integers \[H, W\]"),
    ],
)
def test_masks_of_other_classes_are_refused(tmp_path, classes, message):
    writer = MaskWriter(tmp_path / "masks", COLORS)
    with pytest.raises(InputError, match=message):
        writer.write(0, classes)


@pytest.mark.parametrize("make", [jnp.asarray, np.ndarray.tolist])
def test_class_maps_may_be_arrays_of_jax_or_lists(tmp_path, make):
    classes = np.array([[0, 1], [2, 1]])
    with MaskWriter(tmp_path / "masks", COLORS) as writer:
        writer.write(0, make(classes))
    with Image.open(tmp_path / "masks" / "000000.png") as image:
        np.testing.assert_array_equal(np.asarray(image), classes)


@pytest.mark.parametrize("index", [-1, 1.0, "0", None, True])
def test_a_mask_has_a_whole_number(tmp_path, index):
    writer = MaskWriter(tmp_path / "masks", COLORS)
    with pytest.raises(InputError, match=r"index is .*: a whole number of at least 0 is needed"):
        writer.write(index, np.zeros((2, 2), int))
    assert os.listdir(tmp_path / "masks") == []


@pytest.mark.parametrize("image", [None, [[0]], [[0], [0, 1]], scenes(1)[0].tolist()])
def test_what_is_no_array_is_no_image(tmp_path, image):
    writer = VideoWriter(tmp_path / "clip.mp4", 10)
    with pytest.raises(InputError, match=r"image is .* uint8 \[h, w, 3\]"):
        writer.write(image)


@pytest.mark.parametrize(
    "colors", [COLORS.tolist(), COLORS / 255, COLORS[0], np.zeros((257, 3), np.uint8)]
)
def test_masks_in_other_colors_are_refused(tmp_path, colors):
    with pytest.raises(InputError, match="color"):
        MaskWriter(tmp_path / "masks", colors)


def test_lines_are_json_as_soon_as_they_are_written(tmp_path):
    path = tmp_path / "deeper" / "lines.jsonl"
    classes = np.array([[0, 0, 0, 2], [0, 0, 2, 2]])
    with JsonLinesWriter(path, ["ground", "path", "sky"]) as writer:
        writer.write(_result(0), 0.0, classes)
        (line,) = path.read_text().splitlines()
        writer.write(_result(1, "dropped", "its time was up"), 0.04, None)
    assert json.loads(line) == {
        "stream": "door",
        "frame": 0,
        "seconds": 0.0,
        "status": "done",
        "steps": 7,
        "latency_ms": 12.346,
        "share": {"ground": 62.5, "path": 0.0, "sky": 37.5},
    }
    second = json.loads(path.read_text().splitlines()[1])
    assert (second["share"], second["reason"], second["seconds"]) == (None, "its time was up", 0.04)


def test_lines_need_a_name_for_each_class(tmp_path):
    writer = JsonLinesWriter(tmp_path / "lines.jsonl", ["ground"])
    with pytest.raises(InputError, match="a pixel has class 1"):
        writer.write(_result(0), 0.0, np.ones((2, 2), int))
    writer.close()
    assert (tmp_path / "lines.jsonl").read_text() == ""
