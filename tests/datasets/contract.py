"""The clauses of docs/dataset-contract.md, as checks that any builder has to pass."""

import dataclasses
import functools
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

import rsf_jax as rsf
from rsf_jax.data.dataset import open_dataset
from rsf_jax.data.streams import CHANGE, EVENTS, PAUSE, START
from rsf_jax.measures.losses import IGNORED

Example = dict[str, Any]
_UNLABELED = "unlabelled"  # how censuses call it


class ContractBroken(AssertionError):
    """A line for each thing that is wrong, beginning with the clause."""


@dataclasses.dataclass(frozen=True)
class Built:
    """A dataset that is read from its files alone.

    Attributes:
        builder: as `read_only_builder` opens it.
    """

    builder: tfds.core.DatasetBuilder

    @property
    def features(self) -> tfds.features.FeaturesDict:
        return self.builder.info.features

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.builder.info.metadata or {})

    @functools.cached_property
    def examples(self) -> dict[str, list[Example]]:
        """All of them, by split: for small datasets."""
        return {s: list(self.builder.as_data_source(s)) for s in self.builder.info.splits}

    def each(self) -> Iterator[tuple[str, Example]]:
        """Every example, with what it is called in messages."""
        for split, examples in self.examples.items():
            for number, example in enumerate(examples):
                yield f"{split} video {number}", example

    @property
    def has_sequences(self) -> bool:
        return "sequence" in self.features


def check_class(builder_class: type[tfds.core.DatasetBuilder], folder: Path) -> None:
    """Checks a builder before anything is built.

    Args:
        builder_class: `Builder` of `NAME_dataset_builder.py`.
        folder: an empty one.

    Raises:
        ContractBroken: if the library or `tfds build` could not use it.
    """
    _raise(builder_class.name, _of_class(builder_class, folder))


def check_built(builder: tfds.core.DatasetBuilder, *, trainable: bool = True) -> None:
    """Checks a built dataset, every example of it.

    Args:
        builder: as `read_only_builder` opens it.
        trainable: whether its videos are meant to be of one length.

    Raises:
        ContractBroken: with a line for each clause that is broken. What is stored is looked at
            only if the description is right.
    """
    built = Built(builder)
    described = DESCRIPTION if trainable else {k: v for k, v in DESCRIPTION.items() if k != LENGTH}
    for clauses in (described, CONTENT):
        found = [f"{name}: {said}" for name, clause in clauses.items() for said in clause(built)]
        _raise(builder.info.full_name, found)


def check_rebuilt(first: tfds.core.DatasetBuilder, second: tfds.core.DatasetBuilder) -> None:
    """Checks that building twice makes the same dataset.

    Raises:
        ContractBroken: naming the first example that differs.
    """
    counts = [{s: len(of) for s, of in Built(b).examples.items()} for b in (first, second)]
    if counts[0] != counts[1]:
        _raise(first.info.full_name, [f"rebuilding: {counts[0]} videos become {counts[1]}"])
    pairs = zip(Built(first).each(), Built(second).each(), strict=True)
    differing = (
        f"rebuilding: {what} has other {name} when it is built again"
        for (what, one), (_, other) in pairs
        for name in one
        if not np.array_equal(one[name], other[name])
    )
    _raise(first.info.full_name, list(differing)[:1])


def check_source(
    builder: tfds.core.DatasetBuilder, built: tfds.core.DatasetBuilder, manual: Path, scratch: Path
) -> None:
    """Checks that a dataset made of files knows them again.

    Args:
        builder: of the dataset's class, that has built it.
        built: the dataset.
        manual: the folder that it was made of.
        scratch: an empty folder.

    Raises:
        ContractBroken: if it takes other files for them, or does not know them.
    """
    _raise(built.info.full_name, list(_of_source(builder, built, manual, scratch)))


