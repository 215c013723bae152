"""What docs/explanation/tfds-without-tensorflow.md says of TFDS, where TensorFlow is hidden."""

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import json, sys
from importlib.machinery import PathFinder
from pathlib import Path

find = PathFinder.find_spec
hidden = {"tensorflow", "apache_beam", "mlcroissant"}
PathFinder.find_spec = classmethod(
    lambda _, name, *others: None if name.partition(".")[0] in hidden else find(name, *others)
)
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets import features as f

folder = Path(sys.argv[1])
frames = np.zeros((2, 8, 9, 1), np.uint8)
kinds = {
    "zlib": (lambda: f.Tensor(shape=(2, 8, 9, 1), dtype=np.uint8, encoding="zlib"), frames),
    "bytes": (lambda: f.Tensor(shape=(None, 8, 9, 1), dtype=np.uint8, encoding="bytes"), frames),
    "none": (lambda: f.Tensor(shape=(2, 8, 9, 1), dtype=np.uint8), frames),
    "scalar": (lambda: f.Scalar(np.int64), 1),
    "text": (lambda: f.Text(), "a"),
    "label": (lambda: f.ClassLabel(names=["a", "b"]), 1),
    "sequence": (lambda: f.Sequence(f.Scalar(np.int32)), [1, 2]),
    "image": (lambda: f.Image(shape=(8, 9, 1)), frames[0]),
    "images": (lambda: f.Sequence(f.Image(shape=(8, 9, 1))), list(frames)),
    "video": (lambda: f.Video(shape=(2, 8, 9, 1)), frames),
    "tfrecord": (lambda: f.Scalar(np.int64), 1),
}


def build(kind):
    feature, value = kinds[kind]

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        name = kind
        pkg_dir_path = folder

        def _info(self):
            found = f.FeaturesDict({"x": feature()})
            return tfds.core.DatasetInfo(builder=self, features=found, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"x": value}

    fmt = "tfrecord" if kind == "tfrecord" else "array_record"
    builder = Builder(data_dir=folder, file_format=fmt)
    builder.download_and_prepare()
    return builder


def read(kind):
    build(kind).as_data_source("train")[0]


def cli():
    import tensorflow_datasets.scripts.cli.main


def tried(function, *args):
    try:
        function(*args)
    except ImportError:
        return False
    except Exception as error:
        return False if "ModuleNotFoundError" in repr(error) else repr(error)
    return True


found = {kind: tried(read, kind) for kind in kinds}
found["as_dataset"] = tried(lambda: build("scalar").as_dataset(split="train"))
found["command"] = tried(cli)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_what_tfds_does_without_tensorflow(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    works = {"zlib", "bytes", "none", "scalar", "text", "label", "sequence"}
    assert {kind for kind, well in found.items() if well is True} == works
    assert {kind for kind, well in found.items() if well is False} == found.keys() - works
