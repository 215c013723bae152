"""Lets `tfds build t_pathfinder/NAME` work, see one_subset.py."""

from t_pathfinder.one_subset import builder

Builder = builder(__name__)
