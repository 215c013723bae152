"""Clips of one's own video, without labels, to calibrate on."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np

from rsf_jax.arguments import several, whole
from rsf_jax.calibration.kinds import CLIPS
from rsf_jax.calibration.units import LENGTH, Units
from rsf_jax.data.augmentation import Example
from rsf_jax.errors import InputError
from rsf_jax.measures.losses import IGNORED
from rsf_jax.trained.model import Trained

# Of the clips of each input, its first ones, those in which the order of candidates is found.
_FOR_ORDER = 0.2
_SEED = 0


def clips_of(
    trained: Trained,
    inputs: Sequence[str | Path],
    length: int = LENGTH,
    *,
    gap: int = 0,
    count: int = 0,
    frame_size: tuple[int, int] | None = None,
) -> Units:
    """Cuts videos into clips, of which the first fifth of each finds the order of candidates.

    The others are tested in random order. The guarantee is for the mean over clips that are drawn
    as these were: clips of recordings under the same conditions. Neighbors resemble each other, so
    that many clips of one recording say less than their number; recordings of different days and
    places, or a gap between clips, say more.

    Args:
        trained: the model.
        inputs: video files and folders of images, or cameras and addresses with `count`.
        length: frames of a clip; what is left over at the end of an input is not used.
        gap: frames between a clip and the next that are passed over.
        count: the most clips of each input; 0 for all there are.
        frame_size: (H, W) that frames are resized to; None for that of training.

    Raises:
        InputError: if the inputs are no list, one cannot be opened or is without end, or there are
            fewer than two clips.
    """
    inputs = checked_inputs(inputs)
    found = [
        read_clips(trained, each, length, gap=gap, count=count, frame_size=frame_size)
        for each in inputs
    ]
    first = [max(1, round(_FOR_ORDER * len(clips))) for clips in found]
    order = [clip for clips, n in zip(found, first) for clip in clips[:n]]
    tested = [clip for clips, n in zip(found, first) for clip in clips[n:]]
    if not tested:
        raise InputError(
            f"there are {len(order)} clips of {length} frames: some are needed for the order of "
            "candidates and some to test them on; give more video or shorter clips"
        )
    shuffled = [tested[i] for i in np.random.default_rng(_SEED).permutation(len(tested))]
    made = {
        "length": length,
        "gap": gap,
        "frame_size": None if frame_size is None else list(frame_size),
        "inputs": [str(each) for each in inputs],
    }
    return Units(CLIPS, as_split(order), as_split(shuffled), None, made)


def clips_to_test(
    trained: Trained, inputs: Sequence[str | Path], made: dict[str, Any], count: int = 0
) -> grain.MapDataset:
    """Returns clips of other videos, cut as those of a calibration were.

    Args:
        trained: the model.
        inputs: as for `clips_of`.
        made: what the calibration has stored of its units.
        count: as for `clips_of`.

    Raises:
        InputError: if it was no calibration on clips, or as `clips_of`.
    """
    if made["kind"] != CLIPS:
        raise InputError(
            f"this policy was calibrated on {made['kind']}: its guarantee says nothing of inputs"
        )
    size = made["frame_size"] and tuple(made["frame_size"])
    clips = [
        clip
        for each in checked_inputs(inputs)
        for clip in read_clips(
            trained, each, made["length"], gap=made["gap"], count=count, frame_size=size
        )
    ]
    if not clips:
        raise InputError(f"the inputs have fewer than {made['length']} frames: no clip")
    return as_split(clips)


def checked_inputs(inputs: Any) -> tuple[str | Path, ...]:
    """Returns video files, folders and the like; raises InputError for one that is in no list."""
    needed = "a list of video files, folders of images, cameras or addresses is needed"
    return several("inputs", inputs, needed)


def read_clips(
    trained: Trained,
    source: str | Path,
    length: int = LENGTH,
    *,
    gap: int = 0,
    count: int = 0,
    frame_size: tuple[int, int] | None = None,
) -> list[np.ndarray]:
    """Reads the clips of one video; the arguments are those of `clips_of`.

    Returns:
        uint8 [T, H, W, I] each, in their order.

    Raises:
        InputError: if it cannot be opened, is without end, or broke down before its end.
    """
    # Here, as PyAV comes with it.
    from rsf_jax.media import open_source

    length, gap, count = whole("length", length), whole("gap", gap, 0), whole("count", count, 0)
    size = trained.appearance.frame_shape(frame_size, "frame_size")
    with contextlib.closing(open_source(source, size, trained.config.input_channels)) as opened:
        if opened.live and not count:
            raise InputError(f"{opened.label} has no end: say how many clips are taken of it")
        frames = (picture.frame for picture in opened)
        clips = list(itertools.islice(_cut(frames, length, gap), count or None))
        if opened.problem:
            raise InputError(f"{opened.label}: {opened.problem}")
    return clips


def as_split(clips: Sequence[np.ndarray]) -> grain.MapDataset:
    """Returns clips as a split of videos, in which nothing is labeled."""
    return grain.MapDataset.source(_Clips(clips))


class _Clips:
    def __init__(self, clips: Sequence[np.ndarray]) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: Any) -> Example:
        frames = self._clips[int(index)]
        return {"frames": frames, "masks": np.full(frames.shape[:3], IGNORED, np.uint8)}


def _cut(frames: Iterator[np.ndarray], length: int, gap: int) -> Iterator[np.ndarray]:
    while len(clip := list(itertools.islice(frames, length))) == length:
        yield np.stack(clip)
        next(itertools.islice(frames, gap, gap), None)