def check_opened(builder: tfds.core.DatasetBuilder, *, trainable: bool = True) -> None:
    """Checks that the library reads of a dataset what is in it.

    Raises:
        ContractBroken: if it does not.
        InputError: if it refuses the dataset.
    """
    _raise(builder.info.full_name, list(_of_library(Built(builder), trainable)))


def _raise(name: str, problems: Any) -> None:
    if lines := list(problems):
        raise ContractBroken("\n  ".join([f"{name} breaks docs/dataset-contract.md:", *lines]))


def _of_class(builder_class: type[tfds.core.DatasetBuilder], folder: Path) -> Iterator[str]:
    module = builder_class.__module__.rpartition(".")[2]
    if module != f"{builder_class.name}_dataset_builder":
        yield f"builder: {builder_class.name} is in {module}.py: the library looks elsewhere"
    if builder_class.__name__ != "Builder":
        yield f"builder: the class is called {builder_class.__name__}: it must be Builder"
    configs = builder_class.builder_configs
    if not configs:
        yield "builder: it has no BUILDER_CONFIGS: one called default is enough"
        return
    for name in configs:
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            yield f"builder: config {name!r} can only be of letters, digits and _ . -"
    if str(builder_class.VERSION) not in (builder_class.RELEASE_NOTES or {}):
        yield f"version: {builder_class.VERSION} has no release note"
    builder = builder_class(config=next(iter(configs)), data_dir=folder)
    if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        yield f"files: it writes {builder.info.file_format.value}: derive it from VideoRecords"
    takes_files = bool(builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS)
    if takes_files is not hasattr(builder, "source"):
        yield "source: MANUAL_DOWNLOAD_INSTRUCTIONS and a method source(folder) go together"


LENGTH = "length"  # the one clause that datasets may break which are not for training


def _files(built: Built) -> Iterator[str]:
    file_format = built.builder.info.file_format
    if file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        yield f"they are {file_format.value}: array_record has random access without TensorFlow"


def _decoding(built: Built) -> Iterator[str]:
    for name, feature in built.features.items():
        if not isinstance(feature, tfds.features.Tensor):
            kind = type(feature).__name__
            yield f"{name} is of kind {kind}: Tensor, Scalar and Text need no TensorFlow"


def _frames(built: Built) -> Iterator[str]:
    yield from _array(built, "frames", axes=4, names="[T, H, W, C]")
    channels = built.features["frames"].shape[-1] if "frames" in built.features else 1
    if channels not in (1, 3):
        yield f"they have {channels} channels: 1 (gray) or 3 (red, green, blue) are possible"


def _masks(built: Built) -> Iterator[str]:
    yield from _array(built, "masks", axes=3, names="[T, H, W]")
    if {"frames", "masks"} <= set(built.features):
        frames, masks = (built.features[name].shape for name in ("frames", "masks"))
        if frames[:-1] != masks:
            yield f"they are {list(masks)}, frames {list(frames)}: T, H and W must be the same"


def _array(built: Built, name: str, axes: int, names: str) -> Iterator[str]:
    if name not in built.features:
        yield f"there is no feature {name}"
        return
    shape, dtype = built.features[name].shape, np.dtype(built.features[name].np_dtype)
    if dtype != np.uint8 or len(shape) != axes:
        yield f"they are {dtype} {list(shape)}: uint8 {names} is needed"
    if None in shape[1:]:
        yield f"they are {list(shape)}: all must be of one size"


def _length(built: Built) -> Iterator[str]:
    if "frames" in built.features and built.features["frames"].shape[0] is None:
        yield "videos are of different lengths: they do not fit in a batch"


def _splits(built: Built) -> Iterator[str]:
    for split in ("train", "test"):
        if split not in built.builder.info.splits:
            yield f"there is no split {split}"


