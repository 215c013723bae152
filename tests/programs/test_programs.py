"""Programs that run without the library: the same logits and steps, in either format."""

import os
import subprocess
import sys

import numpy as np
import pytest
from configs import untrained

from rsf_jax import programs
from rsf_jax.errors import InputError
from rsf_jax.programs import Video
from tests.programs.sample import GATED, SIZE, export, frames_of


@pytest.fixture(scope="module", params=programs.FORMATS)
def format(request):
    if request.param == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    return request.param


@pytest.fixture(scope="module")
def exported(format, tmp_path_factory):
    return export(tmp_path_factory.mktemp("program"), format)


def test_a_program_and_the_library_agree_with_a_state_that_is_carried(exported):
    trained, folder = exported
    found = programs.compare(folder, trained, GATED, frames_of(40))
    assert found.frames == 40
    assert found.difference < 1e-4
    assert found.other_steps == 0
    assert 0 < found.steps < 6  # some frames repeat, others halt


def test_what_is_no_video_of_a_program_is_named(exported):
    trained, folder = exported
    for frames, message in (
        (frames_of(0), r"frames have shape \[0, 12, 14, 1\]: every axis of .* must be non-empty"),
        (frames_of(2) / np.float32(255), "frames are float32: programs take uint8"),
        (frames_of(2)[0], r"frames have shape \[12, 14, 1\]: \[T, H, W, 1\] is needed"),
    ):
        with pytest.raises(InputError, match=message):
            programs.compare(folder, trained, GATED, frames)


@pytest.mark.parametrize("shape", [8, (8.0, 8), (8, 8, 1), (0, 8), "88"])
def test_what_is_no_size_of_frames_is_named(tmp_path, shape):
    with pytest.raises(
        InputError, match=r"frame_shape is .*: \(height, width\) of 1 pixel or more"
    ):
        programs.export_program(untrained(SIZE), GATED, tmp_path / "program", frame_shape=shape)
    assert list(tmp_path.iterdir()) == []


def test_a_program_may_lie_at_home_and_have_a_size_of_numpy(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    trained, shape = untrained(SIZE), np.array(SIZE)
    folder = programs.export_program(
        trained, GATED, "~/program", frame_shape=shape, platforms=("cpu",)
    )
    assert folder == tmp_path / "program"
    assert [path.name for path in tmp_path.iterdir()] == ["program"]
    assert programs.compare("~/program", trained, GATED, frames_of(2)).frames == 2


def test_a_file_in_the_place_of_a_programs_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "program"):
        with pytest.raises(InputError, match=rf"{folder} cannot be written to .*: choose another"):
            programs.export_program(
                untrained(SIZE), GATED, folder, frame_shape=SIZE, platforms=("cpu",)
            )


def test_any_number_of_videos_runs_side_by_side(exported):
    trained, folder = exported
    frames = np.stack([frames_of(4), frames_of(4)[::-1], frames_of(4) // 3])
    video = Video(folder, batch=3)
    out = trained.run(frames, GATED)
    for index in range(4):
        logits, steps = video.run(frames[:, index])
        np.testing.assert_allclose(logits, out.logits[:, index], atol=1e-4)
        np.testing.assert_array_equal(steps, out.steps[:, index])
    video.reset()
    np.testing.assert_allclose(video.run(frames[:, 0])[0], out.logits[:, 0], atol=1e-4)


def test_its_reader_needs_nothing_of_the_library(exported, format, tmp_path):
    trained, folder = exported
    frames = frames_of(5)
    np.save(tmp_path / "frames.npy", frames)
    away = ["rsf_jax", *(["jax"] if format == "onnx" else ["onnxruntime"])]
    block = f"import sys; sys.modules |= dict.fromkeys({away}); sys.argv = sys.argv[1:]\n"
    script = f"{block}import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    names = ("frames.npy", "masks.npy")
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "run.py"), *names],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = trained.run(frames[None], GATED)
    assert done.stdout.split() == ["steps", *map(str, out.steps[0].tolist())]
    logits = np.asarray(out.logits[0])
    sure = np.abs(logits[..., 0] - logits[..., 1]) > 1e-3
    masks = np.load(tmp_path / "masks.npy")
    np.testing.assert_array_equal(masks[sure], logits.argmax(-1)[sure])
    assert len((folder / "run.py").read_text().splitlines()) <= 90


def test_a_damaged_program_is_noticed(exported, format, tmp_path):
    _, folder = exported
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((tmp_path / f"program.{format}").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / f"program.{format}").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        Video(tmp_path)
