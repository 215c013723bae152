"""Writes a model under a policy as one program, with what it takes to run it beside it."""

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsf_jax.arguments import check_choice, whole
from rsf_jax.checks import check_policy
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_bytes, write_json
from rsf_jax.paths import expand
from rsf_jax.policies import StepPolicy
from rsf_jax.programs import manifest
from rsf_jax.programs.frame_step import first_state
from rsf_jax.programs.weights import WEIGHTS
from rsf_jax.run_folder import gone_if_empty, writable_folder
from rsf_jax.trained.model import Trained

FORMATS = ("stablehlo", "onnx")
PLATFORMS = ("cpu", "cuda", "tpu")


def export_program(
    trained: Trained,
    policy: StepPolicy,
    folder: str | Path,
    *,
    format: str = "stablehlo",
    weights: str = "float32",
    frame_shape: tuple[int, int] | None = None,
    batch: int = 1,
    platforms: Sequence[str] = PLATFORMS,
) -> Path:
    """Writes a program that runs one frame of each video, weights, schedule and gate inside.

    Its inputs are the arrays of the state and a frame, uint8 [B, H, W, I]; its outputs the arrays
    of the next state, logits, float32 [B, H, W, K], and steps, int32 [B]. `manifest.json` names
    them, `state.npz` is the state before the first frame, and `run.py` runs it without the
    library: with JAX, or with ONNX Runtime.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        folder: for the files; made if it is not there.
        format: "stablehlo", or "onnx" (opset 18).
        weights: as what they are stored: "float32", "bfloat16" or "int8", see `weights.store`. The
            program computes in float32.
        frame_shape: (height, width) in pixels; None for the frames of training.
        batch: videos run together, B; 0 for any number.
        platforms: of `PLATFORMS`, all in one file, of StableHLO; ONNX knows none.

    Returns:
        The folder.

    Raises:
        InputError: if an argument is not allowed, the frame size of training is not known, the
            folder cannot be written to, or the model or the policy has an operation that has no
            form in ONNX here.
    """
    check_policy(policy)
    check_choice("format", format, FORMATS)
    check_choice("weights", weights, WEIGHTS)
    batch = whole("batch", batch, least=0)
    frame_shape = trained.appearance.frame_shape(frame_shape)
    if not platforms:
        raise InputError(f"platforms is empty: choose of {', '.join(PLATFORMS)}")
    for platform in platforms:
        check_choice("platforms", platform, PLATFORMS)
    options: dict[str, Any] = {"batch": batch, "weights": weights}
    with gone_if_empty(expand(folder)):
        folder = writable_folder(folder)  # before the work
        if format == "onnx":
            from rsf_jax.programs.onnx_file import onnx_program

            program = onnx_program(trained, policy, frame_shape, **options)
        else:
            from rsf_jax.programs.stablehlo import stablehlo_program

            options["platforms"] = tuple(platforms)
            program = stablehlo_program(trained, policy, frame_shape, **options)
    state = jax.tree.leaves(first_state(trained, policy, frame_shape))
    write_bytes(folder / manifest.program_file(format), program)
    _write_state(folder / manifest.STATE, state)
    told = manifest.manifest(
        trained, policy, frame_shape, format=format, state=state, folder=folder, **options
    )
    shutil.copyfile(Path(__file__).with_name(manifest.READER), folder / manifest.READER)
    write_json(folder / manifest.FILE, told)
    return folder


def _write_state(path: Path, leaves: Sequence[Any]) -> None:
    content = io.BytesIO()
    np.savez(content, *(np.asarray(leaf) for leaf in leaves))
    write_bytes(path, content.getvalue())
