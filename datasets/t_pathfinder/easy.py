"""Lets `tfds build t_pathfinder/easy` work: TFDS looks for a file of that name."""

from typing import Any, ClassVar

from t_pathfinder import t_pathfinder_dataset_builder


class Builder(t_pathfinder_dataset_builder.Builder, skip_registration=True):  # type: ignore[call-arg]
    """T-Pathfinder, restricted to the subset `easy`."""

    BUILDER_CONFIGS: ClassVar[list[Any]] = t_pathfinder_dataset_builder.only("easy")
