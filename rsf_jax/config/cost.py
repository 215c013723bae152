"""What a model costs: multiply-adds, counted in its equations, without running it."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from rsf_jax.config.build import build_model
from rsf_jax.config.config import Config
from rsf_jax.models.base import count_parameters


@dataclasses.dataclass(frozen=True)
class Cost:
    """The size of a model and the arithmetic it stands for.

    Multiply-adds are those of direct convolutions and 1x1 convolutions, per image: the paper's
    estimate, whatever method computes them. What is done at every pixel alone is left out.

    Attributes:
        parameters: trainable values.
        per_step: multiply-adds of one recurrent step, with the halting head if there is one.
        per_frame: those of each frame besides its steps: stem, the input's part of gates, readout.
        per_video: those of a video under the configuration's schedule.
    """

    parameters: int
    per_step: int
    per_frame: int
    per_video: int


def cost(config: Config, frame_shape: tuple[int, int] = (128, 128), frame_count: int = 8) -> Cost:
    """Returns what the model of a configuration costs, by tracing it.

    Args:
        config: model and schedule.
        frame_shape: (height, width) in pixels.
        frame_count: frames of a video.
    """
    model = build_model(config.replace(conv_method="direct"))
    video = jax.ShapeDtypeStruct((1, 1, *frame_shape, model.input_channels), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), video)
    frame = jax.ShapeDtypeStruct((1, *frame_shape, model.input_channels), jnp.float32)
    carry = jax.eval_shape(lambda: model.initial_carry(1, *frame_shape))

    def traced(method: str, *args: Any) -> int:
        jaxpr = jax.make_jaxpr(lambda v, *a: model.apply(v, *a, method=method))(variables, *args)
        return multiply_adds(jaxpr)

    drive = jax.eval_shape(lambda v, f: model.apply(v, f, method="drive"), variables, frame)
    per_step = traced("step", carry, drive)
    if model.halting_head:
        per_step += traced("halt", carry, carry)
    per_frame = traced("drive", frame) + traced("readout", carry)
    steps = config.slow_steps + config.fast_steps * (frame_count - 1)
    per_video = steps * per_step + frame_count * per_frame
    return Cost(count_parameters(variables), per_step, per_frame, per_video)


def multiply_adds(jaxpr: ClosedJaxpr) -> int:
    """Counts the multiply-adds of all convolutions and products of matrices of a program."""
    return sum(repeats * _of_equation(eqn) for eqn, repeats in _equations(jaxpr.jaxpr, 1))


def _equations(jaxpr: Jaxpr, repeats: int) -> Iterator[tuple[JaxprEqn, int]]:
    for eqn in jaxpr.eqns:
        yield eqn, repeats
        inner = repeats * eqn.params.get("length", 1)  # of a scan
        for value in jax.tree.leaves(
            list(eqn.params.values()), is_leaf=lambda x: isinstance(x, (ClosedJaxpr, Jaxpr))
        ):
            if isinstance(value, ClosedJaxpr):
                yield from _equations(value.jaxpr, inner)
            elif isinstance(value, Jaxpr):
                yield from _equations(value, inner)


def _of_equation(eqn: JaxprEqn) -> int:
    shapes = [getattr(v.aval, "shape", ()) for v in eqn.invars]
    out = math.prod(getattr(eqn.outvars[0].aval, "shape", ()))
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return out * math.prod(shapes[0][axis] for axis in contracted)
    if eqn.primitive.name == "conv_general_dilated":
        features = eqn.params["dimension_numbers"].rhs_spec[0]
        return out * math.prod(shapes[1]) // shapes[1][features]
    return 0
