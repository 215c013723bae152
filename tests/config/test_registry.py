"""Cells of one's own: from a few lines to training, halting, streaming and checkpoints."""

import inspect
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rsf_jax as rsf
from rsf_jax import interop
from rsf_jax.cells import CELLS, HGRUCell
from rsf_jax.config.registry import load_cells
from rsf_jax.data.batch import Batch
from rsf_jax.evaluation.testing import load_trained
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.state import build_optimizer, create_state
from rsf_jax.training.step import make_train_step


@pytest.fixture(autouse=True)
def registered():
    """What a test registers ends with it."""
    before = dict(CELLS)
    yield
    CELLS.clear()
    CELLS.update(before)


def _define(parameters=(3,), name="leaky_cell"):
    """Defines and registers a cell, as running a notebook's cell does, again and again."""

    @rsf.register_cell(name)
    class LeakyCell(rsf.RecurrentCell):
        @nn.compact
        def __call__(self, carry, drive):
            scale = self.param("scale", nn.initializers.ones, parameters)
            kernel = self.param("kernel", nn.initializers.orthogonal(), (5, 5, 3, 3))
            around = self.convolve_prepared("kernel", kernel, carry)
            return (carry + jnp.tanh(drive + scale.mean() * around)) / 2

    return LeakyCell


def _config():
    return rsf.get_config("quickstart_leaky_cell").replace(channels=3, kernel_size=5)


def test_a_step_is_all_a_cell_needs():
    _define()
    config = _config()
    model = rsf.build_model(config)
    frames = jax.random.uniform(jax.random.key(0), (2, 3, 12, 10, 1))
    start = create_state(model, build_optimizer(config, 10), 0, (12, 10))
    update = make_train_step(model, rsf.FixedSchedule(3, 1), build_optimizer(config, 10))
    masks = (frames[..., 0] > 0.5).astype(jnp.uint8)
    state, metrics = jax.jit(update)(start, Batch(frames, masks, jnp.ones(2)))
    assert metrics["grad_norm"] > 0
    moved = jax.tree.map(lambda a, b: float(abs(a - b).max()), state.params, start.params)
    assert moved["cell"]["kernel"] > 0
    policy = rsf.DistanceHalting("l2", 0.7, 9)
    out = rsf.run_video(model, state.variables, frames, policy)
    assert 1 < out.steps.max() < 9
    prepared = rsf.prepare(model, state.variables, (12, 10))
    live = model.initial_state(2, (12, 10))
    for t in range(3):
        live, frame = rsf.run_frame(model, prepared, live, frames[:, t], policy)
        np.testing.assert_allclose(frame.logits, out.logits[:, t], atol=1e-5)
        np.testing.assert_array_equal(frame.steps, out.steps[:, t])


def test_a_step_stores_the_spectra_of_its_kernels():
    """Of every kernel, so that none is transformed at every step."""
    for name in ("leaky_cell", "hgru", "clstm"):
        _define()
        model = rsf.build_model(_config().replace(model=name))
        variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 1, 12, 10, 1)))
        assert set(variables) == {"params"}
        kept = rsf.prepare(model, variables, (12, 10)).variables["spectra"]["cell"]
        own, cell = type(model.cell), model.cell
        default = {"params": variables["params"]["cell"]}
        _, found = cell.apply(
            default, method=lambda c: rsf.RecurrentCell.prepare(c, 12, 10), mutable=["spectra"]
        )
        jax.tree.map(np.testing.assert_array_equal, found["spectra"], kept)
        assert len(kept) == {"leaky_cell": 1, "hgru": 2, "clstm": 2}[name], own


def test_the_example_of_the_documentation_runs():
    text = inspect.getdoc(rsf.RecurrentCell)
    code = re.search(r"\n( {4}import flax.*?)\n\nAttributes", text, re.DOTALL)[1]
    scope = {"__name__": "example"}
    exec(inspect.cleandoc(code), scope)
    assert CELLS["leaky"] is scope["LeakyCell"]
    config = scope["config"].replace(channels=2, kernel_size=3)
    model = rsf.build_model(config)
    frames = jax.ShapeDtypeStruct((1, 1, 8, 8, 1), jnp.float32)
    assert jax.eval_shape(model.init, jax.random.key(0), frames)["params"]["cell"]


def test_presets_name_registered_cells():
    with pytest.raises(rsf.InputError, match="unknown preset 'quickstart_leaky_cell'"):
        rsf.get_config("quickstart_leaky_cell")
    _define()
    config = rsf.get_config("hard_s8f2_leaky_cell_stateless")
    assert (config.model, config.slow_steps, config.stateful) == ("leaky_cell", 8, False)
    assert rsf.get_config("quickstart_s4f2_leaky_cell").fast_steps == 2
    assert rsf.get_config("quickstart_leaky_cell").slow_steps == 3
    with pytest.raises(rsf.InputError, match="did you mean 'hard_s8f8_leaky_cell'"):
        rsf.get_config("hard_s8f8_leaky_cel")
    with pytest.raises(
        rsf.InputError, match=r"register a cell or network of this .*did you mean 'leaky_cell'"
    ):
        config.replace(model="leaky_cel")


