"""Writes a small example of a folder of videos: python example.py my_videos.

Discs and squares of any color drift over mottled ground and past each other, seen through noise:
what a pixel is, its color does not tell.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ground", "disc", "square")
COLORS = ((60, 60, 70), (240, 180, 40), (70, 150, 240))
HEIGHT, WIDTH = 64, 80  # pixels
FRAMES = 8  # of a sequence
SPLITS = {"train": 40, "validation": 8, "test": 12}  # sequences
_OBJECTS = 5
_NOISE = 12.0  # standard deviation of a pixel's value, of 255


def write(folder: Path, seed: int = 0) -> None:
    """Writes sequences, masks and `dataset.yaml`.

    Args:
        folder: is made; nothing in it may have the names of the sequences.
        seed: of everything drawn.

    Raises:
        FileExistsError: if a sequence is there already.
    """
    rng = np.random.default_rng(seed)
    names = {split: [f"{split}{i:02}" for i in range(n)] for split, n in SPLITS.items()}
    for name in itertools.chain(*names.values()):
        frames, masks = draw_sequence(rng)
        for part, images in ((name, frames), (f"{name}_mask", masks)):
            (folder / part).mkdir(parents=True)
            for t, image in enumerate(images):
                Image.fromarray(image).save(folder / part / f"{t:04}.png")
    splits = "".join(f"  {split}: [{', '.join(of)}]\n" for split, of in names.items())
    (folder / "dataset.yaml").write_text(
        f"classes: [{', '.join(CLASSES)}]\n"
        f"colors: {[list(color) for color in COLORS]}\n"
        f"splits:\n{splits}"
    )


def draw_sequence(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns frames uint8 [T, H, W, 3] and masks uint8 [T, H, W] of one sequence."""
    ground = _mottled(rng)
    kinds = rng.integers(1, len(CLASSES), _OBJECTS)
    colors = rng.uniform(40, 215, (_OBJECTS, 3))
    radii = rng.uniform(6, 12, _OBJECTS)
    start = rng.uniform((0, 0), (HEIGHT, WIDTH), (_OBJECTS, 2))
    velocity = rng.normal(0, 2.0, (_OBJECTS, 2))  # pixels a frame
    frames = np.empty((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    masks = np.zeros((FRAMES, HEIGHT, WIDTH), np.uint8)
    for t in range(FRAMES):
        frame = ground.copy()
        for kind, color, radius, center in zip(kinds, colors, radii, start + t * velocity):
            inside = _inside(kind, center, radius)
            frame[inside], masks[t][inside] = color, kind
        noisy = frame + rng.normal(0, _NOISE, frame.shape)
        frames[t] = noisy.clip(0, 255).round()
    return frames, masks


def _inside(kind: int, center: np.ndarray, radius: float) -> np.ndarray:
    """Pixels of an object, bool [H, W]; both kinds cover about the same area."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    dy, dx = np.abs(y - center[0]), np.abs(x - center[1])
    if CLASSES[kind] == "disc":
        return dy**2 + dx**2 <= radius**2
    return np.maximum(dy, dx) <= radius * np.sqrt(np.pi) / 2


def _mottled(rng: np.random.Generator) -> np.ndarray:
    """Patches of random colors with soft edges, float [H, W, 3]."""
    coarse = rng.uniform(40, 215, (5, 6, 3)).astype(np.uint8)
    patches = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(patches, float)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] + ".")
    parser.add_argument("folder", type=Path, help="is made")
    try:
        write(parser.parse_args().folder)
    except OSError as error:
        parser.error(str(error))
