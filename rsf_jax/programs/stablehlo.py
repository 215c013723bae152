"""Writes a model under a policy as one program of StableHLO, for several kinds of devices."""

import dataclasses
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers  # noqa: F401  # which jax.export writes with: what is missing is told here
import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from rsf_jax.arguments import check_choice, whole
from rsf_jax.checks import check_policy
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_bytes, write_json
from rsf_jax.models.base import State
from rsf_jax.ops import onednn
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy
from rsf_jax.programs import manifest
from rsf_jax.trained.model import Trained
from rsf_jax.unroll import run_frame

PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(
    trained: Trained,
    policy: StepPolicy,
    folder: str | Path,
    *,
    frame_shape: tuple[int, int] | None = None,
    batch: int = 1,
    platforms: Sequence[str] = PLATFORMS,
) -> Path:
    """Writes a program that runs one frame of each video, weights, schedule and gate inside.

    Its inputs are the arrays of the state and a frame, uint8 [B, H, W, I]; its outputs the arrays
    of the next state, logits, float32 [B, H, W, K], and steps, int32 [B]. `manifest.json` names
    them, `state.npz` is the state before the first frame, and `run.py` runs it with JAX alone.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        folder: for the files; made if it is not there.
        frame_shape: (height, width) in pixels; None for the frames of training.
        batch: videos run together, B; 0 for any number.
        platforms: of `PLATFORMS`, all in one file.

    Returns:
        The folder.

    Raises:
        InputError: if an argument is not allowed, or the frame size of training is not known.
    """
    check_policy(policy)
    batch = whole("batch", batch, least=0)
    frame_shape = frame_shape or trained.appearance.frame_size
    if frame_shape is None:
        raise InputError("the frame size of training is not known: give frame_shape")
    if not platforms:
        raise InputError(f"platforms is empty: choose of {', '.join(PLATFORMS)}")
    for platform in platforms:
        check_choice("platforms", platform, PLATFORMS)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = first_state(trained, policy, frame_shape)
    program = _program(trained, policy, frame_shape, batch, platforms)
    write_bytes(folder / manifest.PROGRAM, bytes(program.serialize()))
    _write_state(folder / manifest.STATE, jax.tree.leaves(state))
    told = manifest.manifest(
        trained,
        policy,
        frame_shape,
        batch=batch,
        platforms=platforms,
        state=jax.tree.leaves(state),
        folder=folder,
    )
    shutil.copyfile(Path(__file__).with_name(manifest.READER), folder / manifest.READER)
    write_json(folder / manifest.FILE, told)
    return folder


def first_state(trained: Trained, policy: StepPolicy, frame_shape: tuple[int, int]) -> State:
    """Returns the state of one video before its first frame, of model and policy."""
    frame = jnp.zeros((1, *frame_shape, trained.config.input_channels))
    state = trained.model.initial_state(1, frame_shape)
    return dataclasses.replace(state, memory=policy.init_memory(frame))


def _program(
    trained: Trained,
    policy: StepPolicy,
    frame_shape: tuple[int, int],
    batch: int,
    platforms: Sequence[str],
) -> export.Exported:
    prepared = trained.prepare(frame_shape)
    like = first_state(trained, policy, frame_shape)
    structure = jax.tree.structure(like)

    def step(leaves: list[Any], frame: Any) -> list[Any]:
        state = jax.tree.unflatten(structure, leaves)
        state, out = run_frame(
            trained.model,
            prepared,
            state,
            as_float(frame),
            policy,
            stateful=trained.config.stateful,
        )
        return [*jax.tree.leaves(state), out.logits, out.steps]

    (size,) = (batch,) if batch else export.symbolic_shape("b")
    leaves = [jax.ShapeDtypeStruct((size, *x.shape[1:]), x.dtype) for x in jax.tree.leaves(like)]
    shape = (size, *frame_shape, trained.config.input_channels)
    frame = jax.ShapeDtypeStruct(shape, jnp.uint8)
    with onednn.left_out():  # which a reader of the file does not have
        return export.export(jax.jit(step), platforms=tuple(platforms))(leaves, frame)


def _write_state(path: Path, leaves: Sequence[Any]) -> None:
    content = io.BytesIO()
    np.savez(content, *(np.asarray(leaf) for leaf in leaves))
    write_bytes(path, content.getvalue())
