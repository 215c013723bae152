"""A model under a policy as a program of StableHLO, for several kinds of devices."""

from collections.abc import Sequence

import flatbuffers  # noqa: F401  # which jax.export writes with: what is missing is told here
import jax
from jax import export

from rsf_jax.ops import onednn
from rsf_jax.policies import StepPolicy
from rsf_jax.programs.frame_step import arguments, frame_step
from rsf_jax.programs.weights import store
from rsf_jax.trained.model import Trained


def stablehlo_program(
    trained: Trained,
    policy: StepPolicy,
    frame_shape: tuple[int, int],
    *,
    batch: int,
    weights: str,
    platforms: Sequence[str],
) -> bytes:
    """Returns a program as `jax.export` writes it; the arguments are those of `export_program`."""
    step = frame_step(trained, policy, frame_shape)
    # What is made of them, such as spectra, is 10 to 20 times their size; XLA computes it where it
    # compiles the program.
    kept = store(trained.variables, weights)
    (size,) = (batch,) if batch else export.symbolic_shape("b")
    leaves, frame = arguments(trained, policy, frame_shape, size)
    with onednn.left_out():  # which a reader of the file does not have
        function = jax.jit(lambda leaves, frame: step(kept, leaves, frame))
        return bytes(export.export(function, platforms=tuple(platforms))(leaves, frame).serialize())
