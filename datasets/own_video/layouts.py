"""The ways in which folders hold frames and their masks."""

from __future__ import annotations

import dataclasses
import pathlib

from frame_folders import videos
from frame_folders.names import (
    IMAGE_ENDINGS,
    Masks,
    files,
    is_mask,
    masks_beside,
    masks_of,
    sequence_and_number,
    visible,
)
from frame_folders.problems import Problems

MASKS = "_mask"  # what the folder of a sequence's masks ends in, if nothing else is there
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_IMAGE_FOLDERS = (
    *("images", "image", "imgs", "img", "frames", "jpegimages", "leftimg8bit", "rgb", "videos"),
)
_MASK_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "annot", "gtfine", "gt"),
    *("groundtruth", "ground_truth", "segmentations", "segmentation", "segmentationclass"),
)


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        image: the file, or a frame of a video.
        mask: likewise; perhaps of no file, or None where a label may be missing.
        place: name of what the frames beside it are of: a folder, a video.
    """

    image: pathlib.Path
    mask: pathlib.Path | None
    place: str


@dataclasses.dataclass(frozen=True)
class Finder:
    """Looks for frames and masks.

    Attributes:
        sparse: whether frames may be without a mask.
        problems: takes what cannot be used.
    """

    sparse: bool
    problems: Problems

    def find(self, folder: pathlib.Path, place: str = "") -> list[Pair]:
        """All frames in a folder, in whatever layout it is.

        Args:
            folder: where to look.
            place: what the names of places begin with.
        """
        folders = [p for p in visible(folder) if p.is_dir()]
        parts = [p for p in folders if p.name.lower() in SPLITS]
        if len(parts) > 1 and all(any(q.is_dir() for q in visible(p)) for p in parts):
            return [pair for p in parts for pair in self.find(p, f"{place}{p.name}/")]
        roots = _roots(folders)
        if roots is not None:
            return self._rooted(*roots, place)
        return self._beside(folder, folders, place)

    def _rooted(self, images: pathlib.Path, masks: pathlib.Path, place: str) -> list[Pair]:
        """`images/` and `masks/`, with the same folders inside them, or none."""
        pairs, places = [], []
        for path in _inside(images):
            there = path.relative_to(images)
            name = there.as_posix() if there.parts else images.name
            found = self._together(path, masks / there, name)
            films = self._videos(path, masks / there)
            found += [dataclasses.replace(p, place=(there / p.place).as_posix()) for p in films]
            pairs += found
            places += [pair.place for pair in found]
        common = _common(places)
        return [dataclasses.replace(p, place=place + p.place.removeprefix(common)) for p in pairs]

    def _beside(self, folder: pathlib.Path, folders: list[pathlib.Path], place: str) -> list[Pair]:
        """`walk/` and `walk_mask/`, `walk.mp4` and `walk_mask/`, `0001.png` and `0001_mask.png`."""
        pairs = self._videos(folder, None)
        taken = {pair.place for pair in pairs}
        sequences = [p for p in folders if not is_mask(p)]
        for sequence in sequences:
            masks = masks_beside(sequence)
            together = (
                sequence if _holds_both(sequence) else sequence.with_name(sequence.name + MASKS)
            )
            pairs += self._together(sequence, masks[0] if masks else together, sequence.name)
            if not files(sequence, IMAGE_ENDINGS):
                self.problems.add(sequence, f"has no images ({', '.join(IMAGE_ENDINGS)})")
        if _holds_both(folder):
            pairs += self._together(folder, folder, folder.name)
        for masks in (p for p in folders if is_mask(p)):
            of = masks_of(masks)
            if of not in {s.name for s in sequences} | taken:
                for path in files(masks, IMAGE_ENDINGS):
                    self.problems.add(path, f"has no image in {of}")
        return [dataclasses.replace(pair, place=place + pair.place) for pair in pairs]

    def _together(self, folder: pathlib.Path, masks: pathlib.Path, place: str) -> list[Pair]:
        """The images of a folder with the masks of another, or of the same."""
        there = Masks(masks)
        images = files(folder, IMAGE_ENDINGS)
        if masks == folder:
            images = [image for image in images if not is_mask(image)]
        pairs = []
        for image in images:
            mask = there.of(image)
            if mask is None and not self.sparse:
                mask = masks / f"{image.stem}.png"
            pairs.append(Pair(image, mask, place))
        for path in there.lonely() if masks != folder else []:
            self.problems.add(path, f"has no image in {folder.name}")
        return pairs

    def _videos(self, folder: pathlib.Path, masks: pathlib.Path | None) -> list[Pair]:
        """Video files, with folders of masks or videos of them."""
        found = files(folder, videos.ENDINGS)
        if masks is None:
            films = [p for p in found if not is_mask(p) or not _of_another(p, found)]
        else:
            films = found
        return [pair for film in films for pair in self._video(film, found, masks)]

    def _video(
        self, film: pathlib.Path, found: list[pathlib.Path], masks: pathlib.Path | None
    ) -> list[Pair]:
        if masks is None:
            others = [p for p in found if p != film and masks_of(p) == film.stem]
            there = [*masks_beside(film), *others]
        else:
            others = [p for p in files(masks, videos.ENDINGS) if film.stem in (p.stem, masks_of(p))]
            folders = [p for p in visible(masks) if p.is_dir()] if masks.is_dir() else []
            there = [p for p in folders if film.stem in (p.name, masks_of(p))] + others
        if not there:
            self.problems.add(
                film, f"has no masks: a folder {film.stem}{MASKS} or a video of them is needed"
            )
            return []
        try:
            count = videos.count_frames(film)
            return _pairs(film, count, _numbered(there[0], count), self.sparse)
        except ValueError as error:
            self.problems.add(film, str(error))
            return []


def _pairs(
    film: pathlib.Path, count: int, masks: dict[int, pathlib.Path], sparse: bool
) -> list[Pair]:
    if len(masks) < count and not sparse:
        raise ValueError(
            f"has {count} frames and {len(masks)} masks: if frames without a mask are unlabeled, "
            "write `sparse: true` into dataset.yaml"
        )
    return [Pair(film / str(i), masks.get(i), film.stem) for i in range(count)]


def _numbered(masks: pathlib.Path, count: int) -> dict[int, pathlib.Path]:
    """The masks of a video by the number of their frame, from 0 on."""
    if masks.is_file():
        others = videos.count_frames(masks)
        if others != count:
            raise ValueError(f"has {count} frames, its masks {masks.name} {others}")
        return {i: masks / str(i) for i in range(count)}
    numbers = {}
    for path in files(masks, IMAGE_ENDINGS):
        found = sequence_and_number(masks_of(path))
        if found is None:
            raise ValueError(f"has a mask {path.name} without a frame number at its end")
        numbers[found[1]] = path
    if len(numbers) == count:
        return dict(enumerate(numbers[number] for number in sorted(numbers)))
    first = 0 if 0 in numbers else 1 if count in numbers else None
    if first is None or not all(first <= number < count + first for number in numbers):
        raise ValueError(
            f"has {count} frames, and masks with the numbers {min(numbers, default='(none)')} to "
            f"{max(numbers, default='(none)')}: it cannot be told whether they count from 0 or 1; "
            "give the first or the last frame a mask"
        )
    return {number - first: path for number, path in numbers.items()}


def _roots(folders: list[pathlib.Path]) -> tuple[pathlib.Path, pathlib.Path] | None:
    """The one folder of images and the one of masks."""
    images = [p for p in folders if p.name.lower() in _IMAGE_FOLDERS]
    masks = [p for p in folders if p.name.lower() in _MASK_FOLDERS]
    if len(images) != 1 or len(masks) != 1 or masks_beside(images[0]):
        return None
    return images[0], masks[0]


def _inside(folder: pathlib.Path, above: tuple[pathlib.Path, ...] = ()) -> list[pathlib.Path]:
    """A folder and all that are in it; a link back to one that it is in leads nowhere."""
    above = (*above, folder.resolve())
    inner = [path for path in visible(folder) if path.is_dir() and path.resolve() not in above]
    return [folder, *(found for path in inner for found in _inside(path, above))]


def _common(places: list[str]) -> str:
    """The folder that all places are in, as `480p/`; nothing if it is the name of a split."""
    first = {place.partition("/")[0] for place in places}
    if len(first) != 1 or not all("/" in place for place in places):
        return ""
    (name,) = first
    return "" if name.lower() in SPLITS else f"{name}/"


def _holds_both(folder: pathlib.Path) -> bool:
    """Whether images and their masks lie in one folder."""
    found = files(folder, IMAGE_ENDINGS)
    images = {p.stem for p in found if not is_mask(p)}
    return any(is_mask(p) and masks_of(p) in images for p in found)


def _of_another(path: pathlib.Path, found: list[pathlib.Path]) -> bool:
    return masks_of(path) in {p.stem for p in found}
