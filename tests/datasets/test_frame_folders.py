"""Sequences, clips, labels and errors that the datasets of frames and masks share."""

import pathlib

import numpy as np
import pytest
from frame_files import write_frame, write_mask
from frame_folders.images import COLOR, check, read_image, read_mask
from frame_folders.labels import Labels
from frame_folders.problems import NAMED, Problems
from frame_folders.sequences import Clip, Cutting, Frame, clips, in_order, runs, split_name
from PIL import Image

LABELS = Labels(("ground", "thing"), ignored=9)


def sequence(*numbers, name="A"):
    return [
        Frame(pathlib.Path(f"{name}_{n}.png"), pathlib.Path(f"m_{n}.png"), name, n) for n in numbers
    ]


def numbers(of):
    return [frame.number for frame in (of.frames if isinstance(of, Clip) else of)]


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("0001TP_006690", ("0001TP", 6690)),
        ("Seq05VD_f00000", ("Seq05VD", 0)),
        ("0016E5_07959", ("0016E5", 7959)),
        ("walk-in-12", ("walk-in", 12)),
        ("frame12", ("frame", 12)),
        ("0003", ("", 3)),
        ("cover", None),
        ("0001TP_006690_L", None),
    ],
)
def test_a_name_is_a_sequence_and_a_number(stem, expected):
    assert split_name(stem) == expected


def test_frames_are_grouped_and_ordered():
    mixed = sequence(30, 10) + sequence(5, 4, name="B") + sequence(20)
    problems = Problems(pathlib.Path())
    found = in_order(mixed, problems)
    assert {name: numbers(frames) for name, frames in found.items()} == {
        "A": [10, 20, 30],
        "B": [4, 5],
    }
    problems.raise_if_any()


def test_a_number_that_two_frames_have_is_named():
    twice = [Frame(pathlib.Path(p), pathlib.Path("m"), "A", 7) for p in ("A_7.png", "A_07.png")]
    problems = Problems(pathlib.Path())
    in_order(twice, problems)
    with pytest.raises(ValueError, match=r"A_07\.png: frame 7 of the sequence is A_7\.png too"):
        problems.raise_if_any()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([4], [[4]]),
        ([0, 30, 60, 91, 120], [[0, 30, 60, 91, 120]]),
        ([0, 30, 90], [[0, 30, 90]]),  # twice the usual step is no gap yet
        ([0, 30, 60, 121, 151], [[0, 30, 60], [121, 151]]),
        ([0, 30, 1980], [[0, 30], [1980]]),  # the lower of two steps is the usual one
        ([0, 2, 4, 900, 902, 1800], [[0, 2, 4], [900, 902], [1800]]),
    ],
)
def test_a_sequence_breaks_where_frames_are_missing(given, expected):
    assert [numbers(run) for run in runs(sequence(*given))] == expected


@pytest.mark.parametrize(
    ("length", "overlapping", "expected"),
    [
        (2, True, [[0, 1], [1, 2], [2, 3], [3, 4]]),
        (4, True, [[0, 1, 2, 3], [1, 2, 3, 4]]),
        (5, False, [[0, 1, 2, 3, 4]]),
        (6, True, []),
        (6, False, []),
        (None, False, [[0, 1, 2, 3, 4]]),
    ],
)
def test_clips_of_a_run(length, overlapping, expected):
    made = clips(sequence(0, 1, 2, 3, 4), Cutting(length, overlapping))
    assert [numbers(clip) for clip in made] == expected
    assert not any(clip.context for clip in made)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 8])
def test_without_overlap_every_frame_counts_once(length):
    for count in range(length, 20):
        made = clips(sequence(*range(count)), Cutting(length, overlapping=False))
        assert all(len(clip.frames) == length for clip in made)
        counted = [number for clip in made for number in numbers(clip)[clip.context :]]
        assert counted == list(range(count))


def test_labels_name_what_is_not_allowed_and_store_unlabeled_as_255():
    mask = np.array([[0, 1, 9], [2, 255, 1]], np.uint8)
    assert LABELS.not_allowed(mask) == [2, 255]
    stored = LABELS.stored(mask[:1])
    assert stored.tolist() == [[0, 1, 255]]
    assert stored.dtype == np.uint8


def test_files_of_any_mode_become_three_channels_or_indices(tmp_path):
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert (read_image(tmp_path / "gray.png") == gray[..., None]).all()
    assert read_image(tmp_path / "gray.png").shape == (3, 4, 3)
    palette = Image.frombytes("P", (4, 3), (gray % 3).tobytes())
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    palette.save(tmp_path / "palette.png")
    assert (read_mask(tmp_path / "palette.png") == gray % 3).all()
    Image.fromarray(gray > 5).save(tmp_path / "bits.png")
    assert (read_mask(tmp_path / "bits.png") == (gray > 5)).all()


def test_every_kind_of_bad_file_is_named(tmp_path):
    def frame(name):
        return Frame(tmp_path / f"{name}.png", tmp_path / f"{name}_mask.png", "A", 0)

    names = ["good", "good2", "size", "shape", "index", "rgb", "deep", "cut", "text", "no_mask"]
    for name in names:
        write_frame(tmp_path / f"{name}.png", size=(8, 8) if name == "size" else (12, 16))
        write_mask(tmp_path / f"{name}_mask.png", size=(8, 8) if name == "size" else (12, 16))
    write_mask(tmp_path / "shape_mask.png", size=(12, 15))
    write_mask(tmp_path / "index_mask.png", first=2)
    write_frame(tmp_path / "rgb_mask.png")
    Image.fromarray(np.zeros((12, 16), np.uint16)).save(tmp_path / "deep.png")
    noise = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:200])
    (tmp_path / "text_mask.png").write_text("no image")
    (tmp_path / "no_mask_mask.png").unlink()
    problems = Problems(tmp_path)
    assert check([frame(name) for name in [*names, "absent"]], LABELS, COLOR, problems) == (12, 16)
    with pytest.raises(ValueError, match="cannot be used; nothing was built") as raised:
        problems.raise_if_any()
    told = dict(line.strip().split(": ", 1) for line in str(raised.value).splitlines()[1:])
    assert told == {
        "size.png": "is 8x8 pixels (height x width), most images are 12x16 pixels (height x width)",
        "shape_mask.png": (
            "is 12x15 pixels (height x width), its image is 12x16 pixels (height x width)"
        ),
        "index_mask.png": "has index 2; allowed are 0 to 1 and 9 (unlabeled)",
        "rgb_mask.png": (
            "is of mode RGB: one class index a pixel (8-bit gray or palette) is needed"
        ),
        "deep.png": "is of mode I;16: 8 bits a channel is needed",
        "cut.png": "damaged (OSError while reading)",
        "text_mask.png": "damaged or of another format: PNG is needed",
        "no_mask_mask.png": "missing, the mask of no_mask.png",
        "absent.png": "missing",
        "absent_mask.png": "missing, the mask of absent.png",
    }


def test_the_first_problems_are_named_and_the_others_counted(tmp_path):
    problems = Problems(tmp_path)
    for i in range(NAMED + 3):
        problems.add(tmp_path / f"{i}.png", "missing")
    with pytest.raises(ValueError, match="and 3 more") as raised:
        problems.raise_if_any()
    assert str(raised.value).startswith(f"{NAMED + 3} file(s) in {tmp_path} cannot be used")
    assert str(raised.value).count(": missing") == NAMED
