"""Runs the program that lies beside this file, with ONNX Runtime and NumPy alone.

    python run.py frames.npy masks.npy    # uint8 [T, H, W, I] in, class indices uint8 [T, H, W] out

In a program: `video = Video("folder")`, then `logits, steps = video.run(frame)` for each frame.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Video:
    """A video, or several side by side, whose state is kept from frame to frame.

    Args:
        folder: of the program.
        batch: videos side by side, if the program takes any number.
        options: of `onnxruntime.InferenceSession`, such as `providers` or `sess_options`.
    """

    def __init__(self, folder: str | Path, batch: int = 1, **options: Any) -> None:
        folder = Path(folder)
        self.manifest = json.loads((folder / "manifest.json").read_text())
        content = {name: (folder / name).read_bytes() for name in self.manifest["files"]}
        for name, wanted in self.manifest["files"].items():
            if hashlib.sha256(content[name]).hexdigest() != wanted:
                raise ValueError(f"{folder / name} is damaged: its checksum is another")
        options = {"providers": onnxruntime.get_available_providers(), **options}
        self._session = onnxruntime.InferenceSession(content["program.onnx"], **options)
        self._names = [one["name"] for one in self.manifest["inputs"]]
        size = self.manifest["inputs"][-1]["shape"][0]
        self._size = batch if size == "B" else size
        with np.load(folder / "state.npz") as saved:
            self._first = [np.repeat(saved[name], self._size, 0) for name in saved.files]
        self.reset()

    def reset(self) -> None:
        """Begins a video."""
        self._state = list(self._first)

    def run(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [B, H, W, K] and steps [B] of the next frame, uint8 [B, H, W, I]."""
        given = dict(zip(self._names, [*self._state, frame]))
        *self._state, logits, steps = self._session.run(None, given)
        return logits, steps


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
