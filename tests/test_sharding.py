"""Programs on the devices of a mesh, and under types that are not JAX's own choice."""

import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from marks import slow, slow_but

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.gradients import BPTT, RBP
from rsf_jax.training.state import create_state
from rsf_jax.training.step import make_train_step

FRAMES = jax.random.uniform(jax.random.key(0), (4, 2, 16, 16, 1))
HALTING = rsf.DistanceHalting(threshold=0.9, max_steps=3)
MESH = jax.make_mesh((2,), ("videos",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])


def _model(name="hgru", **settings):
    config = rsf.get_config("quickstart").replace(channels=3, kernel_size=5, **settings)
    return rsf.build_model(config if name == "hgru" else config.replace(model=name))


def _shared(function, ins, outs):
    """With the defaults of `shard_map`."""
    return jax.jit(jax.shard_map(function, mesh=MESH, in_specs=ins, out_specs=outs))


def _assert_same(ours, theirs, atol=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, atol=atol, rtol=1e-4), ours, theirs)


RUNS = {
    "schedule": (rsf.FixedSchedule(3, 2), False),
    "halting": (HALTING, False),
    "recorded": (rsf.FixedSchedule(2, 2), rsf.Recording(frames=(1,), steps=(2,))),
    "recorded halting": (HALTING, True),
}


@pytest.mark.parametrize(("policy", "recording"), RUNS.values(), ids=RUNS.keys())
def test_videos_are_shared_among_devices(policy, recording):
    model = _model()
    variables = jax.jit(model.init)(jax.random.key(1), FRAMES)
    run = lambda v, f: rsf.run_video(model, v, f, policy, record_states=recording)  # noqa: E731
    ours = _shared(run, (P(), P("videos")), P("videos"))(variables, FRAMES)
    _assert_same(ours, run(variables, FRAMES))


def test_a_live_frame_is_shared_among_devices():
    model = _model()
    variables = jax.jit(model.init)(jax.random.key(1), FRAMES)
    state = model.initial_state(4, (16, 16))

    def run(variables, state, frame):
        return rsf.run_frame(model, variables, state, frame, rsf.FixedSchedule(3, 2))

    ins = (P(), P("videos"), P("videos"))
    ours = _shared(run, ins, P("videos"))(variables, state, FRAMES[:, 0])
    _assert_same(ours, run(variables, state, FRAMES[:, 0]))


@pytest.mark.parametrize("conv_method", ["fft", slow("direct")])
def test_gradients_of_what_is_on_every_device_are_sums(conv_method):
    model = _model(conv_method=conv_method)
    variables = jax.jit(model.init)(jax.random.key(1), FRAMES)

    def gradient(variables, frames):
        def loss(variables):
            policy = rsf.FixedSchedule(2, 1)
            return jnp.square(rsf.run_video(model, variables, frames, policy).logits).sum() / 1e3

        return jax.grad(loss)(variables)

    ours = _shared(gradient, (P(), P("videos")), P())(variables, FRAMES)
    _assert_same(ours, jax.jit(gradient)(variables, FRAMES), 1e-4)


@pytest.mark.parametrize("estimator", [BPTT(), slow(RBP(2))], ids=str)
def test_an_update_is_shared_among_devices(estimator):
    model, optimizer = _model(), optax.sgd(1.0)
    state = create_state(model, optimizer, 0, (16, 16))
    masks = (FRAMES[..., 0] > 0.5).astype(jnp.uint8)
    batch = Batch(FRAMES, masks, jnp.ones(4))
    make = partial(make_train_step, model, rsf.FixedSchedule(2, 1, estimator), optimizer)
    step = _shared(make(axis_name="videos"), (P(), P("videos")), (P(), P()))
    _assert_same(step(state, batch), jax.jit(make())(state, batch), 1e-4)


