"""Masks of every kind: what they are read as, and in which words they are refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from frame_folders.images import read_image
from frame_folders.masks import MaskReader, color_table
from PIL import Image

COLORS = ((0, 0, 0), (255, 0, 0), (0, 255, 0))
INDICES = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
BY_COLOR = MaskReader(color_table(COLORS, 255, (9, 9, 9)))
PLAIN = MaskReader(None)


def _paint(indices=INDICES, colors=COLORS):
    return np.array(colors, np.uint8)[indices]


def _save(tmp_path, image, name="mask.png", **options):
    path = tmp_path / name
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def _palette(indices, colors):
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(np.array(colors, np.uint8).ravel().tolist())
    return image


def test_color_images_are_read_by_the_colors_of_the_classes(tmp_path):
    found = BY_COLOR(_save(tmp_path, _paint()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, INDICES)
    unlabeled = _paint(INDICES, ((9, 9, 9), *COLORS[1:]))
    expected = np.where(INDICES == 0, 255, INDICES)
    np.testing.assert_array_equal(BY_COLOR(_save(tmp_path, unlabeled)), expected)
    opaque = np.dstack([_paint(), np.full((3, 4), 255, np.uint8)])
    np.testing.assert_array_equal(BY_COLOR(_save(tmp_path, opaque)), INDICES)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_palette_in_another_order_is_read_by_its_colors(tmp_path, order):
    places = np.argsort(order).astype(np.uint8)  # of each class in the palette
    image = _palette(places[INDICES], [COLORS[i] for i in order])
    np.testing.assert_array_equal(BY_COLOR(_save(tmp_path, image)), INDICES)


def test_what_quantizing_does_to_a_palette_does_no_harm(tmp_path):
    painted = Image.fromarray(_paint()).quantize()
    np.testing.assert_array_equal(BY_COLOR(_save(tmp_path, painted)), INDICES)


def test_palettes_of_other_colors_are_read_by_index(tmp_path):
    path = _save(tmp_path, _palette(INDICES, [(0, 0, 0), (128, 0, 0), (0, 128, 0)]))
    for reader in (BY_COLOR, PLAIN):
        np.testing.assert_array_equal(reader(path), INDICES)


def test_palettes_that_contradict_are_refused(tmp_path):
    mixed = _save(tmp_path, _palette(INDICES, [(255, 0, 0), (0, 0, 0), (7, 7, 7)]))
    with pytest.raises(ValueError, match=r"color \(255, 0, 0\) of class 1 at index 0"):
        BY_COLOR(mixed)
    reader = MaskReader(None)
    reader(_save(tmp_path, _palette(INDICES, COLORS), "first.png"))
    with pytest.raises(ValueError, match=r"another palette than first.png: index 0 is \(255, 0"):
        reader(_save(tmp_path, _palette(INDICES, COLORS[1:] + COLORS[:1])))


def test_a_palette_that_could_be_transparent_is_read_as_any_other(tmp_path):
    image = _palette(1 - INDICES % 2, [COLORS[1], COLORS[0]])
    for options in ({}, {"transparency": b"\xff\xff"}, {"transparency": 9}):
        path = _save(tmp_path, image, **options)
        np.testing.assert_array_equal(BY_COLOR(path), INDICES % 2)
    reader = MaskReader(None)
    reader(_save(tmp_path, image, "first.png", transparency=9))
    with pytest.raises(ValueError, match=r"another palette than first\.png"):
        reader(_save(tmp_path, _palette(INDICES, COLORS), transparency=9))


@pytest.mark.parametrize(
    ("image", "transparency"),
    [
        (_palette(INDICES, COLORS), 1),
        (_palette(INDICES, COLORS), b"\xff\x80"),
        (Image.fromarray(INDICES), 1),
        (Image.fromarray(INDICES > 0), 255),
        (Image.fromarray(INDICES.astype(np.uint16)), 1),
        (Image.fromarray(_paint()), COLORS[1]),
    ],
)
def test_transparent_pixels_are_refused_in_any_mode(tmp_path, image, transparency):
    path = _save(tmp_path, image, transparency=transparency)
    for reader in (PLAIN, BY_COLOR):
        with pytest.raises(ValueError, match="has transparent pixels"):
            reader(path)


def _png(depth, kind, rows):
    """A PNG file of rows of bytes: `kind` 0 is gray, 2 color, 4 gray and alpha."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", 4, len(rows), depth, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    )


