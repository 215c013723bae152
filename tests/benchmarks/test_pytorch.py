"""The PyTorch model is the same function; runs where PyTorch is installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from benchmarks.cases import agreement, build_workload, random_batch, step_counts
from benchmarks.pytorch import PyTorchModel

import rsf_jax as rsf
from rsf_jax.training.step import video_gradients

pytest.importorskip("torch")

CONFIG = rsf.get_config("quickstart").replace(channels=3, kernel_size=5)
SCHEDULE = rsf.FixedSchedule(3, 2)


@pytest.fixture(scope="module")
def work():
    return build_workload(CONFIG, 1, 3, 12, with_torch=True)


def test_steps_are_the_same(work):
    h, x = np.random.default_rng(0).random((2, 1, 3, 12, 12), np.float32)
    ours = jnp.asarray(h)
    for _ in range(3):
        ours = work.model.apply(work.variables, ours, jnp.asarray(x), method="step")
    np.testing.assert_allclose(ours, work.torch.steps(h, x, 3).numpy(), atol=1e-5)


def test_classes_of_a_stream_are_the_same(work):
    assert agreement(work, SCHEDULE) > 0.99


def test_losses_and_gradients_are_the_same(work):
    batch = random_batch(work.frames)
    found = jax.jit(video_gradients, static_argnums=0)(
        work.model, work.variables, batch, jnp.ones(1), SCHEDULE
    )
    theirs = work.torch.gradients(work.frames, batch.masks, step_counts(SCHEDULE, 3), 2.0)
    assert float(found.loss) == pytest.approx(theirs, rel=1e-4)
    for name in ("inhibition", "excitation", "gate1"):
        ours, expected = (
            found.gradients["cell"][name],
            work.torch.weights[f"cell/{name}"].grad.numpy(),
        )
        assert np.linalg.norm(ours - expected) < 1e-3 * np.linalg.norm(expected)


def test_other_cells_are_refused():
    with pytest.raises(rsf.InputError, match="hgru cell alone"):
        PyTorchModel({"cell": {}})
