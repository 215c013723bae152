"""The benchmark of reuse: what it measures on small networks, and its clips."""

import itertools
import json

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from benchmarks import clips, plot, reuse, reuse_networks
from benchmarks.networks import ResNet

import rsf_jax as rsf
from rsf_jax.reuse import ReuseNetwork
from rsf_jax.reuse.bound import multiply_adds, work_left


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(reuse.NETWORKS, "small", lambda: ResNet((1, 1), width=4, classes=3))


def test_every_case_is_measured_against_dense(small, tmp_path):
    found = reuse.run(
        networks=["small"], sizes=[(96, 96)], shares=[0.02, 1.0], presets=[], seconds=0.0
    )
    rows = [row for each in found for row in each]
    moving, everything, two = rows
    assert 0.01 < moving.changed < 0.03
    assert everything.changed == 1
    assert (everything.bound, everything.bound_box) == (1, 1)
    assert everything.work == pytest.approx(1)
    assert moving.bound >= moving.bound_box > 1
    assert two.bound > 1.5 * two.bound_box
    # So small a network is faster as a whole.
    assert moving.work == pytest.approx(1)
    assert max(row.error for row in rows) < 1e-5
    assert min(min(row.dense_ms, row.reuse_ms) for row in rows) > 0
    saved = json.loads(reuse.save(tmp_path, rows).read_text())
    assert [row["clip"] for row in saved["rows"]] == [
        "one object",
        "all changes",
        "two objects",
    ]
    plot.save_reuse(tmp_path / "reuse.png", rows)
    assert matplotlib.image.imread(tmp_path / "reuse.png").size > 0


def test_a_folder_of_images_is_a_clip(small, tmp_path):
    for i in range(3):
        image = np.zeros((80, 70, 3), np.uint8)
        image[i : i + 9, 20:30] = 255
        matplotlib.image.imsave(tmp_path / f"{i}.png", image)
    ((row,),) = reuse.run(
        networks=["small"], sizes=[], presets=[], folder=tmp_path, methods=["residual"], seconds=0.0
    )
    assert (row.size, row.clip, row.method) == ((80, 70), tmp_path.name, "residual")
    assert row.error < 1e-5
    for path in list(tmp_path.glob("*.png"))[1:]:
        path.unlink()
    with pytest.raises(rsf.InputError, match="has 1 images"):
        clips.from_folder(tmp_path)


@pytest.mark.slow
def test_truncation_in_front_of_a_noisy_camera_keeps_its_guarantee(small, monkeypatch):
    monkeypatch.setattr(reuse_networks, "SIDE", 64)
    monkeypatch.setattr(reuse_networks, "CLIPS", 20)
    monkeypatch.setattr(reuse_networks, "MAX_ERROR", 0.4)
    found = reuse.run(
        networks=["small"], sizes=[(64, 64)], shares=[], presets=[], noise=True, seconds=0.0
    )
    (two,), (exact, truncated) = found
    assert (two.clip, exact.clip, truncated.clip) == ("two objects", *["noisy camera"] * 2)
    assert exact.changed == truncated.changed == 1
    assert (exact.work, exact.bound) == (1, 1)
    # Of single frames; what is guaranteed is the mean.
    assert exact.error < 1e-5 < truncated.error < 0.8


def test_the_work_left_is_counted_in_pixels_that_see_a_change():
    network = ResNet((1,), width=4, classes=3)
    first = np.zeros((1, 64, 64, 3), np.float32)
    second = first.copy()
    second[0, 31, 33] = 1
    second[0, 5, 5] = 1
    variables = jax.jit(network.init)(jax.random.key(0), jnp.asarray(first))
    program = ReuseNetwork(network, variables).program(first)
    adds = multiply_adds(program)
    np.testing.assert_array_equal(adds, [0, 32 * 32 * 4 * 49 * 3, 0, *[16 * 16 * 4 * 9 * 4] * 2])
    # Around each pixel: rows and columns of the maps that see it, by hand. The 7x7 convolution with
    # stride 2 and padding 3 reads row r in outputs (r - 3) / 2 to (r + 3) / 2.
    stem = 4 * 4 + 4 * 4  # rows 14..17, columns 15..18; rows and columns 1..4
    pooled = 3 * 3 + 3 * 3  # rows 7..9, columns 7..9, of 3x3 windows with stride 2; 0..2
    assert pooled == 18
    grown = [(5 * 5, 4 * 4), (7 * 7, 5 * 5)]  # at the border less
    counts = [stem / 32**2, *((a + b) / 16**2 for a, b in grown)]
    last = 4 * 3  # the classifier, behind the last map: always computed
    total = adds.sum() + last
    expected = (np.dot(counts, adds[[1, 3, 4]]) + last) / total
    assert work_left(program, [first, second]).pixels == pytest.approx(expected, rel=1e-6)
    box = [(17 * 18) / 32**2, (11 * 11) / 16**2, (12 * 12) / 16**2]
    expected = (np.dot(box, adds[[1, 3, 4]]) + last) / total
    assert work_left(program, [first, second]).box == pytest.approx(expected, rel=1e-6)


def test_a_fixed_camera_changes_the_share_it_is_asked_for():
    for share, objects in ((0.01, 1), (0.05, 1), (0.2, 1), (1.0, 1), (0.05, 2)):
        clip = clips.fixed_camera((120, 160), share, objects=objects)
        changed = [(a != b).any(-1).mean() for a, b in itertools.pairwise(clip)]
        assert np.mean(changed) == pytest.approx(share, rel=0.25)