@pytest.mark.parametrize(
    ("depth", "kind", "row"),
    [
        (16, 2, np.ones(12, ">u2")),
        (16, 4, np.array([1, 65535] * 4, ">u2")),
        (4, 0, np.full(2, 0x11, np.uint8)),
        (2, 0, np.full(1, 0x55, np.uint8)),
    ],
)
def test_masks_of_another_depth_are_refused(tmp_path, depth, kind, row):
    (tmp_path / "mask.png").write_bytes(_png(depth, kind, [row.tobytes()] * 3))
    for reader in (PLAIN, BY_COLOR):
        with pytest.raises(ValueError, match=f"has {depth} bits a channel: save it with 8"):
            reader(tmp_path / "mask.png")


def test_gray_in_three_channels_and_in_16_bits_is_gray(tmp_path):
    gray = np.repeat(INDICES[..., None], 3, -1)
    np.testing.assert_array_equal(PLAIN(_save(tmp_path, gray)), INDICES)
    np.testing.assert_array_equal(PLAIN(_save(tmp_path, INDICES.astype(np.uint16))), INDICES)
    binary = np.where(INDICES > 0, 65535, 0).astype(np.uint16)
    np.testing.assert_array_equal(PLAIN(_save(tmp_path, binary)), 255 * (INDICES > 0))


def test_jpegs_are_read_by_color_and_as_binary(tmp_path):
    classes = np.repeat(np.repeat(INDICES, 32, 0), 32, 1)
    path = _save(tmp_path, _paint(classes), "mask.jpg", quality=90)
    found = BY_COLOR(path)
    assert (found == classes).mean() > 0.9
    # An edge is left out rather than given to a third class.
    assert ((found != classes) & (found != 255)).mean() < 0.01
    binary = np.where(classes > 0, 255, 0).astype(np.uint8)
    for pixels in (binary, np.repeat(binary[..., None], 3, -1)):
        for reader in (PLAIN, BY_COLOR):
            assert (reader(_save(tmp_path, pixels, "b.jpg", quality=75)) == binary).mean() > 0.99
    black = np.zeros((16, 16), np.uint8)
    np.testing.assert_array_equal(PLAIN(_save(tmp_path, black, "b.jpg")), black)


def _content(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, **options)
    return file.getvalue()


BAD = [
    (PLAIN, _content(_paint(), format="PNG"), "is a color image: give the color of each class"),
    (BY_COLOR, _content(_paint(colors=((1, 2, 3), *COLORS[1:])), format="PNG"), r"\[1, 2, 3\]"),
    (PLAIN, _content(INDICES.astype(np.uint16) * 500, format="PNG"), "has the value 1000"),
    (PLAIN, _content(np.repeat(INDICES, 9, 0), format="JPEG"), None),
    (PLAIN, _content(np.full((9, 9), 90, np.uint8), format="JPEG"), "stored with loss"),
    (BY_COLOR, _content(np.full((9, 9, 3), (0, 0, 200), np.uint8), format="JPEG"), "other colors"),
    (PLAIN, _content(np.zeros((3, 4, 4), np.uint8), format="PNG"), "has transparent pixels"),
    (PLAIN, b"no image", "damaged or of another format: PNG, BMP, TIFF, GIF or JPEG is needed"),
]


@pytest.mark.parametrize(("reader", "content", "message"), [case for case in BAD if case[2]])
def test_masks_that_cannot_be_read_are_told_in_a_line(tmp_path, reader, content, message):
    (tmp_path / "mask.png").write_bytes(content)
    with pytest.raises(ValueError, match=message) as raised:
        reader(tmp_path / "mask.png")
    assert "\n" not in str(raised.value)


def test_classes_of_one_color_are_refused():
    with pytest.raises(ValueError, match=r"colors has \[0, 0, 0\] twice"):
        color_table(COLORS, 255, (0, 0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright(tmp_path, orientation):
    """Orientation 6 is that of a phone that is held upright: shown turned to the right."""
    bright = np.full((32, 48, 3), 20, np.uint8)
    bright[:16, :16] = 220
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _save(tmp_path, bright, "photo.jpg", exif=exif, quality=95)
    found = read_image(path)
    assert found.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    corners = {
        (row, column): found[row, column].mean() > 120 for row in (2, -3) for column in (2, -3)
    }
    place = {1: (2, 2), 2: (2, -3), 3: (-3, -3), 4: (-3, 2)}
    place |= {5: (2, 2), 6: (2, -3), 7: (-3, -3), 8: (-3, 2)}
    assert [corner for corner, is_bright in corners.items() if is_bright] == [place[orientation]]