@pytest.mark.slow
def test_explicit_axes_are_kept():
    mesh = jax.make_mesh((2,), ("videos",), axis_types=(AxisType.Explicit,), devices=MESH.devices)
    model, optimizer = _model(), optax.sgd(1.0)
    state = create_state(model, optimizer, 0, (16, 16))
    masks = (FRAMES[..., 0] > 0.5).astype(jnp.uint8)
    step = jax.jit(make_train_step(model, rsf.FixedSchedule(2, 1), optimizer))
    expected = step(state, Batch(FRAMES, masks, jnp.ones(4)))
    with jax.set_mesh(mesh):
        sharded = NamedSharding(mesh, P("videos"))
        batch = jax.device_put(Batch(FRAMES, masks, jnp.ones(4)), sharded)
        state = jax.device_put(state, NamedSharding(mesh, P()))
        for policy in (rsf.FixedSchedule(2, 1), HALTING):
            ours = rsf.run_video(model, state.variables, batch.frames, policy)
            assert ours.logits.sharding.spec[0] == "videos"
            _assert_same(
                jax.device_get(ours),
                jax.device_get(
                    rsf.run_video(model, *jax.device_get((state.variables, FRAMES)), policy)
                ),
            )
        _assert_same(jax.device_get(step(state, batch)), jax.device_get(expected), 1e-4)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", slow_but(("hgru",), ("hgru", "direct", "dru", "ff6")))
def test_weights_of_half_precision_are_computed_with_in_float32(name, dtype):
    if name == "dru":
        config = rsf.get_config("camvid_s3f1_dru").replace(channels=2, classes=3)
        model, frames = rsf.build_model(config), jnp.repeat(FRAMES, 3, -1)
    elif name == "ff6":
        config = rsf.get_config("quickstart_ff6").replace(channels=3, kernel_size=3)
        model, frames = rsf.build_model(config), FRAMES
    else:
        model, frames = _model(conv_method="direct" if name == "direct" else "fft"), FRAMES
    policy = rsf.FixedSchedule(1, 1)
    variables = jax.jit(model.init)(jax.random.key(1), frames[:, :1])
    half = jax.tree.map(lambda x: x.astype(dtype), variables)
    ours = rsf.run_video(model, half, frames, policy).logits
    same = jax.tree.map(lambda x: x.astype(jnp.float32), half)
    assert ours.dtype == jnp.float32
    _assert_same(ours, rsf.run_video(model, same, frames, policy).logits, 1e-4)


_DOUBLE = """
import jax, jax.numpy as jnp, numpy as np, rsf_jax as rsf
from rsf_jax import analysis
from rsf_jax.analysis.contraction import spectral_radius
assert jnp.zeros(1).dtype == jnp.float64
frames = np.random.default_rng(0).random((1, 2, 16, 16, 1)).astype(np.float32)
for name in ("quickstart", "quickstart_clstm", "quickstart_ff6", "camvid_s3f1_dru"):
    config = rsf.get_config(name).replace(channels=2, kernel_size=3)
    model = rsf.build_model(config)
    f = np.repeat(frames, config.input_channels, -1)
    variables = jax.jit(model.init)(jax.random.key(0), f)
    assert {x.dtype.name for x in jax.tree.leaves(variables)} <= {"float32", "int32"}, name
    policies = [rsf.FixedSchedule(1, 1)]
    if model.recurrent:
        policies.append(rsf.DistanceHalting(max_steps=2))
    for policy in policies:
        out = rsf.run_video(model, variables, f, policy)
        assert out.logits.dtype == jnp.float32, (name, policy, out.logits.dtype)
    if name == "quickstart":
        double = jax.tree.map(lambda x: x.astype(jnp.float64), variables)
        exact = rsf.run_video(model, double, f, policies[0]).logits
        assert exact.dtype == jnp.float64
        close = rsf.run_video(model, variables, f, policies[0]).logits
        np.testing.assert_allclose(exact, close, atol=1e-4)
        for weights in (variables, double):
            kind = np.dtype("float32" if weights is variables else "float64")
            found = analysis.step_distances(model, weights, f, 3)
            assert found.dtype == kind
            found = analysis.reaction_times(model, weights, f, 3)
            assert found.curve.dtype == found.xi.dtype == kind
            assert analysis.follow_frame(model, weights, f[:, 0], 2).states.dtype == kind
            assert np.isfinite(spectral_radius(model, weights, f[:, 0], steps=2)).all()
        engine = rsf.StreamEngine(model, variables, policies[1], (16, 16), slots=1)
        stream = engine.open()
        engine.submit(stream, f[0, 0])
        engine.tick()
print("done")
"""


@pytest.mark.slow
def test_types_are_those_of_the_weights_where_jax_would_take_float64():
    environment = {**os.environ, "JAX_ENABLE_X64": "1"}
    run = subprocess.run(
        [sys.executable, "-c", _DOUBLE], env=environment, capture_output=True, text=True
    )
    assert run.stdout.endswith("done\n"), run.stderr