def _classes(built: Built) -> Iterator[str]:
    names, colors = (built.metadata.get(key) for key in ("class_names", "colors"))
    if names is not None:
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            yield f"class_names is {names!r}: a list of texts is needed"
        elif len(set(names)) < len(names) or not 2 <= len(names) <= IGNORED:
            yield f"class_names is {names!r}: from 2 to {IGNORED} different ones are needed"
    if colors is not None:
        whole = isinstance(colors, list) and all(_is_color(color) for color in colors)
        if not whole or len(colors) != len(names or ()):
            yield f"colors is {colors!r}: [red, green, blue] from 0 to 255 for each of class_names"
    background = built.metadata.get("background", 0)
    if background is not None and background not in range(len(names or [0])):
        yield f"background is {background!r}: the index of a class, or null for none"
    if built.metadata.get("ignored", IGNORED) != IGNORED:
        yield f"ignored is {built.metadata['ignored']!r}: stored masks have {IGNORED}"


def _is_color(color: Any) -> bool:
    return (
        isinstance(color, list)
        and len(color) == 3
        and all(type(value) is int and 0 <= value <= 255 for value in color)
    )


def _origin(built: Built) -> Iterator[str]:
    settings, source = (built.metadata.get(key) for key in ("settings", "source"))
    if not settings and not source:
        yield "metadata have neither settings (of what is generated) nor source (of files)"
    if source:
        kinds = {"folder": str, "files": int, "stamp": str, "fingerprint": str}
        wrong = [key for key, kind in kinds.items() if not isinstance(source.get(key), kind)]
        if wrong:
            yield f"source lacks {', '.join(wrong)}: see frame_folders/source.py"


def _census(built: Built) -> Iterator[str]:
    pixels, names = built.metadata.get("pixels"), built.metadata.get("class_names") or []
    if pixels is None:
        return
    if set(pixels) != set(built.builder.info.splits):
        yield f"pixels is of {', '.join(pixels)}: it must be of every split"
    for split, counts in pixels.items():
        if set(counts) != {*names, _UNLABELED}:
            has = ", ".join(counts)
            yield f"pixels of {split} has {has}: every class is needed, unlabeled too"


def _sequences(built: Built) -> Iterator[str]:
    given = [name for name in ("sequence", "frame_numbers") if name in built.features]
    if len(given) == 1:
        yield f"there is {given[0]} alone: sequence and frame_numbers go together"
    elif given and len(built.features["frame_numbers"].shape) != 1:
        yield f"frame_numbers is {list(built.features['frame_numbers'].shape)}: [T] is needed"


def _events(built: Built) -> Iterator[str]:
    if "events" not in built.features or "frames" not in built.features:
        return
    feature, length = built.features["events"], built.features["frames"].shape[0]
    shape, dtype = feature.shape, np.dtype(feature.np_dtype)
    if shape != (length,) or dtype != np.uint8:
        yield f"they are {dtype} {list(shape)}: uint8 [{length}] is needed, one of every frame"


def _kinds(built: Built) -> Iterator[str]:
    names = built.metadata.get("event_names")
    if ("event" in built.features) is not (names is not None):
        yield "the feature event and event_names in the metadata go together"
        return
    if names is None:
        return
    texts = isinstance(names, list) and all(isinstance(n, str) and n for n in names)
    if not texts or len(set(names)) < len(names):
        yield f"event_names is {names!r}: a list of different texts is needed"
    yield from _of_every_frame(built, "event", np.uint8)


def _distance(built: Built) -> Iterator[str]:
    yield from _of_every_frame(built, "distance", np.int32)


def _of_every_frame(built: Built, name: str, dtype: Any) -> Iterator[str]:
    if name not in built.features or "frames" not in built.features:
        return
    feature, length = built.features[name], built.features["frames"].shape[0]
    shape, found = feature.shape, np.dtype(feature.np_dtype)
    if shape != (length,) or found != dtype:
        yield f"it is {found} {list(shape)}: {np.dtype(dtype)} [{length}] is needed"


