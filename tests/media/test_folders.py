import numpy as np
import pytest
from filming import scenes
from PIL import Image

from rsf_jax.errors import InputError
from rsf_jax.media import IMAGE_SUFFIXES, open_source


def _save(path, level, size=(48, 64)):
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(path)


def _levels(source):
    return [int(picture.image.mean()) for picture in source]


def test_images_come_in_natural_order(tmp_path):
    for level, name in enumerate(("a1.png", "A2.png", "a10.png", "b1_2.png", "b1_11.png")):
        _save(tmp_path / name, 10 * level)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._a1.png").write_text("of a Macintosh")
    (tmp_path / "later").mkdir()
    with open_source(tmp_path, (24, 32)) as source:
        assert _levels(source) == [0, 10, 20, 30, 40]
    assert (source.name, source.live, source.frames_per_second) == (tmp_path.name, False, 25)
    assert (source.count, source.skipped, source.problem) == (5, 0, "")


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".PNG"])
def test_all_kinds_of_image_are_read(tmp_path, suffix):
    image = scenes(1)[0]
    Image.fromarray(image).save(tmp_path / f"image{suffix}")
    with open_source(tmp_path, (24, 32)) as source:
        (picture,) = source
    assert np.median(np.abs(picture.image.astype(int) - image)) <= 2
    assert np.abs(picture.frame[2:10, 2:14].astype(int) - image[0, 0]).max() < 12


def test_images_of_different_sizes_have_one_size_for_the_model(tmp_path):
    sizes = [(48, 64), (20, 30), (9, 101)]
    for index, size in enumerate(sizes):
        _save(tmp_path / f"{index}.png", 100, size)
    with open_source(tmp_path, None, 1) as source:
        pictures = list(source)
    assert [p.image.shape[:2] for p in pictures] == sizes
    assert {p.frame.shape for p in pictures} == {(48, 64, 1)}
    assert all((p.frame == 100).all() for p in pictures)


def test_damaged_images_are_skipped_and_keep_their_time(tmp_path):
    for index in range(6):
        _save(tmp_path / f"{index}.png", 20 * index)
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "3.png").write_bytes(b"")
    (tmp_path / "4.png").write_text("not an image")
    with open_source(tmp_path, None, images_per_second=10) as source:
        pictures = list(source)
    assert [int(p.image.mean()) for p in pictures] == [0, 40, 100]
    np.testing.assert_allclose([p.seconds for p in pictures], [0, 0.2, 0.5])
    assert (source.count, source.skipped, source.problem) == (3, 3, "")


def test_times_of_images_are_plain_numbers(tmp_path):
    for index in range(2):
        _save(tmp_path / f"{index}.png", 90)
    with open_source(tmp_path, (24, 32), images_per_second=np.float32(4)) as source:
        seconds = [picture.seconds for picture in source]
    assert seconds == [0, 0.25]
    assert {type(x) for x in seconds} == {float}


@pytest.mark.parametrize("rate", [float("inf"), float("nan"), 1e-320, 0, "25", True])
def test_rates_that_give_no_times_are_refused(tmp_path, rate):
    _save(tmp_path / "0.png", 90)
    with pytest.raises(InputError, match=r"images_per_second is .*: it has to be from 0\.000001"):
        open_source(tmp_path, (24, 32), images_per_second=rate)


def test_a_cut_jpeg_is_skipped_too(tmp_path):
    for name in ("0.jpg", "1.jpg"):
        Image.fromarray(scenes(1)[0]).save(tmp_path / name)
    whole = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(whole[:-200])
    with open_source(tmp_path, None) as source:
        assert len(list(source)) == 1
    assert source.skipped == 1


def test_photographs_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    image = scenes(1)[0]
    Image.fromarray(image).save(tmp_path / "0.png", exif=exif)
    with open_source(tmp_path, None) as source:
        (picture,) = source
    np.testing.assert_array_equal(picture.image, np.rot90(image, -1))


def test_sixteen_bits_become_eight(tmp_path):
    image = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    Image.fromarray(image).save(tmp_path / "0.png")
    with open_source(tmp_path, None) as source:
        (picture,) = source
    np.testing.assert_array_equal(picture.image[..., 1], image >> 8)


