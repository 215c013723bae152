"""Files that are no images, or not those that they claim to be."""

import contextlib
import io
import re
import struct
import subprocess
import zlib

import numpy as np
import pytest
from frame_files import HEIGHT, WIDTH, write_frame, write_mask
from frame_folders.images import COLOR, check, read_gray, read_image, read_mask
from frame_folders.labels import Labels
from frame_folders.problems import Problems
from frame_folders.sequences import Frame
from PIL import Image

READERS = (read_image, read_mask, read_gray)


def _content(pixels, image_format="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, image_format, **options)
    return file.getvalue()


def _with_size(png, width, height):
    """A PNG file with another size in its header, whose checksum fits."""
    header = png[12:16] + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


GRAY = np.arange(42, dtype=np.uint8).reshape(6, 7)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_pictures_are_png_jpeg_or_webp(tmp_path, image_format):
    # The content counts, not the name.
    (tmp_path / "1.png").write_bytes(_content(GRAY, image_format))
    assert read_image(tmp_path / "1.png").shape == (6, 7, 3)


@pytest.mark.parametrize("image_format", ["EPS", "TIFF", "BMP", "GIF", "PPM"])
def test_pictures_of_other_formats_are_not_opened(tmp_path, image_format, monkeypatch):
    def run(*args, **kwargs):
        raise AssertionError(f"runs {args}")

    monkeypatch.setattr(subprocess, "Popen", run)
    path = tmp_path / "1.png"
    path.write_bytes(_content(GRAY, image_format))
    with pytest.raises(ValueError, match=r"another format: PNG, JPEG or WEBP is needed$"):
        read_image(path)


@pytest.mark.parametrize("reader", [read_mask, read_gray])
@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "EPS"])
def test_indices_and_released_files_are_png(tmp_path, reader, image_format):
    path = tmp_path / "1.png"
    path.write_bytes(_content(GRAY, image_format))
    with pytest.raises(ValueError, match=r"of another format: PNG is needed$"):
        reader(path)


@pytest.mark.parametrize("palette", [False, True])
def test_every_flipped_bit_of_a_png_is_noticed(tmp_path, palette):
    image = Image.fromarray(GRAY)
    if palette:
        image = image.convert("P")
    image.save(tmp_path / "good.png", dpi=(72, 72))  # with an ancillary chunk
    content, path = (tmp_path / "good.png").read_bytes(), tmp_path / "bad.png"
    # The last chunk, IEND, is empty: nothing can be wrong with what its length and checksum say.
    end = len(content) - 12
    missed = []
    for bit in (*range(8 * end), *range(8 * (end + 4), 8 * (end + 8))):
        spoilt = bytearray(content)
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoilt)
        with contextlib.suppress(ValueError):
            read_mask(path)
            missed.append(bit)
    assert not missed


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", [(60_000, 60_000), (10_000, 10_000), (2**31 - 1, 1)])
def test_a_header_that_claims_a_huge_size_is_told_in_one_line(tmp_path, reader, size):
    path = tmp_path / "1.png"
    path.write_bytes(_with_size(_content(GRAY), *size))
    with pytest.raises(ValueError, match=r"^claims to have more than \d+ pixels: damaged") as told:
        reader(path)
    assert "\n" not in str(told.value)


def test_the_error_names_files_of_every_kind(tmp_path):
    names = ["good", "eps", "flipped", "huge", "mask"]
    frames = [Frame(tmp_path / f"{n}.png", tmp_path / f"{n}_mask.png", "A", 0) for n in names]
    for frame in frames:
        write_frame(frame.image)
        write_mask(frame.mask)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    (tmp_path / "eps.png").write_bytes(_content(pixels, "EPS"))
    (tmp_path / "mask_mask.png").write_bytes(_content(pixels[..., 0], "JPEG"))
    flipped = bytearray(_content(pixels))
    flipped[-17] ^= 1  # in the checksum of the pixels, at which decoding does not look
    (tmp_path / "flipped.png").write_bytes(flipped)
    (tmp_path / "huge.png").write_bytes(_with_size(_content(pixels), 60_000, 60_000))
    problems = Problems(tmp_path)
    assert check(frames, Labels(("a", "b")), COLOR, problems) == (HEIGHT, WIDTH)
    with pytest.raises(ValueError, match=r"4 file\(s\)") as raised:
        problems.raise_if_any()
    told = dict(re.findall(r"^  (\S+): (.*)$", str(raised.value), re.MULTILINE))
    assert told == {
        "eps.png": "damaged or of another format: PNG, JPEG or WEBP is needed",
        "flipped.png": "damaged (SyntaxError while reading)",
        "huge.png": "claims to have more than 89478485 pixels: damaged or far too large",
        "mask_mask.png": "damaged or of another format: PNG is needed",
    }