def _named(built: Built) -> Iterator[str]:
    names = built.metadata.get("event_names") or ()
    for what, example in built.each():
        if (example.get("event", np.zeros(0)) >= len(names)).any():
            yield f"{what} has event {example['event'].max()}: there are {len(names)} event_names"
            return


def _far(built: Built) -> Iterator[str]:
    for what, example in built.each():
        if (example.get("distance", np.zeros(0)) < 0).any():
            yield f"{what} has a distance of {example['distance'].min()}: 0 or above is needed"
            return


def _happens(built: Built) -> Iterator[str]:
    """The first frame that is not what its event says."""
    if "events" not in built.features:
        return
    for what, example in built.each():
        events = example["events"]
        if len(events) != len(example["frames"]) or (events >= len(EVENTS)).any():
            yield f"{what} has events {events.tolist()}: one of 0 to {len(EVENTS) - 1} for a frame"
            return
        for t, event in enumerate(events.tolist()):
            if (event == START) is not (t == 0):
                yield f"{what} has {EVENTS[event]} at frame {t}: start is the first frame, alone"
                return
            same = t > 0 and all(
                np.array_equal(example[name][t], example[name][t - 1])
                for name in ("frames", "masks")
            )
            if event in (CHANGE, PAUSE) and (event == PAUSE) is not same:
                yield f"{what} has {EVENTS[event]} at frame {t}, which is {_LIKE[same]} before"
                return


_LIKE = {True: "that", False: "another than that"}


def _shapes(built: Built) -> Iterator[str]:
    for what, example in built.each():
        if example["frames"].shape[:-1] != example["masks"].shape:
            yield f"{what} has masks {example['masks'].shape} for frames {example['frames'].shape}"
            return


def _labels(built: Built) -> Iterator[str]:
    classes = len(built.metadata.get("class_names") or range(IGNORED))
    for what, example in built.each():
        unknown = (example["masks"] >= classes) & (example["masks"] != IGNORED)
        if unknown.any():
            yield f"{what} has {example['masks'][unknown][0]}: 0 to {classes - 1} or {IGNORED}"
            break
    for split, examples in built.examples.items():
        if all((example["masks"] == IGNORED).all() for example in examples):
            yield f"no pixel of {split} has a label"


def _apart(built: Built) -> Iterator[str]:
    """Splits that share frames: of sequences by number, else by the whole video."""
    seen: dict[Any, str] = {}
    for split, examples in built.examples.items():
        for example in examples:
            for key in _keys(built, example):
                if seen.setdefault(key, split) != split:
                    yield f"{split} and {seen[key]} share frames"
                    return


def _keys(built: Built, example: Example) -> Iterator[Any]:
    if not built.has_sequences:
        yield example["frames"].tobytes()
        return
    for number in example["frame_numbers"].tolist():
        yield example["sequence"], number


def _order(built: Built) -> Iterator[str]:
    if not built.has_sequences:
        return
    for split, examples in built.examples.items():
        last: dict[Any, int] = defaultdict(lambda: -(2**63))
        for number, example in enumerate(examples):
            numbers = example["frame_numbers"]
            if len(numbers) != len(example["frames"]) or (np.diff(numbers) <= 0).any():
                yield f"{split} video {number} has frame_numbers {numbers.tolist()}: they must rise"
                return
            if numbers[0] < last[example["sequence"]]:
                yield f"{split} video {number} is earlier in its sequence than one before it"
                return
            last[example["sequence"]] = numbers[0]


def _counted(built: Built) -> Iterator[str]:
    names = built.metadata.get("class_names") or []
    for split, counts in built.metadata.get("pixels", {}).items():
        stored = np.unique(np.concatenate([e["masks"].ravel() for e in built.examples[split]]))
        absent = [names[k] for k in stored.tolist() if k < len(names) and not counts[names[k]]]
        if absent:
            yield f"pixels of {split} has 0 for {', '.join(absent)}, which its masks have"


