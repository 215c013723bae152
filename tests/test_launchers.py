"""What a user who mistypes sees: one line, exit code 1, nothing lost."""

import itertools
import json
import re
import subprocess
import sys

import filming
import golden
import jax
import launching
import numpy as np
import pytest
import safetensors.numpy

from rsf_jax.evaluation import load_trained
from rsf_jax.presets import PAPER


@pytest.fixture
def launch(tmp_path):
    """Runs a launcher to its end."""
    numbers = itertools.count()

    def run(name, *flags):
        return launching.start(tmp_path / f"launched{next(numbers)}", name, *flags).wait()

    return run


BAD = [
    ("train", [], "give --config=PRESET"),
    ("train", ["--config=hrd_s8f8"], "did you mean 'hard_s8f8'"),
    ("train", ["--config=hard_s0f0"], "slow >= fast >= 1"),
    ("train", ["--config=quickstart", "--config.slow_steps=0"], "config.slow_steps is 0"),
    ("train", ["--config=quickstart", "--config.learning_rate=nan"], "config.learning_rate is nan"),
    ("train", ["--config=quickstart", "quick"], "'quick' is not a flag"),
    (
        "train",
        ["--config=quickstart", "--workdir=/proc/none"],
        "--workdir=/proc/none cannot be written to",
    ),
    (
        "train",
        ["--config=quickstart", "--config.model=hgr"],
        "config.model is 'hgr': choose one of hgru, clstm, dru, ff6, ff8, ffres6, ffres6fixed, "
        "ffres8, conv3ds, conv3dm, or register a cell of this name first (rsf.register_cell, "
        "--cells=FILE); did you mean 'hgru'?",
    ),
    ("train", ["--config=quickstart_mine", "--cells=none.py"], "none.py is no Python file"),
    ("train", ["--config=quickstart_mine"], "those that --cells=FILE registers"),
    ("benchmark", ["--sections=step,speed"], "section 'speed' is unknown: choose among step"),
    ("benchmark", ["--batch_sizes=1,0"], "batch size '0' must be a whole number"),
    ("benchmark", ["--schedules=8"], "policy '8' is unknown"),
    ("benchmark", ["--suite=training_memory", "--steps=5,x"], "number of steps 'x' must be"),
    ("train", ["--config=pathfinder14_crbp_n20"], "did you mean 'pathfinder14_c_rbp_n20'"),
    ("train", ["--config=hard_ff8", "--config.gradient=rbp"], "must be bptt for model ff8"),
    ("describe", ["--config=hard_ff9"], "did you mean 'hard_ff8'"),
    ("import_weights", ["--weights=none.pt"], "give --config=PRESET: the model"),
    ("import_weights", ["--weights=none.pt", "--config=hard_ff8"], "none.pt is no file"),
    ("evaluate", [], "give --config=PRESET, or --workdir"),
    ("evaluate", ["--workdir=/nowhere"], "no checkpoints in /nowhere: train first"),
    ("evaluate", ["--workdir=/nowhere", "--policy=s0f1"], "slow steps must be"),
    ("evaluate", ["--workdir=/nowhere", "--policy=8x2"], "policy '8x2' is unknown"),
    ("calibrate", ["--workdir=/nowhere"], "give --max_miou_drop=0.01 or --mean_steps=4, one of"),
    ("calibrate", ["--mean_steps=0.5"], "mean_steps is 0.5: it must be above 1"),
    ("report", ["--config=quickstart_s5f2"], "runs/quickstart_s5f2 has no results: train first"),
    ("compare", ["--sweeps=A=a.json"], "two or more, of different names"),
    ("compare", ["--sweeps=A=a.json,B=b.json,A=c.json"], "of different names"),
    ("compare", ["--sweeps=a.json,b.json"], "sweep 'a.json' is not NAME=FILE"),
    ("compare", ["--sweeps=A=a.json,B=b.json"], "a.json cannot be read (No such file"),
    ("analyze", ["--workdir=/nowhere", "--policy=s0f1"], "slow steps must be"),
    ("benchmark", ["--suite=streaming", "--loads=0.5,2x"], "load '2x'"),
    ("stream", ["--workdir=/nowhere", "--inputs=a.mp4"], "no checkpoints in /nowhere"),
    ("stream", ["--inputs=a.mp4"], "give --config=PRESET, or --workdir"),
]


