"""The model that the site's page runs: exported by the library, with streams to show it."""

import json
import tempfile
from pathlib import Path

import numpy as np

import rsf_jax as rsf
from rsf_jax import programs
from rsf_jax.serving import demo

STREAMS = 4  # shown one after the other
_SUBSET = "quickstart_live"


def files() -> dict[str, bytes]:
    """Returns what the page loads, by name.

    `program.onnx` is the bundled model under the policy of the server's demo, for one video;
    `state.bin` has the arrays of its first state one after the other, little-endian; `stream.bin`
    frames of live T-Pathfinder, uint8 [T, H, W]; and `program.json` the manifest, with the
    number of these frames and how many are shown in a second.
    """
    trained = rsf.load_pretrained(demo.MODEL)
    with tempfile.TemporaryDirectory() as made:
        folder = programs.export_program(trained, demo.policy(), made, format="onnx")
        told = json.loads((folder / "manifest.json").read_text())
        program = (folder / "program.onnx").read_bytes()
        state = first_state(folder)
    shown = frames()
    told |= {"frames": len(shown), "frames_per_second": demo.FRAMES_PER_SECOND}
    return {
        "program.onnx": program,
        "program.json": json.dumps(told).encode(),
        "state.bin": state,
        "stream.bin": shown.tobytes(),
    }


def first_state(folder: Path) -> bytes:
    """Returns the arrays of a program's state before the first frame, one after the other."""
    with np.load(folder / "state.npz") as saved:
        arrays = [saved[name] for name in saved.files]
    return b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)


def frames() -> np.ndarray:
    """Returns streams with pauses and cuts, one after the other, uint8 [T, H, W, I]."""
    from rsf_jax.datasets.t_pathfinder_live.generator import stream
    from rsf_jax.datasets.t_pathfinder_live.subsets import SUBSETS

    subset = SUBSETS[_SUBSET]
    made = (stream(subset.settings, subset.seed, number)["frames"] for number in range(STREAMS))
    return np.concatenate(list(made))
