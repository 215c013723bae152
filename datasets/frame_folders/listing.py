"""Lists of images and masks, one pair of paths a line."""

from __future__ import annotations

import pathlib

from frame_folders.problems import Problems


def read_pairs(listing: pathlib.Path, problems: Problems) -> list[tuple[str, str]]:
    """The paths of image and mask on every line that is not empty.

    Args:
        listing: the text file.
        problems: takes the list if a line of it has not two words.
    """
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        problems.add(listing, "is not a text file")
        return []
    pairs = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) == 2:
            pairs.append((words[0], words[1]))
        elif words:
            problems.add(
                listing,
                f"line {number} has {len(words)} word(s): the path of an image and that of its "
                "mask are needed, neither with spaces",
            )
    if not pairs:
        problems.add(listing, "names no images")
    return pairs
