"""Static Pathfinder: what an image holds, and that TFDS builds it."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from contours.drawing import MASK_ABOVE, paint
from generated_videos.parallel import generate
from pathfinder.generator import draw_disc, image
from pathfinder.subsets import SUBSETS

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset

NAMES = sorted(SUBSETS)
# Recorded digests: other ones mean that the dataset would come out differently.
DIGESTS = {
    "length9": "b94bb6f0b8baec3d68d17f315aafebdfd5a0cb683f61630381a722d90b084a5e",
    "length14": "8d259eb134d6ab5b5d79a4e35581e5d9fbe7a23ab9f9e1fe50ea5e7af6766df4",
    "length20": "75af739d08c0630465726c0c4788528f0ab188790c78d738f0327a3a64168c6d",
    "length25": "6f71f542d355a85473bcd70064b8af94782494ff26e26504907144d67d678a44",
    "small3": "8c2e439a512c4138ab3612c0e9e97af811a76c5ddd51014f4096b011cec1856a",
    "small4": "fb03cc98f2fe557e061f4a7d2340b747f2acfd3d15625793813d6edf64433f40",
    "small6": "a41486836094cda44cbc67b82d5b5a767e6bd1366644e3eafa27f866e2534c1e",
    "small8": "e091dfdfa0b600f550ea8a84edfdbb0bfb12ecb658b20605668ea14e7771ad0c",
}


def _images(name, count):
    subset = SUBSETS[name]
    return list(generate(image, subset.settings, subset.seed, range(count), workers=1))


def _digest(example):
    return hashlib.sha256(b"".join(np.asarray(v).tobytes() for v in example.values())).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_recorded_digests(name):
    subset = SUBSETS[name]
    assert _digest(image(subset.settings, subset.seed, 0)) == DIGESTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_what_its_settings_say(name):
    settings = SUBSETS[name].settings
    for example in _images(name, 4):
        frame, mask = example["frames"][0, ..., 0], example["masks"][0]
        short = [settings.distractor_length] * settings.distractors
        assert example["lengths"].tolist() == [[settings.length, settings.length, *short]]
        assert example["segments"].shape == (example["lengths"].sum(), 3)
        assert example["target"][0] in (0, 1)
        # The target has ink, all of it below the mask, and is a part of all ink.
        assert (frame[mask > 0] > MASK_ABOVE).all()
        # Pixels have ink whose centers are up to half a pixel outside of a dash.
        sides = np.array([settings.geometry.dash_length, settings.geometry.thickness])
        assert 0.7 * sides.prod() < mask.sum() / settings.length < (sides + 1).prod()
        assert mask.sum() < 0.7 * (frame > MASK_ABOVE).sum()


@pytest.mark.parametrize("name", ["length14", "small6"])
def test_the_disc_is_at_an_end_of_the_target_and_touches_nothing_else(name):
    settings = SUBSETS[name].settings
    ends = set()
    for example in _images(name, 30):
        target = int(example["target"][0])
        first = target * settings.length
        own = example["segments"][first : first + settings.length, :2]
        (end,) = (k for k in (0, settings.length - 1) if (own[k] == example["marker"]).all())
        ends.add((target, end > 0))
        disc = draw_disc(example["marker"], settings.marker_radius, example["masks"].shape[1:])
        assert (example["frames"][0, ..., 0] >= disc).all()
        canvas = paint(settings.geometry, example["segments"], example["lengths"])
        covered = canvas.contour[(disc > 0) & (canvas.ink > 0)]
        assert set(covered.tolist()) == {target}
    assert len(ends) == 4  # either contour, either end


def test_without_the_disc_nothing_tells_the_target():
    """The marked contour is as often the one nearer to the middle as the other."""
    settings = SUBSETS["small6"].settings
    nearer = []
    for example in _images("small6", 200):
        center = settings.geometry.width / 2
        distance = [
            np.linalg.norm(example["segments"][k * 6 : k * 6 + 6, :2] - center, axis=1).mean()
            for k in (0, 1)
        ]
        nearer.append(int(np.argmin(distance)) == int(example["target"][0]))
    # Three standard deviations of a fair coin.
    assert abs(np.mean(nearer) - 0.5) < 3 * 0.5 / np.sqrt(200)


def test_an_image_is_a_function_of_seed_and_index():
    settings = SUBSETS["small6"].settings
    forward = [_digest(image(settings, 3, i)) for i in range(4)]
    assert forward == [_digest(image(settings, 3, i)) for i in reversed(range(4))][::-1]
    assert len(set(forward)) == 4
    assert _digest(image(settings, 4, 0)) != forward[0]


def test_a_disc_has_its_area_and_place():
    disc = draw_disc(np.array([6.0, 4.0]), 2.5, (9, 12)) / 255
    assert disc.sum() == pytest.approx(np.pi * 2.5**2, rel=0.03)
    y, x = np.mgrid[:9, :12] + 0.5
    assert (disc * x).sum() / disc.sum() == pytest.approx(6.0)
    assert (disc * y).sum() / disc.sum() == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 1}, "length=1 is not possible: it must be a whole number of at least 2"),
        ({"distractors": -1}, "distractors=-1 is not possible"),
        ({"distractor_length": 6}, "distractor_length=6 is not possible: it must be below length"),
        ({"marker_radius": 2.5}, "or the disc would touch another contour"),
    ],
)
def test_impossible_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        dataclasses.replace(SUBSETS["small6"].settings, **change)
    with pytest.raises(ValueError, match="seed=-1 is not possible"):
        image(SUBSETS["small6"].settings, -1, 0)


BUILD = """
import sys
sys.path.insert(0, "datasets")
from pathfinder.pathfinder_dataset_builder import Builder, SubsetConfig
from generated_videos.subset import Subset
from pathfinder.subsets import SUBSETS
tiny = Subset(SUBSETS["small6"].settings, 3, 30, 6, 4)
Builder(config=SubsetConfig(name="tiny", subset=tiny), data_dir={folder!r}).download_and_prepare()
assert "tensorflow" not in sys.modules
"""


def test_a_model_is_trained_on_what_tfds_builds(tmp_path, monkeypatch):
    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")
    code = BUILD.format(folder=str(tmp_path))
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    config = rsf.get_config("pathfinder_small6_c_rbp_n4").replace(
        dataset="pathfinder/tiny", data_dir=str(tmp_path), validation_share=0.1
    )
    dataset = open_dataset(config)
    assert (len(dataset.train), len(dataset.test), len(dataset.calibration)) == (27, 6, 4)
    example = dataset.train[0]
    assert example["frames"].shape == (1, 28, 28, 1)
    assert example["masks"].max() == 1
