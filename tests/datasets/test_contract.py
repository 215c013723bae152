"""Every builder keeps to docs/dataset-contract.md, and one that does not is refused."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import contract
import grain
import numpy as np
import pytest
import small_datasets
import tensorflow_datasets as tfds
from frame_folders.source import Source
from tensorflow_datasets.core import read_only_builder
from video_records import events as stored_events
from video_records.building import VideoRecords
from video_records.features import array, frames_and_masks
from video_records.labels import IGNORED, class_metadata

from rsf_jax.data import streams
from rsf_jax.measures import losses

# TFDS 4.9 uses a protobuf call that newer protobuf releases warn of.
pytestmark = pytest.mark.filterwarnings(r"ignore:label\(\) is deprecated:DeprecationWarning")

_PAGE = Path(__file__).parents[2] / "docs" / "dataset-contract.md"


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    monkeypatch.setenv("T_PATHFINDER_WORKERS", "1")


@pytest.mark.parametrize("name", small_datasets.names())
def test_a_builder_keeps_the_contract(name, tmp_path):
    small = small_datasets.small(name, tmp_path / "files")
    contract.check_class(small.builder_class, tmp_path)
    built = small.build(tmp_path / "data")
    contract.check_built(built, trainable=small.trainable)
    contract.check_opened(built, trainable=small.trainable)
    contract.check_rebuilt(built, small.build(tmp_path / "again"))
    if small.manual is not None:
        contract.check_source(small.builder(tmp_path / "data"), built, small.manual, tmp_path)


_WITHOUT_TENSORFLOW = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
import small_datasets
folder = Path({folder!r})
for name in small_datasets.names():
    built = small_datasets.small(name, folder / "files" / name).build(folder / "data" / name)
    assert all(list(built.as_data_source(split)) for split in built.info.splits)
    assert "tensorflow" not in sys.modules, f"{{name}} imports TensorFlow"
"""


