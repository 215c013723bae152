"""What the builders of generated datasets share. Nothing here imports TensorFlow."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from video_records.building import VideoRecords

from generated_videos import croissant
from generated_videos.parallel import Example, Make, generate
from generated_videos.subset import Subset


@dataclasses.dataclass(eq=False)
class SubsetConfig(tfds.core.BuilderConfig):
    """Builder configuration of one subset.

    Attributes:
        subset: settings, seed and number of examples.
    """

    subset: Subset = dataclasses.field(kw_only=True)


def configs(subsets: dict[str, Subset]) -> list[SubsetConfig]:
    """One builder configuration for each subset."""
    return [
        SubsetConfig(name=name, description=subset.description, subset=subset)
        for name, subset in subsets.items()
    ]


@dataclasses.dataclass(frozen=True)
class Split:
    """Examples of one split. It has a length, from which TFDS's progress bar takes its total."""

    make: Make
    subset: Subset
    indices: range

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[int, Example]]:
        """Yields (index, example), in order."""
        examples = generate(self.make, self.subset.settings, self.subset.seed, self.indices)
        yield from zip(self.indices, examples)


class GeneratedBuilder(VideoRecords, tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builder of examples that are pure functions of settings, seed and index."""

    _with_beam = False
    _most: int | None = None  # examples of a split; None builds all
    HOMEPAGE: ClassVar[str]
    MAKE: ClassVar[Any]  # static method that makes one example

    def features(self, subset: Subset) -> tfds.features.FeaturesDict:
        """Features of one subset. Only kinds that TFDS decodes without TensorFlow may be used."""
        raise NotImplementedError

    def more_metadata(self, subset: Subset) -> dict[str, Any]:
        """Metadata of one subset beside its settings: none, unless a builder has some."""
        del subset
        return {}

    def _info(self) -> tfds.core.DatasetInfo:
        """Features and metadata; the settings go into the metadata in full."""
        subset = self.builder_config.subset
        return self.dataset_info_from_configs(
            features=self.features(subset),
            homepage=self.HOMEPAGE,
            supervised_keys=("frames", "masks"),
            disable_shuffling=True,  # examples are independent; record k of a split is its k-th
            metadata=tfds.core.MetadataDict(
                seed=subset.seed,
                settings=subset.settings.as_dict(),
                splits={name: [r.start, r.stop] for name, r in subset.splits.items()},
                **self.more_metadata(subset),
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Split]:
        """Index ranges of the splits; nothing is downloaded."""
        del dl_manager
        subset = self.builder_config.subset
        return {name: self._generate_examples(subset, r) for name, r in subset.splits.items()}

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Builds what is missing, and describes it for others; see `croissant`."""
        is_there = pathlib.Path(self.data_dir).exists()
        super().download_and_prepare(**kwargs)
        if not is_there:
            croissant.write(self)

    def _download_and_prepare(
        self, dl_manager: Any, download_config: Any = None, **kwargs: Any
    ) -> None:
        """Takes Beam if a runner or options for it were given, as `tfds build --beam...` does."""
        if download_config is not None:
            self._with_beam = bool(download_config.beam_runner or download_config.beam_options)
            self._most = download_config.max_examples_per_split
        super()._download_and_prepare(dl_manager, download_config=download_config, **kwargs)

    def _generate_examples(self, subset: Subset, indices: range) -> Any:
        if not self._with_beam:
            return Split(self.MAKE, subset, indices)
        from generated_videos.beam import examples  # optional: nothing else here needs Beam

        # With Beam, TFDS itself does not heed `--max_examples_per_split`.
        return examples(self.MAKE, subset, indices[: self._most])
