"""CamVid as it was released: 32 classes, and how they make up the 11 that it is scored by."""

from __future__ import annotations

import csv
import dataclasses
import pathlib

from frame_folders.labels import Labels
from frame_folders.problems import Problems
from video_records.labels import IGNORED

from camvid.classes import CLASSES, LABELS

Color = tuple[int, int, int]  # red, green, blue

# Of the released labels: color, and which of the 11 classes it belongs to, after SegNet; "" for
# none. In order of name, as their numbers are where labels are numbers.
RELEASED: dict[str, tuple[Color, str]] = {
    "Animal": ((64, 128, 64), "Pedestrian"),
    "Archway": ((192, 0, 128), "Building"),
    "Bicyclist": ((0, 128, 192), "Bicyclist"),
    "Bridge": ((0, 128, 64), "Building"),
    "Building": ((128, 0, 0), "Building"),
    "Car": ((64, 0, 128), "Car"),
    "CartLuggagePram": ((64, 0, 192), "Pedestrian"),
    "Child": ((192, 128, 64), "Pedestrian"),
    "Column_Pole": ((192, 192, 128), "Pole"),
    "Fence": ((64, 64, 128), "Fence"),
    "LaneMkgsDriv": ((128, 0, 192), "Road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "Road"),
    "Misc_Text": ((128, 128, 64), "SignSymbol"),
    "MotorcycleScooter": ((192, 0, 192), "Bicyclist"),
    "OtherMoving": ((128, 64, 64), "Car"),
    "ParkingBlock": ((64, 192, 128), "Pavement"),
    "Pedestrian": ((64, 64, 0), "Pedestrian"),
    "Road": ((128, 64, 128), "Road"),
    "RoadShoulder": ((128, 128, 192), "Pavement"),
    "Sidewalk": ((0, 0, 192), "Pavement"),
    "SignSymbol": ((192, 128, 128), "SignSymbol"),
    "Sky": ((128, 128, 128), "Sky"),
    "SUVPickupTruck": ((64, 128, 192), "Car"),
    "TrafficCone": ((0, 0, 64), "Pole"),
    "TrafficLight": ((0, 64, 64), "SignSymbol"),
    "Train": ((192, 64, 128), "Car"),
    "Tree": ((128, 128, 0), "Tree"),
    "Truck_Bus": ((192, 128, 192), "Car"),
    "Tunnel": ((64, 0, 64), "Building"),
    "VegetationMisc": ((192, 192, 0), "Tree"),
    "Void": ((0, 0, 0), ""),
    "Wall": ((64, 192, 0), "Building"),
}

_VOID = len(CLASSES)


def class_of(name: str) -> int:
    """The index of one of the 11 classes that a released class, or one of them, belongs to.

    Raises:
        ValueError: if there is no such class.
    """
    by_name = {known.lower(): of for known, (_, of) in RELEASED.items()}
    by_name |= {known.lower(): known for known in CLASSES}
    by_name |= {"unlabelled": "", "unlabeled": "", "pavement": "Pavement", "roadmarking": "Road"}
    found = by_name.get(name.strip().lower())
    if found is None:
        raise ValueError(f"has the class {name!r}, which CamVid does not have")
    return list(CLASSES).index(found) if found else _VOID


def colors_of_labels() -> dict[Color, int]:
    """The index of one of the 11 classes, or of none, for every color of labels.

    Those of the release, and those that SegNet gave its 11 classes where they are none of them.
    """
    table = {color: index for index, color in enumerate(CLASSES.values())}
    return table | {color: class_of(name) for name, (color, _) in RELEASED.items()}


def colors_in(folder: pathlib.Path, problems: Problems) -> dict[Color, int]:
    """The index of every color of labels: those of `class_dict.csv`, if it is there, too.

    Raises:
        ValueError: if a class of that file is none of CamVid's.
    """
    path = folder / "class_dict.csv"
    if not path.is_file():
        return colors_of_labels()
    rows = list(csv.reader(problems.text(path).splitlines()))[1:]
    try:
        own = {(int(r), int(g), int(b)): class_of(name) for name, r, g, b in rows}
    except ValueError as error:
        raise ValueError(
            f"{path} {error}; lines `name,r,g,b` of CamVid's classes are needed"
        ) from None
    return colors_of_labels() | own


def labels_in(folder: pathlib.Path, problems: Problems) -> Labels:
    """What indices in labels mean: the 11 classes, or the classes that `codes.txt` lists.

    Raises:
        ValueError: if a class of that file is none of CamVid's.
    """
    path = folder / "codes.txt"
    if not path.is_file():
        return LABELS
    names = problems.text(path).split()
    try:
        codes = [(index, class_of(name)) for index, name in enumerate(names)]
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    meanings = ((index, IGNORED if of == LABELS.ignored else of) for index, of in codes)
    return dataclasses.replace(LABELS, read_as=(*meanings, (IGNORED, IGNORED)))
