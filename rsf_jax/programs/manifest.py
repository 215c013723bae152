"""What stands beside a program: what it takes and gives, what the model is, and checksums."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.policies.specs import to_spec
from rsf_jax.trained.model import Trained
from rsf_jax.version import __version__

VERSION = 1
FILE, STATE, READER = "manifest.json", "state.npz", "run.py"


def program_file(format: str) -> str:
    """Returns the name of a program's file."""
    return f"program.{format}"


def manifest(
    trained: Trained,
    policy: StepPolicy,
    frame_shape: tuple[int, int],
    *,
    format: str,
    weights: str,
    batch: int,
    state: Sequence[Any],
    folder: Path,
    platforms: Sequence[str] = (),
) -> dict[str, Any]:
    """Returns what JSON says of a program.

    Args:
        trained: the model.
        policy: recurrent steps of every frame.
        frame_shape: (height, width) in pixels.
        format: of the program.
        weights: as what they are stored.
        batch: videos run together; 0 for any number.
        state: arrays of the state of one video.
        folder: with the files.
        platforms: that it runs on; none where that is the runtime's affair.
    """
    height, width = frame_shape
    channels, appearance = trained.config.input_channels, trained.appearance
    size: int | str = batch or "B"
    shapes = [([size, *x.shape[1:]], x.dtype) for x in state]
    states = [_array(f"state.{n}", *kind) for n, kind in enumerate(shapes)]
    # ONNX tells arrays apart by their names.
    after = "next" if format == "onnx" else "state"
    following = [_array(f"{after}.{n}", *kind) for n, kind in enumerate(shapes)]
    frame = _array("frame", [size, height, width, channels], np.uint8)
    logits = _array("logits", [size, height, width, trained.config.classes], np.float32)
    return {
        "format": "rsf_jax.program",
        "version": VERSION,
        "files": {name: _checksum(folder / name) for name in (program_file(format), STATE)},
        "program": format,
        "platforms": list(platforms),
        "weights": weights,
        "inputs": [*states, frame],
        "outputs": [*following, logits, _array("steps", [size], np.int32)],
        "preprocessing": (
            f"resize to {height}x{width} pixels by area means, "
            + ("gray as .299 R + .587 G + .114 B" if channels == 1 else "red, green, blue")
            + "; uint8, as it is"
        ),
        "model": trained.card.name if trained.card else trained.config.name,
        "update": trained.update,
        "policy": policy_name(policy),
        "policy_spec": to_spec(policy),
        "most_steps": policy.max_steps,
        "stateful": trained.config.stateful,
        "classes": appearance.class_names,
        "colors": np.asarray(appearance.colors).tolist(),
        "background": appearance.background,
        "made_with": {"rsf_jax": __version__, "jax": jax.__version__},
    }


def _array(name: str, shape: Sequence[int | str], dtype: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "dtype": str(np.dtype(dtype))}


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
