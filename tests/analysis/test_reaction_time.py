"""Uncertainty over steps and the area under it: by hand, in NumPy, and of a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from configs import tiny_config
from recurrences import TinyModel

import rsf_jax as rsf
from rsf_jax import analysis
from rsf_jax.analysis import figures

SIZE = (4, 5)


class Counting(rsf.VideoModel):
    """Evidence for the second class grows with every step, where the frame is bright."""

    classes: int = 2

    def initial_carry(self, batch_size, height, width):
        return jnp.zeros((batch_size, 1, height, width), jnp.float32)

    def prepare(self, frame_shape):
        pass

    def drive(self, frame):
        return jnp.moveaxis(frame, -1, 1)

    def step(self, carry, drive):
        return carry + drive

    def hidden(self, carry):
        return carry

    def readout(self, carry):
        n = jnp.moveaxis(carry, 1, -1)
        # softplus of -100 is 0, of log(e^n - 1) it is n.
        return jnp.concatenate([jnp.full_like(n, -100), jnp.log(jnp.expm1(n + 1e-30))], -1)


@pytest.fixture(scope="module")
def counted():
    """Two frames of a pixel that is bright, and of one that is dark."""
    frames = np.array([1.0, 0.0] * 2, np.float32).reshape(1, 2, 1, 2, 1)
    where = np.array([[True, False], [False, False]]).reshape(1, 2, 1, 2)
    measure = analysis.reaction_times
    options = {"kind": "evidence", "with_maps": True}
    return [measure(Counting(), {}, frames, 3, where=chosen, **options) for chosen in (None, where)]


def test_a_case_by_hand(counted):
    """u = K / (K + n) where n is the evidence after n steps: 2/3, 2/4, 2/5, then 2/6, 2/7, 2/8."""
    everywhere, bright = counted
    u = [[2 / 3, 2 / 4, 2 / 5], [2 / 6, 2 / 7, 2 / 8]]
    areas = [(a + b) / 2 + (b + c) / 2 for a, b, c in u]
    np.testing.assert_allclose(everywhere.maps[0, :, 0, 0], areas, rtol=1e-5)
    np.testing.assert_allclose(everywhere.maps[0, :, 0, 1], 2, rtol=1e-5)  # nothing is ever seen
    np.testing.assert_allclose(everywhere.curve[0], (np.array(u) + 1) / 2, rtol=1e-5)
    np.testing.assert_allclose(everywhere.xi[0], [(a + 2) / 2 for a in areas], rtol=1e-5)
    np.testing.assert_allclose(bright.curve[0, 0], u[0], rtol=1e-5)
    np.testing.assert_allclose(bright.xi[0], [areas[0], np.nan], rtol=1e-5)
    where = np.array([[True, False], [False, False]]).reshape(1, 2, 1, 2)
    np.testing.assert_allclose(analysis.within(everywhere.maps, where), bright.xi, rtol=1e-5)


def test_entropy_is_that_of_the_softmax():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -(p * np.log(p)).sum(-1) / np.log(4)
    np.testing.assert_allclose(analysis.uncertainty(logits, "entropy"), expected, rtol=1e-4)
    assert analysis.uncertainty(np.zeros((1, 4), np.float32), "entropy")[0] == pytest.approx(1)
    assert analysis.uncertainty_of(tiny_config()) == "entropy"
    assert analysis.uncertainty_of(tiny_config(loss="evidential")) == "evidence"


def test_a_model_is_followed_as_it_runs():
    model = TinyModel()
    frames = np.random.default_rng(0).random((2, 3, *SIZE, 1), np.float32)
    variables = model.init(jax.random.key(0), frames)
    schedule = rsf.FixedSchedule(4, 4)
    out = rsf.run_video(model, variables, frames, schedule, record_states=True)
    p = jax.nn.softmax(out.states[..., :2])  # TinyModel reads its first channels
    entropy = np.asarray(-(p * jnp.log(p)).sum(-1) / np.log(2))  # [B, T, N, H, W]
    found = analysis.reaction_times(model, variables, frames, 4, with_maps=True)
    np.testing.assert_allclose(found.curve, entropy.mean((3, 4)), rtol=1e-4)
    areas = (entropy[:, :, 1:] + entropy[:, :, :-1]).sum(2) / 2
    np.testing.assert_allclose(found.maps, areas, rtol=1e-4)
    np.testing.assert_allclose(found.xi, found.maps.mean((2, 3)), rtol=1e-5)
    curves = analysis.uncertainty_curves(found.curve)
    np.testing.assert_allclose(curves.first[1], np.median(found.curve[:, 0], 0), rtol=1e-5)
    assert curves.later.shape == (3, 4)


def test_bad_arguments_are_named():
    model, frames = TinyModel(), np.zeros((1, 2, *SIZE, 1), np.float32)
    for changes, message in (
        ({"steps": 1}, "steps is 1: an area under a curve needs at least 2"),
        ({"kind": "doubt"}, "uncertainty is 'doubt': choose one of evidence, entropy"),
        ({"where": np.ones((1, 2, 4, 4), bool)}, r"where is bool\[1, 2, 4, 4\]: bool\[1, 2, 4, 5"),
        ({"where": np.ones((1, 2, *SIZE))}, r"where is float64\[1, 2, 4, 5\]"),
    ):
        options = {"steps": 3, **changes}
        with pytest.raises(rsf.InputError, match=message):
            analysis.reaction_times(model, {}, frames, **options)


@pytest.mark.parametrize("frames", [1, 2])
def test_it_is_drawn_with_the_kind_of_uncertainty(counted, frames):
    found = counted[0]
    reactions = analysis.Reactions(
        kind="evidence",
        curves=analysis.uncertainty_curves(found.curve[:, :frames]),
        xi=np.asarray(found.xi)[:, :frames],
        foreground=np.asarray(found.xi)[:, :frames],
        maps=np.asarray(found.maps[0]),
        frames=np.zeros((2, 1, 2, 1), np.float32),
    )
    figure = figures.reaction_time(reactions, 2)
    assert figure.axes[0].get_ylabel() == "uncertainty, by evidence (vacuity)"
    (line, *_) = figure.axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), found.curve[0, 0], rtol=1e-5)
    shown = figure.axes[2].images[0].get_array()
    np.testing.assert_allclose(shown, found.maps[0, 0], rtol=1e-5)
