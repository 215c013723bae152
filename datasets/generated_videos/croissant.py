"""A description of a built dataset in the Croissant format, beside its files: `croissant.json`.

Search engines and other programs know a dataset by it: its files with their checksums, its splits,
and shape and type of what a record holds. It is made without TensorFlow and without mlcroissant.

Builders of generated datasets write it themselves. For one that is built already:
`python -m rsf_jax.datasets.generated_videos.croissant FOLDER`, the folder of a version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

FILE = "croissant.json"
_VERSION = "http://mlcommons.org/croissant/1.1"
# The names that the standard gives to what schema.org does not have.
_TERMS = (
    *("arrayShape", "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject"),
    *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath"),
    *("key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
    *("replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    **{term: f"cr:{term}" for term in _TERMS},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
}
_TYPES = {"i": "cr:Int", "u": "cr:UInt", "f": "cr:Float"}  # and the number of bits
_DESCRIPTION = {
    "dataset_info.json": "name, version, splits and numbers of records, as TFDS writes them",
    "features.json": "shape, type and encoding of what a record holds, as TFDS writes it",
    "metadata.json": "the seed and every setting that the data are a function of",
}
_RECORDS = "records"


def write(builder: tfds.core.DatasetBuilder) -> pathlib.Path:
    """Writes the description of a built dataset into its folder.

    Args:
        builder: the dataset, opened.

    Returns:
        The file.
    """
    path = pathlib.Path(builder.data_dir, FILE)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(json.dumps(describe(builder), indent=1) + "\n", encoding="utf-8")
    return unfinished.replace(path)


def describe(builder: tfds.core.DatasetBuilder) -> dict[str, Any]:
    """Returns the description of a built dataset: values for JSON.

    What nobody has said of it is left out: license, creator, date and address of the data.
    """
    info, folder = builder.info, pathlib.Path(builder.data_dir)
    config = builder.builder_config.name
    known = {"citeAs": info.citation, "url": info.homepage}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _VERSION,
        "name": f"{info.name}_{config}",
        "description": _about(info, builder.builder_config.description),
        "version": str(info.version),
        **{name: value for name, value in known.items() if value},
        "distribution": [*_files(folder, info), _records(info)],
        "recordSet": [_splits(info), _videos(info)],
    }


def _about(info: tfds.core.DatasetInfo, of_config: str | None) -> str:
    """The first paragraph of what the dataset says of itself, and what the config says."""
    paragraphs = [part for part in info.description.split("\n\n") if not part.startswith("#")]
    return "\n\n".join(part.strip() for part in (*paragraphs[:1], of_config) if part)


def _files(folder: pathlib.Path, info: tfds.core.DatasetInfo) -> Iterator[dict[str, Any]]:
    """Every file, with its size and checksum."""
    for name, said in _DESCRIPTION.items():
        if (folder / name).exists():
            yield _file(folder / name, "application/json", said)
    for split, held in info.splits.items():
        for path in map(pathlib.Path, held.filepaths):
            # No type of that name is registered: the bytes are what array_record's reader reads.
            said = f"records of the split {split}, in the format {info.file_format.value}"
            yield _file(path, "application/octet-stream", said)


def _file(path: pathlib.Path, encoding: str, said: str) -> dict[str, Any]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "description": said,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": encoding,
        "sha256": sha256,
    }


def _records(info: tfds.core.DatasetInfo) -> dict[str, Any]:
    """The files of all splits together."""
    return {
        "@type": "cr:FileSet",
        "@id": _RECORDS,
        "name": _RECORDS,
        "description": "the files of all splits",
        "encodingFormat": "application/octet-stream",
        "includes": f"{info.name}-*.{info.file_format.file_suffix}-*",
    }


def _splits(info: tfds.core.DatasetInfo) -> dict[str, Any]:
    """Names of the splits, and how many records each has."""
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {
                "@type": "cr:Field",
                "@id": "splits/records",
                "name": "records",
                "dataType": "sc:Integer",
            },
        ],
        "data": [
            {"splits/name": name, "splits/records": split.num_examples}
            for name, split in info.splits.items()
        ],
    }


def _videos(info: tfds.core.DatasetInfo) -> dict[str, Any]:
    """What a record holds."""
    return {
        "@type": "cr:RecordSet",
        "@id": "videos",
        "name": "videos",
        "description": "A record is a serialized tf.train.Example, each column here one of its "
        "features. Readers of CSV and Parquet do not read it: features.json has the encodings, by "
        "which tensorflow_datasets decodes it, without TensorFlow too.",
        "field": [_field(name, feature) for name, feature in sorted(info.features.items())],
    }


def _field(name: str, feature: Any) -> dict[str, Any]:
    shape = [-1 if length is None else length for length in feature.shape]
    dtype = np.dtype(feature.np_dtype)
    array = {"isArray": True, "arrayShape": ",".join(map(str, shape))} if shape else {}
    return {
        "@type": "cr:Field",
        "@id": f"videos/{name}",
        "name": name,
        "dataType": f"{_TYPES[dtype.kind]}{8 * dtype.itemsize}",
        **array,
        # The standard asks for one, and has no word for a feature of a record.
        "source": {"fileSet": {"@id": _RECORDS}, "extract": {"column": name}},
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="folder of a built version")
    folder = parser.parse_args().folder
    try:
        path = write(read_only_builder.builder_from_directory(folder))
    except Exception as error:  # its description is read by many parsers
        said = " ".join(str(error).split())
        sys.exit(f"error: {folder} is no folder of a built dataset, or damaged: {said}")
    print(f"{path}: add license and creator before you share the dataset")


if __name__ == "__main__":
    main()
