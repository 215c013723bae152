"""The 11 classes that CamVid is scored by, and their usual colors."""

from __future__ import annotations

from frame_folders.labels import Labels
from video_records.labels import IGNORED

# Source: Badrinarayanan et al. 2017 (SegNet), which merged the 32 classes of the original.
CLASSES = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}

# SegNet's files have 11 where nothing is labeled; others have 255.
LABELS = Labels(
    tuple(CLASSES),
    tuple(CLASSES.values()),
    ignored=len(CLASSES),
    read_as=((IGNORED, IGNORED),),
    background=None,  # all of a street is of interest, the sky too
)
