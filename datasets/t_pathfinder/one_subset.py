"""Builders of one subset alone, for `tfds build t_pathfinder/NAME`.

TFDS takes `t_pathfinder/NAME` for the path of a script `NAME.py`, imports it and takes the class
that is defined in it; only if there is no such file would it look for a config of that name, and
then among the datasets that are registered when it starts, to which these do not belong. So every
subset needs a file: three lines, the same in all. `tfds build t_pathfinder --config=NAME` works
without.
"""

from __future__ import annotations

from generated_videos.building import configs

from t_pathfinder import t_pathfinder_dataset_builder
from t_pathfinder.subsets import SUBSETS


def builder(module: str) -> type[t_pathfinder_dataset_builder.Builder]:
    """Makes the class that TFDS looks for in a file.

    Args:
        module: `__name__` of the file, which is called as the subset.
    """
    name = module.rpartition(".")[2]

    class Builder(t_pathfinder_dataset_builder.Builder, skip_registration=True):  # type: ignore[call-arg]
        __doc__ = t_pathfinder_dataset_builder.Builder.__doc__
        # TFDS files a class under its module when it is made.
        __module__ = module
        BUILDER_CONFIGS = configs({name: SUBSETS[name]})

    return Builder
