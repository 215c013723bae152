import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest

import rsf_jax as rsf
from rsf_jax.data.batch import Batch
from rsf_jax.measures.losses import Objective
from rsf_jax.ops.norm import RUNNING
from rsf_jax.training.state import build_optimizer, create_state
from rsf_jax.training.step import make_train_step, video_gradients

ONCE = rsf.FixedSchedule(1, 1)

# Trainable values. Those of Conv3D are within 2 % of the paper's 0.846 and 1.198 million.
PARAMETERS = {
    "hgru": 284_227,
    "clstm": 1_126_452,
    "ff6": 845_527,
    "ff8": 1_126_927,
    "ffres6": 845_527,
    "ffres6fixed": 845_527,
    "ffres8": 1_126_927,
    "conv3ds": 845_302,
    "conv3dm": 1_216_862,
}
CONV3D_OF_THE_PAPER = {"conv3ds": 0.846e6, "conv3dm": 1.198e6}


@pytest.mark.parametrize(("model", "count"), PARAMETERS.items())
def test_parameters(model, count):
    recurrent = {"hgru": "hard_s8f8", "clstm": "hard_s8f8_clstm"}
    config = rsf.get_config(recurrent.get(model, f"hard_{model}"))
    frames = jax.ShapeDtypeStruct((1, 1, 8, 8, 1), jnp.float32)
    variables = jax.eval_shape(rsf.build_model(config).init, jax.random.key(0), frames)
    assert rsf.count_parameters(variables) == count
    paper = CONV3D_OF_THE_PAPER.get(model, count)
    assert abs(count - paper) < 0.02 * paper


def _small(model, **changes):
    config = rsf.get_config("quickstart_" + model)
    return config.replace(channels=3, kernel_size=3, **changes)


def _start(model, seed=0, **changes):
    config = _small(model, **changes)
    built = rsf.build_model(config)
    state = create_state(built, build_optimizer(config, 10), seed, (9, 10))
    # Statistics of something other than nothing.
    statistics = jax.tree.map(
        lambda x: x + jnp.arange(x.size, dtype=x.dtype).reshape(x.shape) / 7, state.model_state
    )
    return built, {"params": state.params, **statistics}


def _video(frames=4, batch=2):
    return np.random.default_rng(0).random((batch, frames, 9, 10, 1)).astype(np.float32)


def test_conv3d_is_a_causal_convolution_over_space_and_time():
    model, variables = _start("conv3ds")
    video = _video()
    ours = rsf.run_video(model, variables, video, ONCE).logits
    tree = jax.tree.map(lambda x: np.asarray(x, np.float64), variables)
    params, running = tree["params"], tree[RUNNING]

    def norm(name, x):
        c = (None, slice(None), None, None)
        scale = params[name]["scale"] / np.sqrt(running[name]["variance"] + 1e-5)
        return (x - running[name]["mean"][c]) * scale[c] + params[name]["bias"][c]

    frames = np.moveaxis(video.astype(np.float64), (1, -1), (0, 2))  # [T, B, 1, H, W]
    xs = [norm("stem_norm", oracle.correlate(x, params["stem"])) for x in frames]
    for i in range(3):
        now, before = np.split(params[f"layers_{i}"]["kernel"], 2, axis=-1)
        bias = params[f"layers_{i}"]["bias"][None, :, None, None]
        past = [np.zeros_like(xs[0]), *xs[:-1]]
        xs = [
            np.maximum(
                norm(f"norms_{i}", oracle.correlate(x, now) + oracle.correlate(p, before) + bias), 0
            )
            for x, p in zip(xs, past)
        ]
    conv = params["conv"]
    theirs = [np.einsum("bchw,ck->bhwk", x, conv["kernel"][0, 0]) + conv["bias"] for x in xs]
    np.testing.assert_allclose(ours, np.stack(theirs, 1), atol=1e-4)


@pytest.mark.parametrize("model", ["ff6", "ffres6", "ffres8", "conv3ds"])
def test_whole_videos_are_the_frames_one_after_another(model):
    model, variables = _start(model)
    video = _video()
    together = model.apply(variables, video, method="video")
    expected = rsf.run_video(model, variables, video, ONCE).logits
    np.testing.assert_allclose(together, expected, atol=1e-5)


