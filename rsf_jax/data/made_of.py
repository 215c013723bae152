"""Datasets made of a folder's files: found again by what is in the folder, or built anew.

What it asks of a builder and its metadata is the clause "source" of docs/dataset-contract.md.
"""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from rsf_jax.errors import InputError
from rsf_jax.paths import expand

# What a dataset is called where the plain name is taken: CONFIG and the beginning of a digest.
_OWN_NAME = "{config}-{digest}"
_DIGITS = 8


@dataclasses.dataclass(frozen=True)
class Built:
    """A dataset that is there.

    Attributes:
        folder: of its version.
        source: what it was made of, as its builder has written it; empty if by a former version.
    """

    folder: Path
    source: dict[str, Any]

    @property
    def made_of(self) -> str:
        """The folder it was made of, in words."""
        return self.source.get("folder", "files that it does not tell")


def choose(
    builder: tfds.core.DatasetBuilder, manual_dir: str
) -> tuple[Path | None, tfds.core.DatasetBuilder]:
    """Finds the dataset that was made of the files in a folder.

    Args:
        builder: of the plain name.
        manual_dir: the folder.

    Returns:
        The folder of the dataset, None if it is yet to be built; and what builds it, under a name
        of its own if the plain one is taken by other files.

    Raises:
        InputError: if the folder does not exist, nor a dataset that was made of it; or the builder
            takes no files.
        ValueError: if the files cannot be used.
    """
    name = f"{builder.name}/{builder.builder_config.name}"
    if not hasattr(builder, "source"):
        raise InputError(
            f"config.manual_dir is {manual_dir!r}: {name} is generated and takes no files; leave "
            "it out"
        )
    there, folder = _built(builder), expand(manual_dir)
    if not folder.is_dir() and any(Path(builder.data_dir).parent.glob("[0-9]*")):
        return _made_of_what_is_gone(there, folder, name), builder
    taken = next((built for built in there if built.folder == Path(builder.data_dir)), None)
    if taken is None and not there:
        return None, builder
    source = builder.source(folder)
    # Those of the same names, sizes and times first: looking into all files takes long.
    for built in sorted(there, key=lambda built: built.source.get("stamp") != source.stamp):
        if source.is_of(built.source):
            return built.folder, builder
    if taken is None:
        return None, builder
    own = _renamed(builder, source.fingerprint[:_DIGITS])
    print(
        f"{name} is of {taken.made_of}, and {folder} has other files or has changed since: it is "
        f"built as {own.builder_config.name}",
        flush=True,
    )
    return None, own


def is_there(builder: tfds.core.DatasetBuilder, manual_dir: str) -> bool:
    """Whether there is a dataset that `choose` would find for a folder, which may be gone.

    Raises:
        ValueError: if the files in the folder cannot be used.
    """
    there, folder = _built(builder), expand(manual_dir)
    if not folder.is_dir():
        return any(built.source.get("folder") == str(folder.resolve()) for built in there)
    source = builder.source(folder)
    return any(source.is_of(built.source) for built in there)


def _built(builder: tfds.core.DatasetBuilder) -> list[Built]:
    """All datasets of this builder and version that are of one config, whatever they are called."""
    folder = Path(builder.data_dir)
    config = re.escape(builder.builder_config.name)
    names = re.compile(rf"{config}(-[0-9a-f]{{{_DIGITS}}})?")
    return [
        Built(description.parent, _source(description))
        for description in sorted(folder.parent.parent.glob(f"*/{folder.name}/metadata.json"))
        if names.fullmatch(description.parent.parent.name)
    ]


def _source(description: Path) -> dict[str, Any]:
    try:
        return json.loads(description.read_text()).get("source", {})
    except (OSError, ValueError, AttributeError):  # what is damaged is told when it is opened
        return {}


def _made_of_what_is_gone(there: list[Built], folder: Path, name: str) -> Path:
    for built in there:
        if built.source.get("folder") == str(folder.resolve()):
            print(f"{folder} is gone: {built.folder}, which was made of it, is used", flush=True)
            return built.folder
    raise InputError(
        f"config.manual_dir is {str(folder)!r}: there is no such folder, and no {name} that is "
        "known to be made of it; leave it out for the one that is there"
    )


def _renamed(builder: tfds.core.DatasetBuilder, digest: str) -> tfds.core.DatasetBuilder:
    """The same builder under another name of its config."""
    config = builder.builder_config
    name = _OWN_NAME.format(config=config.name, digest=digest)
    version, data_dir = builder.version, Path(builder.data_dir).parents[2]
    renamed = dataclasses.replace(config, name=name)
    return type(builder)(config=renamed, data_dir=data_dir, version=version)