@pytest.mark.parametrize(("launcher", "flags", "message"), BAD)
def test_mistakes_end_with_one_line(launch, launcher, flags, message):
    done = launch(launcher, *flags)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_misspelt_flags_are_corrected(launch):
    done = launch("train", "--config=quickstart", "--config.learning_rat=1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Did you mean: config.learning_rate" in done.stderr


def test_describe_prints_every_preset_of_the_paper(launch):
    done = launch("describe", "--json", "--frame_size=8x8")
    assert done.returncode == 0, done.stderr
    costs = json.loads(done.stdout)
    assert set(costs) == set(PAPER)
    assert costs["hard_s8f8_clstm"]["parameters"] == 1_126_452


CELL = """
import jax.numpy as jnp
import rsf_jax as rsf

HALF = jnp.float32(0.5)


@rsf.register_cell{name}
class Mine(rsf.RecurrentCell):
    def __call__(self, carry, drive):
        return HALF * (carry + drive)
"""


def test_a_cell_of_ones_own_is_trained_and_tested(launch, tmp_path, data_dir):
    cells, workdir = tmp_path / "mine.py", tmp_path / "run"
    cells.write_text(CELL.format(name='("mine")'))
    flags = [f"--cells={cells}", f"--workdir={workdir}"]
    data = ["--config.dataset=t_pathfinder/tiny", f"--config.data_dir={data_dir}"]
    small = ["--config.channels=3", "--config.eval_batch_size=4", "--config.slow_steps=1"]
    done = launch("train", "--config=quickstart", "--config.model=mine", *flags, *data, *small)
    assert done.returncode == 0, done.stderr
    assert json.loads((workdir / "results.json").read_text())["config"]["model"] == "mine"
    assert re.search(r"JAX was started by .*mine\.py before", done.stdout)
    done = launch("evaluate", f"--workdir={workdir}")
    assert "has the cell 'mine', which is not registered" in done.stderr
    done = launch("evaluate", *flags, "--policy=s2f1")
    assert done.returncode == 0, done.stderr


def test_a_cell_without_a_name_is_one_line(launch, tmp_path):
    (tmp_path / "mine.py").write_text(CELL.format(name=""))
    done = launch("describe", f"--cells={tmp_path / 'mine.py'}")
    assert done.returncode == 1
    assert "error: mine.py, line 8: <class 'rsf_cells_mine.Mine'> is no name of" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_imported_weights_are_a_run(launch, tmp_path):
    recording = golden.load("hgru_k7_s2f2_stateless")
    weights, workdir = tmp_path / "published.safetensors", tmp_path / "run"
    safetensors.numpy.save_file(recording.tensors, weights)
    preset = ["--config=hard_s2f2_stateless", f"--workdir={workdir}"]
    done = launch("import_weights", f"--weights={weights}", *preset)
    assert done.returncode == 1
    assert "has shape [25, 25, 7, 7] instead of [25, 25, 15, 15]" in done.stderr
    done = launch("import_weights", f"--weights={weights}", *preset, "--config.kernel_size=7")
    assert done.returncode == 0, done.stderr
    trained = load_trained(workdir)
    assert trained.step == 0
    jax.tree.map(np.testing.assert_array_equal, trained.variables, recording.variables)
    done = launch("import_weights", f"--weights={weights}", *preset, "--config.kernel_size=7")
    assert "holds a run already: give another --workdir" in done.stderr


def test_videos_are_streamed_to_files(launch, run, tmp_path):
    clip = filming.film(tmp_path / "clip.mp4", filming.scenes(5))
    flags = [f"--workdir={run[1]}", f"--inputs={clip}", f"--out={tmp_path / 'out'}"]
    done = launch("stream", *flags, "--write=masks,json", "--policy=l2:0.5:4", "--budget_ms=60000")
    assert done.returncode == 0, done.stderr
    assert re.search(r"5 frames in [\d.]+ s", done.stdout)
    account = json.loads((tmp_path / "out" / "summary.json").read_text())["accounts"][0]
    assert (account["name"], account["read"], account["done"]) == ("clip", 5, 5)
    assert len(list((tmp_path / "out" / "clip_masks").iterdir())) == 5
    for more, message in (
        (["--frame_size=36"], "frame_size '36' is no HEIGHTxWIDTH"),
        ([f"--inputs={tmp_path / 'none.mp4'}"], "none.mp4 does not exist"),
        ([], "clip.jsonl exists already"),
    ):
        bad = launch("stream", *flags, "--write=json", *more)
        assert bad.returncode == 1
        assert bad.stderr.startswith("error: ")
        assert message in bad.stderr
        assert len(bad.stderr.splitlines()) == 1


def test_help_lists_every_setting(launch):
    done = launch("train", "--help")
    assert "--config.learning_rate" in done.stdout
    assert "recurrent steps on the first frame" in done.stdout
    assert "--workdir" in done.stdout
    assert re.search(r"--\[no\]config\.stateful", done.stdout)


def test_importing_the_library_is_quick_and_needs_no_tensorflow(tmp_path):
    code = (
        "import sys, time; start = time.process_time(); import jax, flax.linen, optax\n"
        "middle = time.process_time(); import rsf_jax; end = time.process_time()\n"
        "assert not {'tensorflow', 'tensorflow_datasets', 'matplotlib'} & set(sys.modules)\n"
        "assert end - middle < middle - start, (middle - start, end - middle)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