def test_running_a_definition_again_replaces_the_cell():
    first, second = _define(), _define()
    assert first is not second
    assert CELLS["leaky_cell"] is second


@pytest.mark.parametrize("name", ["hgru", "ff6"])
def test_a_name_is_given_once(name):
    with pytest.raises(rsf.InputError, match=f"'{name}' is taken by"):
        _define(name=name)


BAD_NAMES = ["", "Leaky", "2leaky", "leaky-cell", "leaky__cell", "_leaky", "leaky_", "a b"]


@pytest.mark.parametrize("name", [*BAD_NAMES, "s8f2", "s8f2_leaky", "leaky_stateless", "stateless"])
def test_names_that_presets_cannot_carry(name):
    with pytest.raises(rsf.InputError, match="cannot name a cell: use lower-case"):
        rsf.register_cell(name)


def test_what_is_no_cell_is_not_registered():
    register = rsf.register_cell("leaky_cell")
    with pytest.raises(rsf.InputError, match="make it a subclass of rsf"):
        register(nn.Conv)
    with pytest.raises(rsf.InputError, match="make it a subclass of rsf"):
        register(HGRUCell())
    with pytest.raises(rsf.InputError, match="has no __call__, its recurrent step"):
        register(type("Idle", (rsf.RecurrentCell,), {}))
    with pytest.raises(rsf.InputError, match=r"write @rsf\.register_cell"):
        rsf.register_cell(HGRUCell)
    assert "leaky_cell" not in CELLS


def test_a_carry_that_changes_is_named():
    @rsf.register_cell("leaky_cell")
    class Growing(rsf.RecurrentCell):
        def __call__(self, carry, drive):
            return jnp.concatenate([carry, drive], 1)

    model = rsf.build_model(_config())
    with pytest.raises(rsf.InputError, match=r"Growing makes float32\[1, 6, 8, 9\] of a carry fl"):
        model.init(jax.random.key(0), jnp.zeros((1, 1, 8, 9, 1)))


def _save(workdir):
    config = _config()
    state = create_state(rsf.build_model(config), build_optimizer(config, 1), 0, (8, 8))
    with Checkpoints(workdir, create=True) as checkpoints:
        checkpoints.save(state, config)
    return state


def test_a_checkpoint_names_the_cell_it_needs(tmp_path):
    _define()
    state = _save(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, load_trained(tmp_path).variables, state.variables)
    del CELLS["leaky_cell"]
    with pytest.raises(rsf.InputError) as error:
        load_trained(tmp_path)
    assert "has the cell or network 'leaky_cell', which is not registered" in str(error.value)
    calls = '@rsf.register_cell("leaky_cell") or rsf.register_network("leaky_cell", ...), or the'
    assert f"{calls} file that has it" in str(error.value)


def test_a_checkpoint_of_another_version_of_the_cell_is_named(tmp_path):
    _define()
    _save(tmp_path)
    _define(parameters=(3, 2))
    message = r"params/cell/scale \[3\] there, \[3, 2\] here. Undo what has changed"
    with pytest.raises(rsf.InputError, match=message):
        load_trained(tmp_path)
    config = _config()
    state = create_state(rsf.build_model(config), build_optimizer(config, 1), 0, (8, 8))
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(rsf.InputError, match=message),
    ):
        checkpoints.restore(0, state, config)


def test_it_has_no_published_format():
    _define()
    with pytest.raises(rsf.InputError, match="model leaky_cell was never published"):
        interop.published_shapes(_config())


FILE = """
import flax.linen as nn
import rsf_jax as rsf
from beside import gain


@rsf.register_cell("from_file")
class FromFile(rsf.RecurrentCell):
    def __call__(self, carry, drive):
        return gain * carry + drive
"""


def test_a_file_is_read_again_and_sees_its_neighbors(tmp_path):
    (tmp_path / "beside.py").write_text("gain = 0.5\n")
    (tmp_path / "mine.py").write_text(FILE)
    load_cells(tmp_path / "mine.py")
    first = CELLS["from_file"]
    load_cells(tmp_path / "mine.py")
    assert CELLS["from_file"] is not first
    assert rsf.get_config("quickstart_from_file").model == "from_file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import rsf_jax\n\nx = nothing\n", "mine.py, line 3: NameError: name 'nothing' is not"),
        ("x = (\n", "mine.py, line 1: SyntaxError: '(' was never closed"),
        ("raise ValueError('a\\nb')\n", "mine.py, line 1: ValueError: a"),
        ("import json\njson.loads('?')\n", "mine.py, line 2: JSONDecodeError: Expecting value"),
        ("x = 1\n", "mine.py registers nothing: put @rsf.register_cell"),
        (FILE.replace("from_file", "hgru"), "mine.py, line 7: cell name 'hgru' is taken by rsf"),
    ],
)
def test_a_file_that_fails_says_where(tmp_path, text, message):
    (tmp_path / "beside.py").write_text("gain = 0.5\n")
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(rsf.InputError) as error:
        load_cells(tmp_path / "mine.py")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_python_file(tmp_path):
    (tmp_path / "cells.txt").write_text("")
    for path in (tmp_path / "none.py", tmp_path, tmp_path / "cells.txt"):
        with pytest.raises(rsf.InputError, match="is no Python file: give one that registers"):
            load_cells(path)
