"""Programs of ONNX: the same logits and steps as the library's, frame after frame."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import untrained

import rsf_jax as rsf
from rsf_jax import programs
from rsf_jax.trained.model import Trained

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

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
    policy = rsf.parse_policy(GATED)
    return programs.export_program(
        trained, policy, folder, format="onnx", frame_shape=SIZE, batch=0
    )


def test_a_program_and_the_library_agree_with_a_state_that_is_carried(gated, trained):
    found = programs.compare(gated, trained, rsf.parse_policy(GATED), _frames(40))
    assert found.frames == 40
    assert found.difference < 1e-4
    assert found.other_steps == 0
    assert 0 < found.steps < 6  # some frames repeat, others halt


def test_any_number_of_videos_runs_side_by_side(gated, trained):
    frames = np.stack([_frames(4), _frames(4)[::-1], _frames(4) // 3])
    video = programs.open_program(gated, batch=3)
    out = trained.run(frames, rsf.parse_policy(GATED))
    for index in range(4):
        logits, steps = video.run(frames[:, index])
        np.testing.assert_allclose(logits, out.logits[:, index], atol=1e-4)
        np.testing.assert_array_equal(steps, out.steps[:, index])


def test_the_manifest_names_what_the_model_has(gated):
    told = json.loads((gated / "manifest.json").read_text())
    graph = onnx.load(gated / "program.onnx").graph
    assert [one["name"] for one in told["inputs"]] == [x.name for x in graph.input]
    assert [one["name"] for one in told["outputs"]] == [x.name for x in graph.output]
    for one, x in zip(told["inputs"] + told["outputs"], [*graph.input, *graph.output]):
        kind = x.type.tensor_type
        assert one["shape"] == [d.dim_param or d.dim_value for d in kind.shape.dim]
        assert one["dtype"] == onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    assert (told["program"], told["platforms"], told["weights"]) == ("onnx", [], "float32")


def test_its_reader_needs_nothing_of_the_library_nor_jax(gated, trained, tmp_path):
    frames = _frames(5)
    np.save(tmp_path / "frames.npy", frames)
    block = "import sys; sys.modules['rsf_jax'] = sys.modules['jax'] = None; del sys.argv[0]\n"
    script = f"{block}import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script, str(gated / "run.py"), "frames.npy", "masks.npy"],
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


@pytest.mark.parametrize(
    ("preset", "policy"),
    [
        ("quickstart_clstm", "s2f1"),
        pytest.param("camvid_s3f2_dru", "refresh:2+s3f2", marks=pytest.mark.slow),
    ],
)
def test_other_networks_and_color_are_models_of_onnx_too(tmp_path, preset, policy):
    config = rsf.get_config(preset).replace(channels=2, input_channels=3, classes=4)
    model, policy = rsf.build_model(config), rsf.parse_policy(policy)
    variables = model.init(jax.random.key(0), np.zeros((1, 1, 16, 18, 3), np.float32))
    trained = Trained(config, config, model, variables, 0)
    options = {"format": "onnx", "frame_shape": (16, 18)}
    programs.export_program(trained, policy, tmp_path, **options)
    found = programs.compare(tmp_path, trained, policy, _frames(4, (16, 18), 3))
    assert found.difference < 1e-4
    assert found.other_steps == 0


def test_what_has_no_form_is_refused_by_name(tmp_path):
    class Sorting(rsf.RecurrentCell):
        def __call__(self, carry, drive):
            return jnp.sort(carry + drive, axis=-1)

    config = rsf.get_config("quickstart").replace(channels=2)
    model = rsf.RecurrentModel(Sorting(channels=2))
    variables = model.init(jax.random.key(0), np.zeros((1, 1, 8, 8, 1), np.float32))
    trained = Trained(config, config, model, variables, 0)
    options = {"format": "onnx", "frame_shape": (8, 8)}
    with pytest.raises(rsf.InputError, match="'sort', for which there is no form in ONNX"):
        programs.export_program(trained, rsf.FixedSchedule(1, 1), tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()


def test_the_library_runs_as_before_after_an_export(gated, trained):
    """What was traced for ONNX is not taken for what XLA is to run, nor the other way round."""
    from rsf_jax.ops.activations import softplus
    from rsf_jax.ops.portable import portable

    def has_bits(function):
        return "bitcast" in str(jax.make_jaxpr(function)(np.float32(1)))

    jitted = jax.jit(softplus)
    assert has_bits(jitted)
    with portable():
        assert not has_bits(jitted)
    assert has_bits(jitted)
