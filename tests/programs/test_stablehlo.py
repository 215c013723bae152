"""Programs that run without the library: the same logits and steps, frame after frame."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax import programs
from rsf_jax.programs.run import Video
from rsf_jax.trained.model import Trained

SIZE = (12, 14)
GATED = "gate:0.01:0.9+pattern:rtol=0.2:6"


def _frames(count, shape=SIZE, channels=1):
    """Some repeat the one before."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, *shape, channels), np.uint8)
    frames[2::3] = frames[1::3][: len(frames[2::3])]
    return frames


@pytest.fixture(scope="module")
def trained():
    return untrained(SIZE)


@pytest.fixture(scope="module")
def gated(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    return programs.export_program(
        trained, rsf.parse_policy(GATED), folder, frame_shape=SIZE, batch=0
    )


def test_a_program_and_the_library_agree_with_a_state_that_is_carried(gated, trained):
    found = programs.compare(gated, trained, rsf.parse_policy(GATED), _frames(40))
    assert found.frames == 40
    assert found.difference < 1e-4
    assert found.other_steps == 0
    assert 0 < found.steps < 6  # some frames repeat, others halt


def test_any_number_of_videos_runs_side_by_side(gated, trained):
    frames = np.stack([_frames(4), _frames(4)[::-1], _frames(4) // 3])
    video = Video(gated, batch=3)
    out = trained.run(frames, rsf.parse_policy(GATED))
    for index in range(4):
        logits, steps = video.run(frames[:, index])
        np.testing.assert_allclose(logits, out.logits[:, index], atol=1e-4)
        np.testing.assert_array_equal(steps, out.steps[:, index])
    video.reset()
    np.testing.assert_allclose(video.run(frames[:, 0])[0], out.logits[:, 0], atol=1e-4)


def test_the_manifest_says_what_goes_in_and_out(gated):
    told = json.loads((gated / "manifest.json").read_text())
    assert told["platforms"] == ["cpu", "cuda", "tpu"]
    assert told["inputs"][-1] == {"name": "frame", "shape": ["B", 12, 14, 1], "dtype": "uint8"}
    names = [one["name"] for one in told["outputs"]]
    assert names[-2:] == ["logits", "steps"]
    assert told["inputs"][:-1] == told["outputs"][:-2]
    with np.load(gated / "state.npz") as state:
        for name, one in zip(state.files, told["inputs"]):
            assert [1, *one["shape"][1:]] == list(state[name].shape)
            assert one["dtype"] == str(state[name].dtype)
    assert rsf.parse_policy(told["policy"]) == rsf.parse_policy(GATED)


def test_its_reader_needs_nothing_of_the_library(gated, trained, tmp_path):
    frames = _frames(5)
    np.save(tmp_path / "frames.npy", frames)
    block = "import sys; sys.modules['rsf_jax'] = None; sys.argv = sys.argv[1:]\n"
    script = f"{block}import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    names = ("frames.npy", "masks.npy")
    done = subprocess.run(
        [sys.executable, "-c", script, str(gated / "run.py"), *names],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = trained.run(frames[None], rsf.parse_policy(GATED))
    assert done.stdout.split() == ["steps", *map(str, out.steps[0].tolist())]
    logits = np.asarray(out.logits[0])
    sure = np.abs(logits[..., 0] - logits[..., 1]) > 1e-3
    masks = np.load(tmp_path / "masks.npy")
    np.testing.assert_array_equal(masks[sure], logits.argmax(-1)[sure])
    assert len((gated / "run.py").read_text().splitlines()) <= 80


def test_a_damaged_program_is_noticed(gated, tmp_path):
    for path in gated.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / "program.stablehlo").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "program.stablehlo").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Video(tmp_path)


def test_color_and_other_cells_are_programs_too(tmp_path):
    config = rsf.get_config("quickstart_clstm").replace(
        channels=3, kernel_size=3, input_channels=3, classes=4
    )
    model, policy = rsf.build_model(config), rsf.FixedSchedule(2, 1)
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 1, 8, 8, 3), np.float32))
    trained = Trained(config, config, model, variables, 0)
    programs.export_program(trained, policy, tmp_path, frame_shape=(8, 8), platforms=["cpu"])
    found = programs.compare(tmp_path, trained, policy, _frames(4, (8, 8), 3))
    assert found.difference < 1e-4
    assert (found.other_steps, found.steps) == (0, 1.25)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": -1}, "batch is -1"),
        ({"platforms": ["npu"]}, "platforms is 'npu'"),
        ({"platforms": []}, "platforms is empty"),
        ({"frame_shape": None}, "give frame_shape"),
    ],
)
def test_what_cannot_be_exported_is_refused(trained, tmp_path, options, words):
    options = {"frame_shape": SIZE, **options}
    with pytest.raises(rsf.InputError, match=words):
        programs.export_program(trained, rsf.FixedSchedule(1, 1), tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()