Clause = Callable[[Built], Iterator[str]]
# What the files say of themselves, and then what is in them.
DESCRIPTION: dict[str, Clause] = {
    "files": _files,
    "decoding": _decoding,
    "frames": _frames,
    "masks": _masks,
    LENGTH: _length,
    "splits": _splits,
    "classes": _classes,
    "origin": _origin,
    "census": _census,
    "sequences": _sequences,
    "events": _events,
    "kinds": _kinds,
    "distance": _distance,
}
CONTENT: dict[str, Clause] = {
    "masks": _shapes,
    "labels": _labels,
    "splits": _apart,
    "sequences": _order,
    "events": _happens,
    "kinds": _named,
    "distance": _far,
    "census": _counted,
}
# Of the builder and the library.
FURTHER = ("builder", "version", "source", "rebuilding", "opening")


def _of_source(
    builder: tfds.core.DatasetBuilder, built: tfds.core.DatasetBuilder, manual: Path, scratch: Path
) -> Iterator[str]:
    made_of = dict(built.info.metadata)["source"]
    copy = Path(shutil.copytree(manual, scratch / "copy", copy_function=shutil.copy))
    if not builder.source(manual).is_of(made_of):
        yield "source: the files that it was made of are not known again"
    if not builder.source(copy).is_of(made_of):
        yield "source: a copy of the files is not known again: fingerprint must be of contents"
    for path in (p for p in copy.rglob("*") if p.is_file()):
        path.write_bytes(path.read_bytes() + b" ")
    if builder.source(copy).is_of(made_of):
        yield "source: files that were changed are taken for those that it was made of"
    if builder.source(copy).fingerprint == made_of["fingerprint"]:
        yield "source: fingerprint is the same for files that were changed"
    # Beside a dataset of other files, one is built under another name.
    config = dataclasses.replace(builder.builder_config, name="default-01234567")
    renamed = type(builder)(config=config, data_dir=scratch, version=builder.version)
    if renamed.builder_config.name != config.name:
        yield "source: it cannot be built under another name of its config"


def _of_library(built: Built, trainable: bool) -> Iterator[str]:
    builder, metadata = built.builder, built.metadata
    name = f"{builder.name}/{builder.builder_config.name}"
    labels = [e["masks"][e["masks"] != IGNORED].max(initial=1) for _, e in built.each()]
    config = rsf.get_config("own_s1f1").replace(
        dataset=name,
        data_dir=str(Path(builder.data_dir).parents[2]),
        classes=0 if "class_names" in metadata else int(max(labels)) + 1,
    )
    try:
        opened = open_dataset(config)
    except rsf.InputError as error:
        if trainable or "different lengths" not in str(error):
            yield f"opening: the library refuses it: {error}"
        return
    shape = tuple(built.features["frames"].shape[1:3])
    if opened.frame_shape != shape:
        yield f"opening: frames are of {opened.frame_shape} pixels in the library, {shape} in files"
    if opened.class_names != metadata.get("class_names"):
        yield f"opening: classes are {opened.class_names} in the library"
    if (opened.calibration is None) is ("calibration" in built.examples):
        yield "opening: a split calibration is there, or is not, in the library alone"
    if len(opened.test) != (count := len(built.examples["test"])):
        yield f"opening: the library reads {len(opened.test)} videos of test, there are {count}"
        return
    for stored, read in zip(built.examples["test"], opened.test, strict=True):
        keys = [key for key in ("frames", "masks", "events") if key in stored]
        if any(not np.array_equal(stored[key], read.get(key)) for key in keys):
            yield "opening: the library reads other videos of test than there are in the files"
            return


def clauses() -> set[str]:
    """Names of all clauses, as docs/dataset-contract.md has them."""
    return {*DESCRIPTION, *CONTENT, *FURTHER}


def is_documented(page: str, clause: str) -> bool:
    """Whether the page says what a clause is."""
    return bool(re.search(rf"^\| \*\*{clause}\*\* \|", page, re.MULTILINE))
