"""Networks for the benchmark of reuse, with random weights, and truncation calibrated for them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import rsf_jax as rsf
from benchmarks import clips
from benchmarks.networks import AlexNet, ResNet
from rsf_jax.calibration.truncation import calibrate
from rsf_jax.models.first import first_variables
from rsf_jax.reuse import METHODS, ReuseNetwork, frame_network
from rsf_jax.typing import Array, Variables

NETWORKS: dict[str, Callable[[], nn.Module]] = {"resnet18": ResNet, "alexnet": AlexNet}
# A noisy camera: standard deviation, a gray level of 256; share of pixels that change besides.
NOISE, BEHIND_NOISE = 1 / 255, 0.05
# Truncation is calibrated on so many short clips of so many pixels, for outputs whose mean error is
# no more than this share of what the outputs of different scenes deviate by.
CLIPS, FRAMES, SIDE, MAX_ERROR = 40, 3, 224, 0.2


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network with reuse, and in its fastest dense form.

    Attributes:
        name: its name.
        reuse: by method, or what else sets them apart.
        dense: the whole of a frame, compiled.
        deviation: what errors are relative to, see `Truncation`; None for the largest output.
    """

    name: str
    reuse: dict[str, ReuseNetwork]
    dense: Callable[[Array], Any]
    deviation: float | None = None

    def error(self, output: Array, expected: Array) -> float:
        """How far an output is from the dense network's."""
        differences = np.abs(np.asarray(output) - np.asarray(expected))
        if self.deviation is None:
            return float(differences.max() / np.abs(expected).max())
        return float(np.square(differences).mean() ** 0.5 / self.deviation)


@dataclasses.dataclass(frozen=True)
class Truncation:
    """Thresholds for a network, and how much its outputs tell scenes apart.

    Attributes:
        thresholds: by layer.
        deviation: standard deviation of an output over scenes, mean over the outputs. Those of
            random networks hardly differ: errors relative to the outputs would say nothing.
    """

    thresholds: dict[str, float]
    deviation: float


def image_network(
    name: str,
    size: tuple[int, ...],
    methods: Sequence[str],
    truncation: Truncation | None = None,
) -> Subject:
    """Returns a network of `NETWORKS` with random weights, for frames of a size.

    Args:
        name: of the network.
        size: height and width in pixels.
        methods: of reuse.
        truncation: adds the network "truncated", by these thresholds.
    """
    network = NETWORKS[name]()
    variables = first_variables(network, jax.random.key(0), jnp.zeros((1, *size, 3)))
    apply = jax.jit(network.apply)
    subject = Subject(name, _by_method(network, variables, methods), lambda x: apply(variables, x))
    if truncation is None:
        return subject
    truncated = ReuseNetwork(network, variables, thresholds=truncation.thresholds)
    both = subject.reuse | {"truncated": truncated}
    return dataclasses.replace(subject, reuse=both, deviation=truncation.deviation)


def contour_network(preset: str, shape: tuple[int, int], methods: Sequence[str]) -> Subject:
    """Returns a feedforward network of this library with random weights, for frames of a size."""
    model = rsf.build_model(rsf.get_config(preset))
    variables = first_variables(model, jax.random.key(0), jnp.zeros((1, 1, *shape, 1)))
    prepared, start = rsf.prepare(model, variables, shape), model.initial_state(1, shape)
    one = rsf.FixedSchedule(1, 1)
    apply = jax.jit(lambda prepared, x: rsf.run_frame(model, prepared, start, x, one)[1].logits)
    reuse = _by_method(frame_network(model), variables, methods)
    return Subject(preset, reuse, lambda x: apply(prepared, x))


def _by_method(network: Any, variables: Variables, methods: Sequence[str]) -> dict:
    return {method: ReuseNetwork(network, variables, method=method) for method in methods}


def calibrate_truncation(name: str) -> Truncation:
    """Calibrates truncation in front of noisy cameras, for agreement with the dense network."""
    size = (SIDE, SIDE)
    subject = image_network(name, size, METHODS[:1])
    films = [
        np.stack(clips.noisy(clips.fixed_camera(size, share, frames=FRAMES, seed=i), NOISE, i))
        for i, share in enumerate(np.linspace(0.005, 2 * BEHIND_NOISE, CLIPS))
    ]
    expected = np.array([[np.asarray(subject.dense(x)) for x in film] for film in films])
    deviation = float(expected[:, 0].std(0).mean())

    def score(outputs: list[Any], i: int) -> float:
        errors = np.square(np.array(outputs) - expected[i]).mean() ** 0.5 / deviation
        return max(0.0, 1 - float(errors))

    found = calibrate(subject.reuse[METHODS[0]], films, score, max_drop=MAX_ERROR)
    for each in found.tested:
        print(f"{name}: scale {each.scale:g}, error {each.drop:.4f}, work {each.work:.0%}")
    return Truncation(found.thresholds, deviation)