@pytest.mark.parametrize("model", ["ffres6", "conv3ds"])
def test_frames_one_by_one_are_the_video(model):
    model, variables = _start(model)
    video = _video()
    together = rsf.run_video(model, variables, video, ONCE, record_states=True)
    assert together.states.shape == (2, 4, 1, 9, 10, 3)
    np.testing.assert_array_equal(together.steps, 1)
    state = model.initial_state(2, (9, 10))
    for t in range(4):
        state, out = rsf.run_frame(model, variables, state, video[:, t], ONCE)
        np.testing.assert_allclose(out.logits, together.logits[:, t], atol=1e-5)


def test_only_conv3d_sees_earlier_frames():
    video = _video()
    other = video.copy()
    other[:, 0] = 1 - other[:, 0]
    for name, sees in (("ff6", False), ("conv3ds", True)):
        model, variables = _start(name)
        a, b = (rsf.run_video(model, variables, v, ONCE).logits[:, 1] for v in (video, other))
        assert bool(np.abs(a - b).max() > 1e-4) == sees
        alone = rsf.run_video(model, variables, video[:, 1:], ONCE).logits[:, 0]
        stateless = rsf.run_video(model, variables, video, ONCE, stateful=False).logits[:, 1]
        np.testing.assert_allclose(alone, stateless, atol=1e-5)


def test_running_statistics_make_results_independent_of_the_batch():
    model, variables = _start("ff6")
    video = _video(batch=3)
    together = rsf.run_video(model, variables, video, ONCE).logits
    alone = rsf.run_video(model, variables, video[1:2], ONCE).logits
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_there_are_no_recurrent_steps_to_choose():
    model, variables = _start("ff6")
    with pytest.raises(rsf.InputError, match="policy s8f2: this model has no recurrent steps"):
        rsf.run_video(model, variables, _video(), rsf.FixedSchedule(8, 2))


def _batch(videos):
    rng = np.random.default_rng(1)
    masks = (rng.random((videos, 3, 9, 10)) < 0.3).astype(np.uint8)
    return Batch(255 * masks[..., None], masks, np.ones(videos, np.float32))


def test_conv3d_learns_through_frames():
    """Its gradients are those of the whole video, as no sum over frames alone would be."""
    model, variables = _start("conv3ds", norm_statistics="batch")
    batch, shares = _batch(2), jnp.full(2, 0.5)

    @jax.jit
    def measure(params):
        # Without the focal weight, through which nothing is differentiated.
        return video_gradients(
            model, {**variables, "params": params}, batch, shares, ONCE, objective=Objective(0.0)
        )

    params = variables["params"]
    gradients = measure(params).gradients
    ahead, behind = (
        measure(jax.tree.map(lambda p, g, s=step: p + s * g, params, gradients)).loss
        for step in (1e-2, -1e-2)
    )
    squared = sum(float(jnp.sum(g * g)) for g in jax.tree.leaves(gradients))
    assert float(ahead - behind) / 2e-2 == pytest.approx(squared, rel=2e-2)


@pytest.mark.parametrize("name", ["clstm", "ff6", "ffres8", "conv3ds"])
def test_updates_lower_the_loss(name):
    config = _small(name, learning_rate=1e-2, lr_schedule="constant", warmup_steps=0)
    if name == "clstm":
        config = config.replace(slow_steps=2)
    model, optimizer = rsf.build_model(config), build_optimizer(config, 10)
    schedule = rsf.FixedSchedule(config.slow_steps, config.fast_steps)
    step = jax.jit(make_train_step(model, schedule, optimizer))
    state, losses = create_state(model, optimizer, 0, (9, 10)), []
    for _ in range(12):
        state, metrics = step(state, _batch(4))
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.8 * losses[0]
    if name != "clstm":
        counts = {int(norm["count"]) for norm in state.model_state[RUNNING].values()}
        assert counts == {12}
