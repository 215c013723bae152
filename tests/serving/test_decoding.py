"""Frames of what clients send; what is too large is refused before it is decoded."""

import io
import struct
import zlib

import av
import numpy as np
import pytest
from filming import add_silence, film
from PIL import Image

from rsf_jax.media.sources import open_source
from rsf_jax.serving.decoding import Decoder
from rsf_jax.serving.limits import Limits
from rsf_jax.serving.problems import Problem

GRAY, COLOR = (12, 14, 1), (12, 14, 3)


def _decoder(shape=GRAY, **limits):
    return Decoder(shape, Limits(**limits))


def _image(format="PNG", size=(14, 12), mode="L", **options):
    values = np.linspace(0, 255, size[0] * size[1] * len(mode)).astype(np.uint8)
    image = Image.fromarray(values.reshape(size[1], size[0], *([3] if mode == "RGB" else [])))
    found = io.BytesIO()
    image.save(found, format, **options)
    return found.getvalue(), np.asarray(image)


def test_an_image_of_the_models_size_is_taken_as_it_is():
    content, values = _image()
    frame = _decoder().frame(content, "image")
    np.testing.assert_array_equal(frame, values[..., None])
    assert frame.dtype == np.uint8


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("shape", [GRAY, COLOR])
@pytest.mark.parametrize("size", [(14, 12), (28, 24), (7, 6), (200, 3)])
def test_images_of_any_size_become_frames(format, shape, size):
    content, values = _image(format, size, "RGB")
    frame = _decoder(shape).frame(content, "image")
    assert frame.shape == shape
    assert abs(float(frame.mean()) - float(values.mean())) < 12


def test_a_photo_that_lies_on_its_side_is_turned():
    content, _ = _image("JPEG", (12, 14), exif=_exif(6))
    assert Image.open(io.BytesIO(content)).size == (12, 14)
    frame = _decoder().frame(content, "image")[..., 0].astype(int)
    assert frame[0, 0] > frame[0, -1] + 100  # its dark top is at the right now


def _exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _deep(dtype, step):
    found = io.BytesIO()
    values = np.arange(12 * 14).reshape(12, 14) * step
    Image.fromarray(values.astype(dtype)).save(found, "PNG")
    return found.getvalue(), values


def test_of_an_image_of_16_bits_the_upper_8_are_taken():
    content, values = _deep(np.uint16, 390)
    frame = _decoder().frame(content, "image")
    np.testing.assert_array_equal(frame[..., 0], values >> 8)


def test_raw_frames_are_their_bytes():
    frame = np.arange(12 * 14, dtype=np.uint8).reshape(GRAY)
    np.testing.assert_array_equal(_decoder().frame(frame.tobytes(), "raw"), frame)
    floats = (frame / 255).astype("<f4")
    found = _decoder().frame(floats.tobytes(), "float32")
    np.testing.assert_array_equal(found, floats)
    assert found.dtype == np.float32


def _bomb(width, height):
    """A PNG that says it is large, and is small."""

    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (_bomb(60_000, 60_000), "image", "too_large"),
        (_bomb(2**31 - 1, 2**31 - 1), "image", "too_large"),
        (_bomb(5000, 5000), "image", "too_large"),  # which Pillow would take
        (_bomb(1000, 1000), "image", "bad_request"),
        (_image()[0][:60], "image", "bad_request"),
        (b"", "image", "unsupported"),
        (b"GIF89a" + b"\0" * 50, "image", "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file", "image", "unsupported"),
        (_image("BMP")[0], "image", "unsupported"),
        (b"\0" * 100, "raw", "bad_request"),
        (b"\0" * (12 * 14), "float32", "bad_request"),
    ],
    ids=range(11),
)
def test_what_is_no_frame_is_refused(content, kind, code):
    with pytest.raises(Problem) as raised:
        _decoder().frame(content, kind)
    assert raised.value.code == code


def _clip(count=5, size=(28, 24), codec="mpeg4", format="mp4"):
    found = io.BytesIO()
    with av.open(found, "w", format=format) as container:
        stream = container.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for n in range(count):
            gray = np.full((size[1], size[0], 3), 40 * n, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gray, format="rgb24")))
        container.mux(stream.encode())
    return found.getvalue()


@pytest.mark.parametrize("format", ["mp4", "matroska"])
def test_a_clip_is_its_frames(format):
    frames = list(_decoder().clip(_clip(format=format)))
    assert [f.shape for f in frames] == [GRAY] * 5
    np.testing.assert_allclose([f.mean() for f in frames], [0, 40, 80, 120, 160], atol=4)


def _sound_with_cover():
    found = io.BytesIO()
    with av.open(found, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg", rate=5)
        cover.width, cover.height, cover.pix_fmt = 28, 24, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        white = np.full((24, 28, 3), 255, np.uint8)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(white, format="rgb24")))
        container.mux(cover.encode())
        add_silence(container, sound, 0.5)
    return found.getvalue()


def test_a_clip_is_shown_as_a_file_is(tmp_path):
    images = np.full((10, 96, 128, 3), 30, np.uint8)
    for t in range(10):  # fields of two times
        images[t, ::2, 8 * t : 8 * t + 24] = images[t, 1::2, 8 * t + 4 : 8 * t + 28] = 220
    path = tmp_path / "clip.mkv"
    film(path, images, codec_options={"x264-params": "tff=1"})
    with open_source(path, (96, 128), 1) as source:
        expected = [picture.frame for picture in source]
    assert source.notes == ["clip.mkv: it is interlaced: deinterlaced by bwdif"]
    frames = list(_decoder((96, 128, 1)).clip(path.read_bytes()))
    np.testing.assert_array_equal(frames, expected)


@pytest.mark.parametrize(
    ("content", "limits", "code"),
    [
        (_clip(), {"clip_frames": 4}, "too_large"),
        (_clip(), {"pixels": 100}, "too_large"),
        (_clip()[:-200], {}, "bad_request"),
        (_clip(codec="mpeg4", format="avi"), {}, "unsupported"),
        (b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n", {}, "unsupported"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", {}, "unsupported"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 100, {}, "bad_request"),
        (b"\x1a\x45\xdf\xa3" + b"\xff" * 100, {}, "bad_request"),
        (b"", {}, "unsupported"),
        (_clip(codec="libx264").replace(b"avc1", b"zzzz"), {}, "unsupported"),  # of no known coding
        (_sound_with_cover(), {}, "unsupported"),
    ],
    ids=range(11),
)
def test_what_is_no_clip_is_refused(content, limits, code):
    with pytest.raises(Problem) as raised:
        list(_decoder(**limits).clip(content))
    assert raised.value.code == code
