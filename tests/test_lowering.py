"""Every main program is lowered for CPU, CUDA and TPU, with all products of highest precision."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export

import rsf_jax as rsf
from rsf_jax.config.build import build_penalty, build_schedule
from rsf_jax.data.batch import Batch
from rsf_jax.models.base import prepare
from rsf_jax.ops import onednn
from rsf_jax.policies.base import StepwisePolicy
from rsf_jax.reuse import ReuseNetwork, frame_network
from rsf_jax.streaming.program import Program
from rsf_jax.streaming.slots import Load
from rsf_jax.training.state import create_state
from rsf_jax.training.step import make_train_step

PLATFORMS = ("cpu", "cuda", "tpu")
SIZE = (8, 8)
HALTING = rsf.DistanceHalting(threshold=0.9, max_steps=3)


def _config(name="quickstart", **settings):
    return rsf.get_config(name).replace(channels=2, kernel_size=5, **settings)


def _videos(model, size=SIZE):
    return jax.ShapeDtypeStruct((2, 2, *size, model.input_channels), jnp.float32)


def _variables(model, size=SIZE):
    return jax.eval_shape(model.init, jax.random.key(0), _videos(model, size))


def _video(policy):
    model = rsf.build_model(_config())
    return lambda v, f: rsf.run_video(model, v, f, policy), (_variables(model), _videos(model))


def _frame():
    model = rsf.build_model(_config())
    state = jax.eval_shape(lambda: model.initial_state(2, SIZE))
    frame = jax.ShapeDtypeStruct((2, *SIZE, 1), jnp.float32)
    policy = rsf.FixedSchedule(3, 2)
    return (
        lambda v, s, f: rsf.run_frame(model, v, s, f, policy),
        (_variables(model), state, frame),
    )


def _training(config, size=SIZE):
    model, optimizer = rsf.build_model(config), optax.adam(1e-3)
    state = jax.eval_shape(lambda: create_state(model, optimizer, 0, size))
    masks = jax.ShapeDtypeStruct((2, 2, *size), jnp.uint8)
    batch = Batch(_videos(model, size), masks, jax.ShapeDtypeStruct((2,), jnp.float32))
    step = make_train_step(model, build_schedule(config), optimizer, penalty=build_penalty(config))
    return step, (state, batch)


def _tick():
    model = rsf.build_model(_config())
    variables = model.init(jax.random.key(0), jnp.zeros((1, 1, *SIZE, 1)))
    options = {"slots": 2, "rows": 3, "steps": 2, "stateful": True, "transform": lambda x: x}
    assert isinstance(HALTING, StepwisePolicy)
    prepared = prepare(model, variables, SIZE)

    mask = np.zeros(2, bool)
    frames, row = np.zeros((2, *SIZE, 1), np.float32), np.zeros(2, np.int32)
    load = Load(np.int32(0), frames, row, mask, np.zeros(4, bool))
    program = Program(prepared, HALTING, **options)
    return program.advance, (prepared, HALTING, program.store, program.slots, load)


def _reuse(method, what):
    model = rsf.build_model(_config("quickstart_ff6"))
    frame = jnp.zeros((1, *SIZE, 1))
    variables = model.init(jax.random.key(0), frame[None])
    reuse = ReuseNetwork(frame_network(model), variables, method=method)
    program, state = reuse.program(frame), reuse.init(frame)
    thresholds = jnp.zeros(len(program.names))
    if what == "way":
        return program.way, (state, frame, thresholds)
    return (
        lambda w, s, f, t: program.advance(w, s, f, t, False),
        (jax.eval_shape(program.weights), state, frame, thresholds),
    )


PROGRAMS = {
    "a video by a schedule": lambda: _video(rsf.FixedSchedule(3, 2)),
    "a video by halting": lambda: _video(HALTING),
    "a video by a solver": lambda: _video(rsf.Anderson(2, HALTING)),
    "a live frame": _frame,
    "training hgru": lambda: _training(_config()),
    "training hgru directly": lambda: _training(_config(conv_method="direct")),
    "training hgru by c_rbp": lambda: _training(_config(gradient="c_rbp", neumann_terms=2)),
    "training clstm": lambda: _training(_config("quickstart_clstm")),
    "training ff6": lambda: _training(_config("quickstart_ff6")),
    "training conv3dm": lambda: _training(_config("quickstart_conv3dm")),
    "training dru": lambda: _training(_config("camvid_s3f1_dru", classes=3), (16, 16)),
    "a tick of streams": _tick,
    "reuse, advance": lambda: _reuse("region", "advance"),
    "reuse by differences": lambda: _reuse("residual", "advance"),
    "reuse, way": lambda: _reuse("region", "way"),
}

_PRODUCT = re.compile(r"stablehlo\.(?:dot_general|convolution|dot)\b.*")


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_is_lowered_with_products_of_highest_precision(program):
    with onednn.left_out():
        function, args = program()
        exported = export.export(jax.jit(function), platforms=PLATFORMS)(*args)
    assert exported.platforms == PLATFORMS
    products = _PRODUCT.findall(exported.mlir_module())
    assert products or function.__name__ == "way"
    low = [line for line in products if line.count("HIGHEST") != 2]
    assert not low, low[0]


def test_a_product_of_default_precision_would_be_found():
    exported = export.export(jax.jit(jnp.matmul), platforms=PLATFORMS)(
        *(jax.ShapeDtypeStruct((2, 2), jnp.float32),) * 2
    )
    products = _PRODUCT.findall(exported.mlir_module())
    assert products
    assert not any("HIGHEST" in product for product in products)
