"""Lists of images and masks, one pair of paths a line."""

from __future__ import annotations

import pathlib

from frame_folders.problems import Problems


def read_pairs(
    listing: pathlib.Path, problems: Problems, *, sparse: bool = False
) -> list[tuple[str, str]]:
    """The paths of image and mask on every line that is not empty.

    Between them is a space, a tab or a comma; with a comma paths may have spaces. Paths may be
    written as on Windows.

    Args:
        listing: the text file.
        problems: takes the list if a line of it has not two paths.
        sparse: whether a line may have an image alone, whose mask is then "".
    """
    pairs = []
    for number, line in enumerate(problems.text(listing).splitlines(), 1):
        words = [_as_posix(listing.parent, word) for word in _words(line)]
        if len(words) == 2 or (sparse and len(words) == 1):
            pairs.append((words[0], words[1] if words[1:] else ""))
        elif words:
            problems.add(
                listing,
                f"line {number} has {len(words)} word(s): the path of an image and that of its "
                "mask are needed, neither with spaces, or with a comma between them",
            )
    if not pairs:
        problems.add(listing, "names no images")
    return pairs


def _words(line: str) -> list[str]:
    by_comma = [word.strip().strip("\"'") for word in line.split(",")]
    return by_comma if len(by_comma) == 2 and all(by_comma) else line.split()


def _as_posix(folder: pathlib.Path, path: str) -> str:
    return path if (folder / path).exists() else path.replace("\\", "/")