def test_floats_in_0_to_1_become_eight_bits(tmp_path):
    image = np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)
    Image.fromarray(image).save(tmp_path / "0.tif")
    with open_source(tmp_path / "0.tif", None) as source:
        (picture,) = source
    np.testing.assert_array_equal(picture.image[..., 1], np.rint(255 * image))


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (np.full((9, 9), 1000, np.int32), "0.tif: its values are whole numbers of 32 bits, whose "),
        (np.full((9, 9), 255, np.float32), "0.tif: its values are floats from 255 to 255: 0..1 is"),
        (np.full((9, 9), np.nan, np.float32), "0.tif: its values are floats from nan to nan"),
    ],
)
def test_images_whose_range_nobody_knows_are_left_out_and_told(tmp_path, image, why):
    for name in ("0.tif", "1.tif"):
        Image.fromarray(image).save(tmp_path / name)
    with open_source(tmp_path, None) as source:
        assert list(source) == []
    (note,) = source.notes
    assert f"{tmp_path.name}/: an image is left out: {why}" in note
    assert f"{tmp_path.name}/ has no image that can be read: 1.tif: its values" in source.problem
    assert source.skipped == 2
    _save(tmp_path / "2.png", 90)
    with open_source(tmp_path, None) as source:
        assert _levels(source) == [90]
    assert (source.skipped, source.problem) == (2, "")


def _animation(path, count):
    """Writes an animated WebP whose frames last 100, 200, ... milliseconds."""
    frames = [Image.fromarray(image) for image in scenes(count)]
    times = [100 * (n + 1) for n in range(count)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, lossless=True)
    return path


def test_an_animated_webp_is_a_video(tmp_path):
    path = _animation(tmp_path / "clip.webp", 4)
    with open_source(path, (24, 32)) as source:
        assert (source.name, source.live, source.frames_per_second) == ("clip", False, 10)
        assert source.first().index == 0
        pictures = list(source)
    np.testing.assert_allclose([p.seconds for p in pictures], [0, 0.1, 0.3, 0.6])
    np.testing.assert_array_equal([p.image for p in pictures], scenes(4))
    assert [p.index for p in pictures] == [0, 1, 2, 3]
    assert (source.count, source.problem) == (4, "")


def test_an_animated_webp_that_is_cut_short_says_so(tmp_path):
    path = _animation(tmp_path / "clip.webp", 5)
    content = path.read_bytes()
    begins = [at for at in range(len(content)) if content[at : at + 4] == b"ANMF"]
    at = begins[3] + 36  # behind the headers of a frame
    path.write_bytes(content[:at] + bytes(20) + content[at + 20 :])
    with open_source(path, None) as source:
        count = len(list(source))
    assert count < 5
    assert f"clip.webp ends after {count} of 5 frames: it is cut short" in source.problem
    path.write_bytes(content[:100])
    with pytest.raises(InputError, match=r"clip\.webp cannot be read as an animation"):
        open_source(path, None)


def test_a_single_image_is_a_video_of_one_frame(tmp_path):
    for name in ("a.webp", "b.png", "c.tif"):
        _save(tmp_path / name, 90)
        with open_source(tmp_path / name, (24, 32)) as source:
            assert _levels(source) == [90]
        assert (source.name, source.label) == (name[0], name)
        assert source.path == tmp_path / name


def test_a_closed_folder_yields_no_more(tmp_path):
    for index in range(3):
        _save(tmp_path / f"{index}.png", index)
    source = open_source(tmp_path, None)
    assert int(next(iter(source)).image.mean()) == 0
    source.close()
    assert list(source) == []


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(InputError, match=r"holds no images: files that end in \.png, \.jpg"):
        open_source(tmp_path, None)


def test_the_rate_of_a_folder_is_above_zero(tmp_path):
    _save(tmp_path / "0.png", 0)
    with pytest.raises(InputError, match="images_per_second is 0"):
        open_source(tmp_path, None, images_per_second=0)


def test_postscript_by_another_name_is_not_run(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "0.eps")
    (tmp_path / "0.eps").rename(tmp_path / "0.png")
    _save(tmp_path / "1.png", 30)
    started = []
    with (
        pytest.MonkeyPatch.context() as patch,
        open_source(tmp_path, (24, 32)) as source,
    ):
        patch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *given: started.append(given))
        assert _levels(source) == [30]
    assert (source.skipped, started) == (1, [])
