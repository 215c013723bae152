"""Launchers from their flags to their files; `bad_input/` has what they refuse."""

import importlib
import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys

import filming
import golden
import jax
import launching
import numpy as np
import pytest
import safetensors.numpy
from reproduction.paper import presets as paper_presets

import rsf_jax as rsf
from rsf_jax import commands
from rsf_jax.config.cost import cost
from rsf_jax.evaluation.testing import load_trained

pytestmark = pytest.mark.slow

LAUNCHERS = sorted((launching.ROOT / "launch").glob("*.py"))


@pytest.fixture
def launch(tmp_path):
    """Runs a launcher to its end."""
    numbers = itertools.count()

    def run(name, *flags):
        return launching.start(tmp_path / f"launched{next(numbers)}", name, *flags).wait()

    return run


def test_a_device_that_is_not_there_is_told_in_one_line(tmp_path):
    environment = os.environ | {"JAX_PLATFORMS": "cuda"}
    command = [sys.executable, launching.ROOT / "launch" / "train.py", "--config=quickstart"]
    done = subprocess.run(
        [*command, f"--workdir={tmp_path / 'run'}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: JAX finds no device of JAX_PLATFORMS=cuda: leave that out" in done.stderr
    assert "Traceback" not in done.stderr


def test_describe_takes_the_videos_of_the_presets_data(launch):
    done = launch("describe", "--config=quickstart")
    assert done.returncode == 0, done.stderr
    row = " ".join(done.stdout.split())
    assert "│ quickstart │ 24,446 │ 36x36 │" in row
    assert " │ 5 │ " in row


def test_describe_takes_a_trained_model(launch):
    done = launch("describe", "--pretrained=quickstart_live16", "--json")
    assert done.returncode == 0, done.stderr
    (name, told), *others = json.loads(done.stdout).items()
    assert (name, told["parameters"], others) == ("quickstart_live16", 43_090, [])


def test_describe_does_not_guess_what_videos_there_are(launch):
    done = launch("describe", "--presets=maze_quickstart,mazes_static4_c_rbp_n6", "--json")
    # An image of 4 x 4 cells, 3 x 3 pixels each.
    for name, told in json.loads(done.stdout).items():
        assert told == vars(cost(rsf.get_config(name), (12, 12), 1))
    done = launch("describe", "--config=pathfinder_small3_c_rbp_n12", "--json")
    assert done.returncode == 0, done.stderr
    done = launch(
        "describe", "--config=own_s3f1", "--config.classes=3", "--config.input_channels=3"
    )
    assert done.returncode == 1
    assert "is not known here: give --frame_size and --frames" in done.stderr


def test_describe_prints_every_preset_of_the_paper(launch):
    done = launch(
        "describe", "--json", "--frame_size=8x8", f"--presets={','.join(paper_presets())}"
    )
    assert done.returncode == 0, done.stderr
    costs = json.loads(done.stdout)
    assert set(costs) == set(paper_presets())
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
    assert "has the cell or network 'mine', which is not registered" in done.stderr
    done = launch("evaluate", *flags, "--policy=s2f1")
    assert done.returncode == 0, done.stderr


POLICIES = """
import rsf_jax as rsf
from tests.policies.own import Countdown, largest

rsf.register_policy("countdown", Countdown)
rsf.register_metric("largest", largest)
"""


def test_policies_of_ones_own_go_where_those_of_the_library_go(launch, run, tmp_path):
    mine, workdir = tmp_path / "mine.py", shutil.copytree(run[1], tmp_path / "run")
    mine.write_text(POLICIES)
    flags = [f"--workdir={workdir}", f"--cells={mine}"]
    for name, kind in (("countdown:0.01", "countdown"), ("largest:0.5:3", "halting")):
        done = launch("evaluate", *flags, f"--policy={name}")
        assert done.returncode == 0, done.stderr
        results = json.loads((workdir / f"results_{name.replace(':', '_')}.json").read_text())
        assert (results["policy"], results["policy_spec"]["kind"]) == (name, kind)
    policies = "--policies=countdown:0.01,largest:0.5:3,s1f1"
    done = launch("evaluate", *flags, "--sweep", policies)
    assert done.returncode == 0, done.stderr
    points = json.loads((workdir / "sweep.json").read_text())["points"]
    assert [p["policy_spec"]["kind"] for p in points] == ["countdown", "halting", "schedule"]
    guarantee = ["--mean_steps=5.9", "--confidence=0.3", "--policies=countdown:10.0"]
    done = launch("calibrate", *flags, *guarantee, "--resplits=2")
    assert done.returncode == 0, done.stderr
    done = launch("evaluate", f"--workdir={workdir}", "--policy=calibrated")
    assert "policy.json: policy kind 'countdown' is none of schedule, halting" in done.stderr
    assert "damaged" not in done.stderr
    done = launch("evaluate", *flags, "--policy=calibrated")
    assert done.returncode == 0, done.stderr
    clip = filming.film(tmp_path / "clip.mp4", filming.scenes(3))
    out = [f"--inputs={clip}", f"--out={tmp_path / 'out'}", "--write=json"]
    done = launch("stream", *flags, *out, "--policy=calibrated")
    assert done.returncode == 0, done.stderr
    done = launch("evaluate", *flags, "--policy=countdwn:0.5")
    assert "did you mean 'countdown'?" in done.stderr


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
    assert trained.update == 0
    jax.tree.map(np.testing.assert_array_equal, trained.variables, recording.variables)
    done = launch("import_weights", f"--weights={weights}", *preset, "--config.kernel_size=7")
    assert "holds a run already: choose another folder" in done.stderr


def test_exported_weights_are_tested_and_trained_on(launch, run, tmp_path):
    config, workdir = run
    done = launch("export_weights", f"--workdir={workdir}", f"--folder={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/README.md is their model card: add your license" in done.stdout
    pretrained = f"--pretrained={tmp_path}"
    made, data = f"--workdir={tmp_path / 'made'}", f"--config.data_dir={config.data_dir}"
    done = launch("evaluate", pretrained, made, data)
    assert done.returncode == 0, done.stderr
    found, expected = (
        json.loads((folder / "results.json").read_text()) for folder in (tmp_path / "made", workdir)
    )
    assert found["test"]["miou"] == pytest.approx(expected["test"]["miou"], rel=1e-2)
    changes = ["dataset", "channels", "kernel_size", "eval_batch_size", "slow_steps"]
    same = [f"--config.{name}={getattr(config, name)}" for name in changes]
    more = f"--workdir={tmp_path / 'more'}"
    done = launch("train", "--config=quickstart", pretrained, more, data, *same)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"Begins with the weights of update 5 in .*more/pretrained/quickstart", done.stdout
    )


def test_videos_are_streamed_to_files(launch, run, tmp_path):
    clip = filming.film(tmp_path / "clip.mp4", filming.scenes(5))
    twice = shutil.copy(clip, tmp_path / "one,two [x].mp4")
    flags = [f"--workdir={run[1]}", f"--inputs={clip}", f"--out={tmp_path / 'out'}"]
    more = [f"--input={twice}", "--fit=letterbox"]
    kinds = ["--write=masks,json", "--policy=l2:0.5:4", "--budget_ms=60000"]
    done = launch("stream", *flags, *more, *kinds)
    assert done.returncode == 0, done.stderr
    assert re.search(r"10 frames in [\d.]+ s", done.stdout)
    accounts = json.loads((tmp_path / "out" / "summary.json").read_text())["accounts"]
    assert [(a["name"], a["read"], a["done"]) for a in accounts] == [
        ("clip", 5, 5), ("one,two [x]", 5, 5),
    ]  # fmt: skip
    assert len(list((tmp_path / "out" / "clip_masks").iterdir())) == 5
    for more, message in (
        (["--frame_size=36", "--overwrite"], "frame_size '36' is no HEIGHTxWIDTH"),
        ([f"--inputs={tmp_path / 'none.mp4'}", "--overwrite"], "none.mp4 does not exist"),
        ([f"--inputs={twice}", "--overwrite"], "is taken apart at commas: write --input="),
        ([], "summary.json exists already: give another"),
        (["--fit=tile", "--overwrite"], "fit is 'tile': choose squeeze, letterbox, crop"),
    ):
        bad = launch("stream", *flags, "--write=json", *more)
        assert bad.returncode == 1
        assert bad.stderr.startswith("error: ")
        assert message in bad.stderr
        assert len(bad.stderr.splitlines()) == 1


def test_help_lists_every_setting(launch):
    done = launch("train", "--help")
    assert done.returncode == 0
    assert "--config.learning_rate" in done.stdout
    assert "videos an update, over all devices [10]" in " ".join(done.stdout.split())
    assert "recurrent steps on the first frame" in done.stdout
    assert "--workdir" in done.stdout
    assert re.search(r"--\[no\]config\.stateful", done.stdout)


def test_importing_the_library_imports_nothing_that_takes_long(tmp_path):
    code = (
        "import sys; import rsf_jax\n"
        "slow = {'tensorflow', 'tensorflow_datasets', 'apache_beam', 'matplotlib', 'grain'}\n"
        "slow |= {'orbax', 'tensorboardX', 'scipy', 'jinja2', 'PIL', 'av'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def _import(launcher):
    """In a process of its own: launchers define flags of the same names."""
    sys.path.insert(0, str(launcher.parent))
    runpy.run_path(str(launcher), run_name=launcher.stem)
    if launcher.stem in commands.names():
        importlib.import_module(f"rsf_jax.commands.{launcher.stem}")
    assert not {"tensorflow", "apache_beam"} & set(sys.modules)


@pytest.mark.parametrize("launcher", LAUNCHERS, ids=lambda path: path.stem)
def test_no_launcher_imports_tensorflow_or_beam(launcher):
    process = launching.fork(_import, launcher)
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--coordinator=localhost:1"], "--num_processes and --process_id, all three"),
        (
            ["--coordinator=localhost:1", "--num_processes=2", "--process_id=2"],
            "--process_id=2: of 2 processes the last has number 1",
        ),
        (
            ["--coordinator=localhost", "--num_processes=2", "--process_id=0"],
            "coordinator is 'localhost': HOST:PORT is needed",
        ),
        (["--distributed"], "the processes have not found each other"),
    ],
)
def test_processes_that_cannot_be_joined(launch, tmp_path, given, words):
    done = launch("train", "--config=quickstart", f"--workdir={tmp_path / 'run'}", *given)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
