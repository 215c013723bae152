"""Examples as a Beam pipeline, for clusters: `tfds build --beam_pipeline_options=...`."""

from __future__ import annotations

import functools
from typing import Any

import apache_beam as beam

from generated_videos.parallel import Example, Make
from generated_videos.subset import Subset


def examples(make: Make, subset: Subset, indices: range) -> Any:
    """Returns a transform to (index, example); each example is a function of its index alone."""
    return (
        f"indices {indices.start} to {indices.stop}" >> beam.Create(list(indices))
        | beam.Reshuffle()  # or one worker would make them all
        | beam.Map(functools.partial(_keyed, make, subset))
    )


def _keyed(make: Make, subset: Subset, index: int) -> tuple[int, Example]:
    return index, make(subset.settings, subset.seed, index)
