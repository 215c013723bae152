"""Colors, pixels that are not square, fields and brightness of videos."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace
from filming import film, scenes

from rsf_jax.media import VideoWriter, filters, open_source
from rsf_jax.media.filters import Filters

SAMPLES = np.array([[0, 200, 0], [200, 30, 10], [20, 40, 220], [128, 128, 128]], np.uint8)
HD, SD = (720, 1280), (480, 640)


def _patches(height, width):
    return SAMPLES.repeat(width // 4, 0)[None].repeat(height, 0)


def _colors_of(image):
    """The middle of each patch."""
    height, width = image.shape[:2]
    return image[height // 2, width // 8 :: width // 4].astype(int)


def _first(path):
    with open_source(path, (8, 8)) as source:
        return next(iter(source))


@pytest.mark.parametrize(("size", "matrix"), [(HD, 1), (SD, 6)])
def test_videos_are_coded_and_tagged_as_players_take_them(tmp_path, size, matrix):
    with VideoWriter(tmp_path / "clip.mp4", 10) as writer:
        writer.write(_patches(*size))
    with av.open(tmp_path / "clip.mp4") as container:
        (frame,) = container.decode(video=0)
    tags = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
    assert tuple(map(int, tags)) == (matrix, 1, 1, 1)
    # A player that reads no tags goes by the size.
    by_size = Colorspace.ITU709 if size == HD else Colorspace.ITU601
    shown = frame.reformat(format="rgb24", src_colorspace=by_size).to_ndarray()
    np.testing.assert_allclose(_colors_of(shown), SAMPLES, atol=5)
    np.testing.assert_allclose(_colors_of(_first(tmp_path / "clip.mp4").image), SAMPLES, atol=5)


@pytest.mark.parametrize(
    ("size", "matrix", "tag"),
    [
        (HD, Colorspace.ITU709, None),
        (SD, Colorspace.ITU601, None),
        (HD, Colorspace.ITU601, 6),
        (SD, Colorspace.ITU709, 1),
    ],
)
def test_the_matrix_of_a_source_is_the_one_it_tells_or_that_of_its_size(
    tmp_path, size, matrix, tag
):
    path = film(tmp_path / "clip.mkv", _patches(*size)[None], colors=(matrix, tag))
    picture = _first(path)
    np.testing.assert_allclose(_colors_of(picture.image), SAMPLES, atol=6)
    # The model is shown the same.
    np.testing.assert_allclose(picture.frame[4, 1::2].astype(int), SAMPLES, atol=6)


@pytest.mark.parametrize("aspect", [Fraction(3, 2), Fraction(1, 2)])
def test_pixels_are_square_where_a_frame_is_shown(tmp_path, aspect):
    path = film(tmp_path / "clip.mp4", scenes(2), aspect=aspect)
    with open_source(path, (24, 32)) as source:
        picture = next(iter(source))
    shape = (48, 96) if aspect > 1 else (96, 64)
    assert picture.image.shape == (*shape, 3)
    assert picture.frame.shape == (24, 32, 3)
    assert picture.fit.shape == shape
    y, x = shape
    assert picture.image[y // 4, 3 * x // 4, 1] > 150  # green, to the right of the top
    with open_source(path, (24, 32), fit="letterbox") as source:
        boxed = next(iter(source))
    # Twice as wide as it is high, and 4:3 becomes 2:3 where pixels are half as wide.
    filled = (boxed.frame.max(-1) > 8).mean()
    assert filled == pytest.approx(2 / 3 if aspect > 1 else 1 / 2, abs=0.06)
    assert boxed.mask([np.zeros((24, 32), np.uint8)]).shape == (48, 64)


def test_nonsense_of_pixels_is_passed_over(tmp_path):
    path = film(tmp_path / "clip.mp4", scenes(1), aspect=Fraction(1, 60))
    assert _first(path).image.shape == (48, 64, 3)


def _combed(count):
    """A bar that moves, its odd lines half a frame later than its even ones."""
    images = np.full((count, 96, 128, 3), 30, np.uint8)
    for t in range(count):
        images[t, ::2, 8 * t : 8 * t + 24] = 220
        images[t, 1::2, 8 * t + 4 : 8 * t + 28] = 220
    return images


def _combs(image):
    """How much lines differ from the mean of those beside them."""
    lines = image[..., 1].astype(float)
    return np.abs(lines[1:-1] - (lines[:-2] + lines[2:]) / 2).mean()


@pytest.mark.parametrize("flagged", [True, False])
def test_fields_are_made_whole_frames(tmp_path, flagged):
    options = {"x264-params": "tff=1"} if flagged else {}
    path = film(tmp_path / "clip.mkv", _combed(10), codec_options=options)
    with open_source(path, (24, 32)) as source:
        pictures = list(source)
    assert source.notes == (
        ["clip.mkv: it is interlaced: deinterlaced by bwdif"] if flagged else []
    )
    assert [p.index for p in pictures] == list(range(10))
    np.testing.assert_allclose([p.seconds for p in pictures], np.arange(10) / 10, atol=1e-3)
    combs = np.mean([_combs(p.image) for p in pictures])
    assert combs < 4 if flagged else combs > 8
    assert source.problem == ""


def test_fields_of_two_sizes_lose_no_frame(tmp_path):
    parts = []
    for height in (96, 64):
        path = film(
            tmp_path / f"{height}.ts",
            _combed(6)[:, :height],
            codec_options={"x264-params": "tff=1"},
        )
        with av.open(path) as container:
            parts += list(container.decode(video=0))
    filters = Filters()
    found = filters.frames(parts) + filters.rest()
    assert [frame.height for frame in found] == [frame.height for frame in parts]
    assert not any(frame.interlaced_frame for frame in found)
    assert filters.rest() == []


def _hdr(path, transfer):
    """Grays, in the colors and with the brightness that high dynamic range is coded in."""
    images = np.stack([np.full((48, 64, 3), level, np.uint8) for level in (60, 120, 180)])
    film(path, images, colors=(Colorspace.BT2020, 9, transfer))
    with open_source(path, (12, 16)) as source:
        pictures = list(source)
    return source.notes, pictures


@pytest.mark.slow  # seconds, for FFmpeg's tables
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_mapped_to_what_screens_show(tmp_path, transfer, name):
    notes, pictures = _hdr(tmp_path / "clip.mkv", transfer)
    if any("cannot map" in note for note in notes):
        pytest.skip("FFmpeg before 8 maps no tones")
    assert notes == [f"clip.mkv: it is HDR ({name}): its tones are mapped to BT.709"]
    assert {int(p.decoded.color_trc) for p in pictures} == {1}
    levels = np.array([p.image.mean((0, 1)) for p in pictures])
    assert np.ptp(levels, axis=1).max() < 4  # gray stays gray
    # PQ's 120 is about 65 candelas a square meter, a third of the white of a page.
    assert 0 < levels[0, 0] < levels[1, 0] < levels[2, 0] < 255
    assert 80 < levels[1, 0] < 150


def test_high_dynamic_range_that_cannot_be_mapped_is_told(tmp_path, monkeypatch):
    class Older:
        def add(self, name, arguments):
            raise ValueError("Option not found")

    monkeypatch.setattr(filters, "Graph", Older)
    notes, pictures = _hdr(tmp_path / "clip.mkv", 16)
    (note,) = notes
    assert note.startswith("clip.mkv: it is HDR (PQ): its colors are shown as they are, pale")
    np.testing.assert_allclose([p.image.mean() for p in pictures], (60, 120, 180), atol=4)


def test_a_picture_that_is_not_drawn_holds_no_pixels(tmp_path):
    picture = _first(film(tmp_path / "clip.mp4", scenes(1)))
    lean = picture.lean()
    assert picture.nbytes - lean.nbytes == 48 * 64 * 3 // 2
    assert (lean.index, lean.seconds, lean.damaged) == (0, 0.0, False)
    assert lean.mask([np.zeros((8, 8), np.uint8)]).shape == (8, 8)
    with pytest.raises(ValueError, match="no pixels"):
        lean.image  # noqa: B018
    assert picture.image.shape == (48, 64, 3)