def test_no_builder_imports_tensorflow(tmp_path):
    """In a process of its own: what it checks is the state of the whole interpreter."""
    path = [str(small_datasets.DATASETS), str(Path(__file__).parent)]
    code = _WITHOUT_TENSORFLOW.format(path=path, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_builder_has_a_small_dataset():
    builders = {path.parent.name for path in small_datasets.DATASETS.glob("*/*_builder.py")}
    assert {name.partition("/")[0] for name in small_datasets.names()} == builders


def test_unlabeled_is_the_same_in_the_library_and_in_datasets():
    assert losses.IGNORED == IGNORED


def test_events_are_the_same_in_the_library_and_in_datasets():
    for name in ("EVENTS", "START", "CUT", "CHANGE", "PAUSE"):
        assert getattr(streams, name) == getattr(stored_events, name)


def test_the_page_says_every_clause_and_no_other():
    page = _PAGE.read_text()
    assert all(contract.is_documented(page, clause) for clause in contract.clauses())
    assert page.count("| **") == len(contract.clauses())


@dataclasses.dataclass(frozen=True)
class Content:
    """What a builder makes.

    Attributes:
        features: beside, or in place of, frames and masks.
        metadata: beside, or in place of, those of two classes.
        splits: numbers of the videos of each.
        change: of an example, by its number; None takes a feature away, here and above.
    """

    features: dict = dataclasses.field(default_factory=dict)
    metadata: dict = dataclasses.field(default_factory=dict)
    splits: tuple = (("train", range(6)), ("test", range(6, 8)))
    change: object = None


def _example(number):
    rng = np.random.default_rng(number)
    masks = rng.integers(0, 2, (2, 6, 8), np.uint8)
    masks[:, 0] = IGNORED
    return {"frames": rng.integers(0, 256, (2, 6, 8, 1), np.uint8), "masks": masks}


class Good(VideoRecords, tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Keeps the contract, with the content of a right builder."""

    name = "good"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}  # noqa: RUF012
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="default")]  # noqa: RUF012
    content = Content()

    def _info(self):
        features = frames_and_masks(2, (6, 8), 1) | self.content.features
        metadata = class_metadata(["no", "yes"]) | {"settings": {"a": 1}} | self.content.metadata
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(_given(features)),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(_given(metadata)),
        )

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(of) for name, of in self.content.splits}

    def _generate_examples(self, numbers):
        for number in numbers:
            example = _example(number)
            if self.content.change is not None:
                example |= self.content.change(number, example)
            yield number, _given(example)


def _given(values):
    return {name: value for name, value in values.items() if value is not None}


def _class(bases=(Good,), module="good_dataset_builder", called="Builder", **changes):
    """`Good` with other attributes, as if it were in a file of `datasets/`."""
    return type(
        called, bases, {"name": "good", "__module__": module} | changes, skip_registration=True
    )


def _build(content, folder):
    made = _class(content=content)(config="default", data_dir=folder)
    made.download_and_prepare()
    return read_only_builder.builder_from_directory(made.data_dir)


def test_the_builder_that_is_changed_below_keeps_the_contract(tmp_path):
    built = _build(Content(), tmp_path)
    contract.check_built(built)
    contract.check_opened(built)
    contract.check_rebuilt(built, _build(Content(), tmp_path / "again"))


def _frames(shape, dtype=np.uint8):
    return Content(
        features={"frames": array(shape, dtype, "zlib")},
        change=lambda _, example: {"frames": np.zeros([n or 2 for n in shape], dtype)},
    )


def _masks(shape, dtype=np.uint8):
    return Content(
        features={"masks": array(shape, dtype, "zlib")},
        change=lambda _, example: {"masks": np.zeros([n or 2 for n in shape], dtype)},
    )


_SEQUENCES = {"sequence": tfds.features.Text(), "frame_numbers": array((2,), np.int64, "bytes")}


def _sequences(numbers, features=_SEQUENCES, sequence=lambda number: f"{number > 5}"):
    return Content(
        features=features,
        change=lambda number, _: {"sequence": sequence(number), "frame_numbers": numbers(number)},
    )


def _events(events, *repeated, shape=(2,)):
    """Streams of two frames; the second is the first in what is named."""
    return Content(
        features={"events": array(shape, np.uint8, "bytes")},
        change=lambda _, example: (
            {"events": np.array(events, np.uint8)}
            | {name: example[name][[0, 0]] for name in repeated}
        ),
    )


def _kinds(event, distance, names=("nothing", "gate"), shape=(2,)):
    """Streams that tell more of their two frames."""
    told = {"event": np.array(event, np.uint8), "distance": np.array(distance, np.int32)}
    return Content(
        features={name: array(shape, values.dtype, "bytes") for name, values in told.items()},
        metadata={"event_names": names and list(names)},
        change=lambda *_: told,
    )


def _one_class_in_train(number, example):
    return {"masks": np.full_like(example["masks"], IGNORED)} if number > 5 else {}


_PIXELS = {"no": 9, "yes": 9, "unlabelled": 9}
_CASES = [
    (
        Content(features={"frames": None}, change=lambda _, e: {"frames": None}),
        "frames: there is no feature frames",
    ),
    (_frames((2, 6, 8, 1), np.float32), r"frames: they are float32 \[2, 6, 8, 1\]: uint8 \[T, H"),
    (_frames((2, 6, 8)), r"frames: they are uint8 \[2, 6, 8\]: uint8 \[T, H, W, C\] is needed"),
    (_frames((2, 6, 8, 2)), r"frames: they have 2 channels: 1 \(gray\) or 3"),
    (_frames((2, None, 8, 1)), r"frames: they are \[2, None, 8, 1\]: all must be of one size"),
    (_frames((2, 6, 9, 1)), r"masks: they are \[2, 6, 8\], frames \[2, 6, 9, 1\]: T, H and W"),
    (_masks((2, 6, 8), np.int32), r"masks: they are int32 \[2, 6, 8\]"),
    (
        Content(
            features={"frames": array((None, 6, 8, 1), np.uint8, "zlib")},
            change=lambda _, e: {"frames": e["frames"][:1]},
        ),
        "length: videos are of different lengths",
    ),
    (
        Content(
            features={"picture": tfds.features.Image(shape=(6, 8, 1))},
            change=lambda _, e: {"picture": e["frames"][0]},
        ),
        "decoding: picture is of kind Image: Tensor, Scalar and Text",
    ),
    (
        Content(splits=(("train", range(6)), ("tests", range(6, 8)))),
        "splits: there is no split test",
    ),
    (
        Content(splits=(("train", range(6)), ("test", range(5, 8)))),
        "splits: test and train share frames",
    ),
    (
        Content(change=lambda _, e: {"masks": np.where(e["masks"] == 1, np.uint8(3), e["masks"])}),
        r"labels: train video 0 has 3: 0 to 1 or 255",
    ),
    (Content(change=_one_class_in_train), "labels: no pixel of test has a label"),
    (Content(metadata={"class_names": "yes"}), "classes: class_names is 'yes': a list of texts"),
    (Content(metadata={"class_names": ["yes", "yes"]}), "classes: .*from 2 to 255 different"),
    (Content(metadata={"class_names": ["yes"]}), "classes: .*from 2 to 255 different"),
    (Content(metadata={"colors": [[0, 0, 0]]}), r"classes: colors is \[\[0, 0, 0\]\]"),
    (Content(metadata={"colors": [[0, 0, 256]] * 2}), "classes: colors is .*from 0 to 255"),
    (Content(metadata={"background": 2}), "classes: background is 2: the index of a class"),
    (Content(metadata={"ignored": 254}), "classes: ignored is 254: stored masks have 255"),
    (Content(metadata={"settings": None}), "origin: metadata have neither settings .* nor source"),
    (Content(metadata={"source": {"folder": "x"}}), "origin: source lacks files, stamp, fing"),
    (Content(metadata={"pixels": {"train": _PIXELS}}), "census: pixels is of train: it must be"),
    (
        Content(metadata={"pixels": {"train": _PIXELS, "test": {"no": 9}}}),
        "census: pixels of test has no: every class is needed, unlabeled too",
    ),
    (
        Content(metadata={"pixels": {"train": _PIXELS, "test": _PIXELS | {"yes": 0}}}),
        "census: pixels of test has 0 for yes, which its masks have",
    ),
    (
        Content(features={"sequence": tfds.features.Text()}, change=lambda _, e: {"sequence": "a"}),
        "sequences: there is sequence alone",
    ),
    (
        _sequences(lambda n: n, _SEQUENCES | {"frame_numbers": tfds.features.Scalar(np.int64)}),
        r"sequences: frame_numbers is \[\]: \[T\] is needed",
    ),
    (
        _sequences(lambda n: np.array([n, n])),
        r"sequences: train video 0 has frame_numbers \[0, 0\]: they must rise",
    ),
    (
        _sequences(lambda n: np.array([9 - n, 10 - n])),
        "sequences: train video 1 is earlier in its sequence than one before it",
    ),
    (
        _sequences(lambda n: np.array([n, n + 1]), sequence=lambda n: "one"),
        "splits: test and train share frames",
    ),
    (
        _events([0, 1, 2], shape=(3,)),
        r"events: they are uint8 \[3\]: uint8 \[2\] is needed",
    ),
    (_kinds([0, 2], [0, 9]), "kinds: train video 0 has event 2: there are 2 event_names"),
    (_kinds([0, 1], [0, 9], None), "kinds: the feature event and event_names in the metadata go"),
    (_kinds([0, 1], [0, 9], ("a", "a")), r"kinds: event_names is \['a', 'a'\]: a list of diff"),
    (
        _kinds([0, 1, 1], [0, 9, 9], shape=(3,)),
        r"distance: it is int32 \[3\]: int32 \[2\] is needed",
    ),
    (_kinds([0, 1], [0, -1]), "distance: train video 0 has a distance of -1: 0 or above"),
    (_events([0, 4]), r"events: train video 0 has events \[0, 4\]: one of 0 to 3"),
    (_events([1, 2]), "events: train video 0 has cut at frame 0: start is the first frame"),
    (_events([0, 0]), "events: train video 0 has start at frame 1: start is the first frame"),
    (
        _events([0, 3], "frames"),
        "events: train video 0 has pause at frame 1, which is another than that before",
    ),
    (
        _events([0, 2], "frames", "masks"),
        "events: train video 0 has change at frame 1, which is that before",
    ),
]


@pytest.mark.parametrize(("content", "message"), _CASES)
def test_a_wrong_dataset_is_refused_with_the_clause_that_it_breaks(content, message, tmp_path):
    with pytest.raises(contract.ContractBroken, match=message):
        contract.check_built(_build(content, tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        _events([0, 2]),
        _events([0, 2], "frames"),
        _events([0, 2], "masks"),
        _events([0, 3], "frames", "masks"),
        _events([0, 1]),
        _events([0, 1], "frames", "masks"),
        _kinds([0, 1], [0, 9]),
    ],
)
def test_events_that_are_right_are_read(content, tmp_path):
    built = _build(content, tmp_path)
    contract.check_built(built)
    contract.check_opened(built)


def test_all_that_is_wrong_with_a_description_is_told_at_once(tmp_path):
    content = Content(metadata={"ignored": 0, "settings": None}, splits=(("train", range(3)),))
    with pytest.raises(contract.ContractBroken) as told:
        contract.check_built(_build(content, tmp_path))
    first, *lines = str(told.value).splitlines()
    assert first == "good/default/1.0.0 breaks docs/dataset-contract.md:"
    assert [line.split(":")[0].strip() for line in lines] == ["splits", "classes", "origin"]


def test_files_without_random_access_are_refused(tmp_path):
    folder = Path(_build(Content(), tmp_path).data_dir)
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
    with pytest.raises(contract.ContractBroken, match="files: they are tfrecord: array_record has"):
        contract.check_built(read_only_builder.builder_from_directory(folder))


def test_videos_of_different_lengths_may_be_asked_for(tmp_path):
    content = Content(
        features=frames_and_masks(None, (6, 8), 1),
        change=lambda n, e: {name: e[name][: 1 + n % 2] for name in e},
    )
    built = _build(content, tmp_path)
    contract.check_built(built, trainable=False)
    contract.check_opened(built, trainable=False)
    with pytest.raises(contract.ContractBroken, match=r"opening: .* of different lengths"):
        contract.check_opened(built)


class _TfrecordGood(Good, skip_registration=True):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.info.set_file_format("tfrecord", override=True)


_CONFIG = tfds.core.BuilderConfig
_CLASSES = [
    ({"module": "good"}, r"builder: good is in good\.py"),
    ({"called": "Good"}, "builder: the class is called Good: it must be Builder"),
    ({"BUILDER_CONFIGS": []}, "builder: it has no BUILDER_CONFIGS"),
    ({"BUILDER_CONFIGS": [_CONFIG(name="a b")]}, "builder: config 'a b' can only be of letters"),
    ({"VERSION": tfds.core.Version("2.0.0")}, r"version: 2\.0\.0 has no release note"),
    ({"bases": (_TfrecordGood,)}, "files: it writes tfrecord: derive it from VideoRecords"),
    ({"MANUAL_DOWNLOAD_INSTRUCTIONS": "a folder"}, "source: .* and a method source"),
    ({"source": lambda self, folder: None}, "source: .* and a method source"),
]


@pytest.mark.parametrize(("changes", "message"), _CLASSES)
def test_a_wrong_builder_is_refused_before_it_builds(changes, message, tmp_path):
    contract.check_class(_class(), tmp_path)
    with pytest.raises(contract.ContractBroken, match=message):
        contract.check_class(_class(**changes), tmp_path)


def test_a_builder_that_makes_other_videos_when_it_builds_again_is_refused(tmp_path):
    built = []
    for name in ("first", "second"):
        start = {"first": 0, "second": 3}[name]

        def change(number, example, start=start):
            return {"frames": example["frames"] + np.uint8(start if number == 4 else 0)}

        built.append(_build(Content(change=change), tmp_path / name))
    with pytest.raises(contract.ContractBroken, match="rebuilding: train video 4 has other frames"):
        contract.check_rebuilt(*built)
    fewer = _build(Content(splits=(("train", range(5)), ("test", range(6, 8)))), tmp_path / "third")
    with pytest.raises(contract.ContractBroken, match=r"rebuilding: .*6.* become .*5"):
        contract.check_rebuilt(built[0], fewer)


def _knows_all(self, metadata):
    return True


def _knows_none(self, metadata):
    return False


@pytest.mark.parametrize(
    ("is_of", "message"),
    [
        (_knows_all, "source: files that were changed are taken for those"),
        (_knows_none, "source: the files that it was made of are not known again"),
        (
            lambda self, metadata: self.stamp == metadata["stamp"],
            "source: a copy of the files is not known again",
        ),
    ],
)
def test_a_builder_that_does_not_know_its_files_is_refused(is_of, message, tmp_path, monkeypatch):
    small = small_datasets.small("own_video/default", tmp_path / "files")
    built = small.build(tmp_path / "data")
    monkeypatch.setattr(Source, "is_of", is_of)
    with pytest.raises(contract.ContractBroken, match=message):
        contract.check_source(small.builder(tmp_path / "data"), built, small.manual, tmp_path)


def test_a_fingerprint_of_names_alone_is_refused(tmp_path, monkeypatch):
    small = small_datasets.small("own_video/default", tmp_path / "files")
    monkeypatch.setattr(Source, "fingerprint", "names")
    built = small.build(tmp_path / "data")
    with pytest.raises(contract.ContractBroken, match="source: fingerprint is the same"):
        contract.check_source(small.builder(tmp_path / "data"), built, small.manual, tmp_path)


def _source(*numbers):
    return grain.MapDataset.source([_example(number) for number in numbers])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ["a", "b"]}, "opening: classes are"),
        ({"frame_shape": (3, 3)}, r"opening: frames are of \(3, 3\) pixels in the library"),
        ({"calibration": _source(0)}, "opening: a split calibration is there"),
        ({"test": _source(6)}, "opening: the library reads 1 videos of test, there are 2"),
        ({"test": _source(6, 0)}, "opening: the library reads other videos of test"),
    ],
)
def test_a_library_that_reads_something_else_is_noticed(change, message, tmp_path, monkeypatch):
    built = _build(Content(), tmp_path)
    opened = contract.open_dataset

    def otherwise(config):
        return dataclasses.replace(opened(config), **change)

    monkeypatch.setattr(contract, "open_dataset", otherwise)
    with pytest.raises(contract.ContractBroken, match=message):
        contract.check_opened(built)
