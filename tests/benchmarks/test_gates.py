"""What a gate decides on a video file, shown without a model."""

import json

import jax
import matplotlib.image
import numpy as np
import pytest
from benchmarks import gates
from filming import film

import rsf_jax as rsf
from rsf_jax.media import open_source

POLICY = rsf.parse_policy("gate:0.01:0.45:pool=2+s1f1")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two scenes of blocks, ten frames each, in whose last five a corner moves."""
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 256, (2, 6, 8, 1)).repeat(8, 1).repeat(8, 2).repeat(10, 0)
    for t in (5, 6, 7, 8, 9):
        scenes[[t, 10 + t], 4 * (t - 5) : 4 * t, :12] = 25 * t
    return film(tmp_path_factory.mktemp("gates") / "two.mp4", scenes.repeat(3, -1).astype(np.uint8))


def test_decisions_are_those_of_run_video(video):
    with open_source(video, None, 1) as source:
        found = gates.watch(POLICY, source)
    with open_source(video, None, 1) as source:
        frames = np.stack([picture.frame for picture in source])[None]
    model = rsf.build_model(rsf.get_config("quickstart").replace(channels=2, kernel_size=5))
    steps = rsf.run_video(
        model, jax.jit(model.init)(jax.random.key(0), frames), frames, POLICY
    ).steps[0]
    assert [decision != "none" for decision in found.decision] == (steps > 0).tolist()
    assert found.anew == [0, 10]
    assert found.left_out == pytest.approx((steps == 0).mean())
    assert 0.3 < found.left_out < 0.7
    assert np.isnan(found.share[0])
    assert (found.share[1:5] < 0.01).all()


def test_it_is_printed_saved_and_drawn(video, tmp_path, capsys):
    with open_source(video, (24, 32), 3) as source:
        found = gates.watch(POLICY, source, max_frames=12)
    assert len(found.decision) == 12
    assert found.shape == (24, 32, 3)
    gates.print_report([found])
    assert "24x32x3" in capsys.readouterr().out
    saved = json.loads(gates.save(tmp_path, POLICY, [found]).read_text())
    assert saved["policy"] == "gate:0.01:0.45:pool=2+s1f1"
    assert saved["videos"][0]["decision"] == found.decision
    assert matplotlib.image.imread(tmp_path / "two_gate.png").std() > 0


def test_what_is_no_gate_or_no_video_is_refused(tmp_path):
    with pytest.raises(rsf.InputError, match="policy 's3f1' is no gate: write gate:"):
        gates.gate("s3f1")
    with pytest.raises(rsf.InputError, match="does not exist"):
        open_source(tmp_path / "none.mp4", None)


def test_of_a_long_video_some_frames_are_shown():
    class Long:
        """A hundred frames."""

        name = label = "long"
        problem = ""

        def __iter__(self):
            picture = type("Picture", (), {})()
            picture.image = np.zeros((9, 9, 3), np.uint8)
            picture.frame = picture.image[..., :1]
            return iter([picture] * 100)

    found = gates.watch.__wrapped__(POLICY, Long())
    assert sorted(found.pictures) == list(range(0, 100, 8))
    assert found.decision == ["fresh"] + 99 * ["none"]
