"""TFDS builder of T-Pathfinder. Neither building nor reading it imports TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from t_pathfinder.generator import Example
from t_pathfinder.parallel import generate
from t_pathfinder.subsets import SUBSETS, Subset

HOMEPAGE = "https://github.com/ZuowenWang0000/RecSlowFast_Neurips_Unireps"  # of the paper
FILE_FORMAT = "array_record"  # the one format that can be read without TensorFlow


@dataclasses.dataclass(eq=False)
class SubsetConfig(tfds.core.BuilderConfig):
    """Builder configuration of one subset.

    Attributes:
        subset: settings, seed and number of videos.
    """

    subset: Subset = SUBSETS["easy"]


@dataclasses.dataclass(frozen=True)
class Split:
    """Videos of one split. It has a length, from which TFDS's progress bar takes its total."""

    subset: Subset
    indices: range

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[int, Example]]:
        """Yields (index, example), in order."""
        for example in generate(self.subset.settings, self.subset.seed, self.indices):
            yield int(example["video"]), example


class Builder(tfds.core.GeneratorBasedBuilder):
    """Temporal Pathfinder: segment the longest of several growing contours in every frame."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "1.1.0": "Adds the split `calibration`; `train` and `test` are those of 1.0.0.",
        "1.0.0": "First release.",
    }
    BUILDER_CONFIGS: ClassVar[list[SubsetConfig]] = [
        SubsetConfig(name=name, description=subset.description, subset=subset)
        for name, subset in SUBSETS.items()
    ]

    def __init__(self, *, file_format: Any = None, **kwargs: Any) -> None:
        """Builder whose files are array_record unless `file_format` says otherwise.

        Args:
            file_format: TFDS file format; None means array_record for a data set that is yet to
                be built (TFDS itself would take TFRecord) and the existing one's otherwise.
            **kwargs: `config`, `data_dir` and `version`, as for every TFDS builder.
        """
        super().__init__(file_format=file_format, **kwargs)
        if file_format is None and not self.info.initialized:
            self.info.set_file_format(FILE_FORMAT, override=True)

    def _info(self) -> tfds.core.DatasetInfo:
        """Features and metadata; the settings go into the metadata in full."""
        subset = self.builder_config.subset
        return self.dataset_info_from_configs(
            features=features(subset),
            homepage=HOMEPAGE,
            supervised_keys=("frames", "masks"),
            disable_shuffling=True,  # videos are independent; record k of a split is its video k
            metadata=tfds.core.MetadataDict(
                seed=subset.seed,
                settings=subset.settings.as_dict(),
                splits={name: [r.start, r.stop] for name, r in subset.splits.items()},
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Split]:
        """Index ranges of the splits; nothing is downloaded."""
        del dl_manager
        subset = self.builder_config.subset
        return {name: self._generate_examples(subset, r) for name, r in subset.splits.items()}

    def _generate_examples(self, subset: Subset, indices: range) -> Split:
        return Split(subset, indices)


def features(subset: Subset) -> tfds.features.FeaturesDict:
    """Features of one subset. Only kinds that TFDS decodes without TensorFlow are used."""
    rule, geometry = subset.settings.rule, subset.settings.geometry
    size = (geometry.height, geometry.width)

    def array(shape: tuple[int | None, ...], dtype: Any, encoding: str) -> tfds.features.Tensor:
        return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=encoding)

    return tfds.features.FeaturesDict(
        {
            "video": tfds.features.Scalar(np.int64),
            # 131 kB a video as they are, 3 kB compressed: a split then fits into the memory that
            # TFDS collects it in, beyond which it would need TensorFlow.
            "frames": array((rule.frames, *size, 1), np.uint8, "zlib"),
            "masks": array((rule.frames, *size), np.uint8, "zlib"),
            "lengths": array((rule.frames, rule.contours), np.int32, "bytes"),
            "target": array((rule.frames,), np.int32, "bytes"),
            "segments": array((None, 3), np.float32, "bytes"),
            "layout_attempts": tfds.features.Scalar(np.int32),
            "relaxation": tfds.features.Scalar(np.int32),
        }
    )
