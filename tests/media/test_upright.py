"""Frames that are stored turned or mirrored."""

import av
import numpy as np
import pytest
from av.sidedata import sidedata
from filming import film
from PIL import Image, ImageOps

from rsf_jax.media import open_source
from rsf_jax.media.upright import Orientation, of_matrix, orientation

# Display matrices of the eight orientations: where the right (a, b) and below (c, d) are shown.
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def _corners(height=48, width=64):
    """An image whose quarters all differ."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, width // 2 :] = 90
    image[height // 2 :, : width // 2] = 170
    image[height // 2 :, width // 2 :] = 250
    return image


def _as_exif_says(image, tag):
    """What Pillow makes of a photograph with a tag."""
    exif = Image.Exif()
    exif[0x0112] = tag
    photograph = Image.fromarray(image)
    photograph.getexif()[0x0112] = tag
    return np.asarray(ImageOps.exif_transpose(photograph))


def _matrix(entries):
    a, b, c, d = (65536 * n for n in entries)
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


@pytest.mark.parametrize("tag", MATRICES)
def test_matrices_say_what_tags_of_photographs_say(tag):
    image = _corners()
    found = of_matrix(np.array(_matrix(MATRICES[tag]), np.int32))
    np.testing.assert_array_equal(found.applied(image), _as_exif_says(image, tag))
    assert found.shape(48, 64) == found.applied(image).shape[:2]
    assert of_matrix(np.zeros(9, np.int32)) == Orientation()


@pytest.mark.parametrize("tag", MATRICES)
@pytest.mark.parametrize("fit", ["squeeze", "crop"])
def test_videos_are_turned_and_mirrored_as_their_matrix_says(tmp_path, tag, fit):
    image = _corners()
    path = film(tmp_path / "phone.mp4", image[None], matrix=_matrix(MATRICES[tag]))
    wanted = _as_exif_says(image, tag)
    with open_source(path, (20, 20), 3, fit=fit) as source:
        (picture,) = source
    assert picture.image.shape == wanted.shape
    assert np.abs(picture.image.astype(int) - wanted)[4:-4, 4:-4].mean() < 4
    means = [wanted[y, x] for y, x in ((6, 6), (6, -6), (-6, 6), (-6, -6))]
    found = [picture.frame[y, x] for y, x in ((2, 2), (2, -3), (-3, 2), (-3, -3))]
    np.testing.assert_allclose(np.int64(found), np.int64(means), atol=8)
    mask = picture.mask([picture.frame[..., 0]])
    assert mask.shape == ((20, 20) if fit == "squeeze" else wanted.shape[:2])


@pytest.mark.parametrize("tag", MATRICES)
@pytest.mark.parametrize("alone", [False, True])
def test_photographs_are_turned_and_mirrored_as_their_tag_says(tmp_path, tag, alone):
    image = _corners()
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(image).save(tmp_path / "0.jpg", exif=exif, quality=95, subsampling=0)
    with open_source(tmp_path / "0.jpg" if alone else tmp_path, None) as source:
        (picture,) = source
    wanted = _as_exif_says(image, tag)
    assert picture.image.shape == wanted.shape
    assert np.abs(picture.image.astype(int) - wanted).mean() < 4


class _Turned:
    # What checks types takes it for one.
    __class__ = av.VideoFrame
    rotation = -90


def test_a_kind_of_data_that_nobody_knows_leaves_the_rotation(monkeypatch):
    def unknown(frame):
        raise ValueError("31 is not a valid Type")  # as PyAV says

    monkeypatch.setattr(sidedata, "SideDataContainer", unknown)
    assert orientation(_Turned()) == Orientation(3)
