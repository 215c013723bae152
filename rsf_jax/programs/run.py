"""Runs the program that lies beside this file: with NumPy, and JAX or ONNX Runtime.

    python run.py frames.npy masks.npy    # uint8 [T, H, W, I] in, class indices uint8 [T, H, W] out

In a program: `video = Video("folder")`, then `logits, steps = video.run(frame)` for each frame.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# From the arrays of a state and a frame to those of the next state, logits and steps.
Step = Callable[[Sequence[Any]], Sequence[Any]]


def _stablehlo(content: bytes, names: Sequence[str], options: dict[str, Any]) -> Step:
    import jax
    from jax import export

    call = jax.jit(export.deserialize(bytearray(content)).call, **options)
    return lambda given: call(list(given[:-1]), given[-1])


def _onnx(content: bytes, names: Sequence[str], options: dict[str, Any]) -> Step:
    import onnxruntime

    options = {"providers": onnxruntime.get_available_providers(), **options}
    session = onnxruntime.InferenceSession(content, **options)
    return lambda given: session.run(None, dict(zip(names, given)))


class Video:
    """A video, or several side by side, whose state is kept from frame to frame.

    Args:
        folder: of the program.
        batch: videos side by side, if the program takes any number.
        options: of `jax.jit`, such as `device`; or of `onnxruntime.InferenceSession`, such as
            `providers` and `sess_options`.

    Raises:
        ValueError: if a file is damaged.
    """

    def __init__(self, folder: str | Path, batch: int = 1, **options: Any) -> None:
        folder = Path(folder).expanduser()
        self.manifest = json.loads((folder / "manifest.json").read_text())
        content = {name: (folder / name).read_bytes() for name in self.manifest["files"]}
        for name, wanted in self.manifest["files"].items():
            if hashlib.sha256(content[name]).hexdigest() != wanted:
                raise ValueError(f"{folder / name} is damaged: its checksum is another")
        kind, inputs = self.manifest["program"], self.manifest["inputs"]
        load = {"stablehlo": _stablehlo, "onnx": _onnx}[kind]
        self._call = load(content[f"program.{kind}"], [one["name"] for one in inputs], options)
        size = inputs[-1]["shape"][0]
        self._size = batch if size == "B" else size
        with np.load(folder / "state.npz") as saved:
            self._first = [np.repeat(saved[name], self._size, 0) for name in saved.files]
        self.reset()

    def reset(self) -> None:
        """Begins a video."""
        self._state: list[Any] = list(self._first)

    def run(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [B, H, W, K] and steps [B] of the next frame, uint8 [B, H, W, I]."""
        *self._state, logits, steps = self._call([*self._state, frame])
        return np.asarray(logits), np.asarray(steps)


def main() -> None:
    """Runs a video of the first file, and writes the second."""
    video = Video(Path(__file__).parent)
    masks, steps = [], []
    for frame in np.load(sys.argv[1]):
        logits, taken = video.run(frame[None])
        masks.append(logits[0].argmax(-1).astype(np.uint8))
        steps.append(int(taken[0]))
    np.save(sys.argv[2], np.stack(masks))
    print("steps", *steps)


if __name__ == "__main__":
    main()
