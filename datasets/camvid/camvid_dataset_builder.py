"""TFDS builder of CamVid. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import ClassVar

import tensorflow_datasets as tfds
from frame_folders.building import Contents, FolderBuilder
from frame_folders.images import Reading, read_image
from frame_folders.masks import MaskReader
from frame_folders.problems import Problems
from frame_folders.sequences import Cutting

from camvid.files import SPLITS, find_frames
from camvid.released import colors_in, labels_in

_PAIRS = Cutting(2, overlapping=True)
_WHOLE = Cutting(None, overlapping=False)


@dataclasses.dataclass(eq=False)
class ClipConfig(tfds.core.BuilderConfig):
    """Builder configuration of one way to cut sequences.

    Attributes:
        training: how training sequences are cut.
        evaluation: how those of the other splits are.
    """

    training: Cutting = _PAIRS
    evaluation: Cutting = _PAIRS


def _clips(length: int) -> ClipConfig:
    return ClipConfig(
        name=f"clips{length}",
        description=f"{length} frames in a row; evaluation counts every frame once.",
        training=Cutting(length, overlapping=True),
        evaluation=Cutting(length, overlapping=False),
    )


class Builder(FolderBuilder):
    """CamVid at 1 Hz: segment scenes seen from a driving car into 11 classes."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "Keeps what it was made of, and the pixels of every class.",
        "1.0.0": "First release.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "--manual_dir must be a folder with SegNet's layout of CamVid: train.txt, val.txt, "
        "test.txt, and the folders train, trainannot, val, valannot, test and testannot; or CamVid "
        "as released, or as Kaggle and fastai have it. "
        "See datasets/camvid/README.md."
    )
    BUILDER_CONFIGS: ClassVar[list[ClipConfig]] = [
        ClipConfig(name="pairs", description="All pairs of consecutive frames."),
        _clips(4),
        _clips(8),
        ClipConfig(
            name="sequences",
            description="Whole sequences, of varying length.",
            training=_WHOLE,
            evaluation=_WHOLE,
        ),
    ]

    def find(self, folder: pathlib.Path, problems: Problems) -> Contents:
        """Frames by SegNet's lists, or by what there is in their place."""
        config = self.builder_config
        cutting = dict.fromkeys(SPLITS, config.evaluation) | {"train": config.training}
        masks = MaskReader(colors_in(folder, problems), "class_dict.csv")
        reading = Reading(read_image, masks, channels=3)
        frames = find_frames(folder, problems)
        return Contents(frames, cutting, labels_in(folder, problems), reading)
