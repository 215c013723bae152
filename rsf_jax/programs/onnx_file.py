"""A model under a policy as a model of ONNX."""

from typing import Any

from jax import export

from rsf_jax.ops import onednn
from rsf_jax.ops.portable import portable
from rsf_jax.policies import StepPolicy
from rsf_jax.programs.frame_step import arguments, frame_step
from rsf_jax.programs.jaxpr_to_onnx.convert import convert
from rsf_jax.programs.weights import store
from rsf_jax.trained.model import Trained


def onnx_program(
    trained: Trained,
    policy: StepPolicy,
    frame_shape: tuple[int, int],
    *,
    batch: int,
    weights: str,
) -> bytes:
    """Returns a program as ONNX has it; the arguments are those of `export_program`."""
    step = frame_step(trained, policy, frame_shape)
    (size,) = (batch,) if batch else export.symbolic_shape("B")
    leaves, frame = arguments(trained, policy, frame_shape, size)
    count = len(leaves)
    inputs = {f"state.{n}": leaf for n, leaf in enumerate(leaves)} | {"frame": frame}

    def function(stored: Any, given: list[Any]) -> list[Any]:
        return step(stored, given[:count], given[count])

    names = [*(f"next.{n}" for n in range(count)), "logits", "steps"]
    with portable(), onednn.left_out():
        model = convert(function, store(trained.variables, weights), inputs, names)
    return bytes(model.SerializeToString())
