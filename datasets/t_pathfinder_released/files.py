"""Finds the videos of a split among the files that the authors released."""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import re

from frame_folders.problems import Problems
from frame_folders.sequences import Frame

CONFIG = "dataset_config.json"
IMAGES = pathlib.PurePath("imgs", "1")
TRUTH = pathlib.PurePath("gt", "1")

_NAME = re.compile(r"(?P<video>.+)_(?P<frame>0|[1-9]\d{0,8})\.png", re.ASCII)
_SHOWN = 5  # files named as examples


@dataclasses.dataclass(frozen=True)
class OnDisk:
    """The images there are.

    Attributes:
        numbers: of the frames of every video, ascending.
        others: names of files that are not called {video}_{frame}.png, in order.
    """

    numbers: dict[str, list[int]]
    others: list[str]


def frames_per_video(folder: pathlib.Path, problems: Problems) -> int | None:
    """Returns `n_frames` of `dataset_config.json`; None, and a problem, if it is not there."""
    path = folder / CONFIG
    try:
        count = json.loads(problems.content(path))["n_frames"]
    except FileNotFoundError:
        problems.add(path, "missing")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        problems.add(path, f"is no JSON with a number n_frames ({type(error).__name__})")
    else:
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            return count
        problems.add(path, "n_frames is no number above 0")
    return None


def frames_on_disk(folder: pathlib.Path) -> OnDisk:
    """Looks at the names of the images, not into them."""
    numbers, others = collections.defaultdict(list), []
    for path in (folder / IMAGES).glob("*"):
        if match := _NAME.fullmatch(path.name):
            numbers[match["video"]].append(int(match["frame"]))
        else:
            others.append(path.name)
    return OnDisk({video: sorted(found) for video, found in numbers.items()}, sorted(others))


def find_videos(
    folder: pathlib.Path, split: str, on_disk: OnDisk, length: int, problems: Problems
) -> list[Frame]:
    """Returns the frames of the videos in a split's list, in the list's order.

    Args:
        folder: the folder with the lists.
        split: `train` or `test`.
        on_disk: the images there are; those of videos in no list are left alone.
        length: frames of a video.
        problems: takes lists that cannot be read, and videos that are not whole. If there are
            any, files with other names may be what they lack, and are told first.
    """
    listing = folder / f"{split}_vid_id_list.txt"
    frames = []
    for video in _ids(listing, problems):
        there = on_disk.numbers.get(video, [])
        first = there[0] if there else 0
        if there == list(range(first, first + length)):
            frames += [_frame(folder, video, number) for number in there]
        else:
            _tell_others(folder, on_disk.others, problems)
            shown = ", ".join(map(str, there[:20])) or "none"
            problems.add(
                _frame(folder, video, first).image,
                f"the video has frames {shown}: {length} in a row are needed",
            )
    return frames


def _tell_others(folder: pathlib.Path, others: list[str], problems: Problems) -> None:
    if others:
        examples = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        problems.add(
            folder / IMAGES,
            f"{len(others)} file(s) in it are not called {{video}}_{{frame}}.png: {examples}",
        )


def _ids(listing: pathlib.Path, problems: Problems) -> list[str]:
    try:
        ids = problems.text(listing).split()
    except OSError:
        problems.add(listing, "missing")
        return []
    twice = [video for video, count in collections.Counter(ids).items() if count > 1]
    if twice:
        problems.add(listing, f"names {len(twice)} video(s) more than once, such as {twice[0]}")
    if not ids:
        problems.add(listing, "names no videos")
    # A name is not to lead out of the folder.
    astray = [video for video in ids if not re.fullmatch(r"[\w.-]+", video)]
    if astray:
        problems.add(listing, f"names {astray[0][:40]!r}, which is no name of a video")
    return [] if astray else list(dict.fromkeys(ids))


def _frame(folder: pathlib.Path, video: str, number: int) -> Frame:
    name = f"{video}_{number}.png"
    return Frame(folder / IMAGES / name, folder / TRUTH / name, video, number)
