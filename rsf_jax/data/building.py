"""Finds built datasets, and builds those that are missing, without TensorFlow.

What a builder has to be is in docs/dataset-contract.md.
"""

import contextlib
import importlib
import io
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from rsf_jax import datasets
from rsf_jax.config.config import ARRAYS, Config
from rsf_jax.data.made_of import choose, is_there
from rsf_jax.errors import InputError
from rsf_jax.paths import expand

# NAME, NAME/CONFIG or NAME/CONFIG:VERSION; TFDS takes others for damaged.
_NAME = re.compile(r"\w+(:[\d.*]+)?(/[\w.-]+(:[\d.*]+)?)?", re.ASCII)
_DAY = 24 * 3600  # seconds
_OF_TFDS = ("Downloading and preparing dataset", "downloaded and prepared to")
_DESCRIPTION = ("dataset_info.json", "features.json")  # TFDS writes them last
REBUILD = "Delete the folder; the next run builds it anew"


def find_or_build(config: Config) -> tfds.core.DatasetBuilder:
    """Opens a built dataset, building it first if it is missing.

    Args:
        config: uses `dataset`, `data_dir` and `manual_dir`. Where a folder of files is given, the
            dataset is the one that was made of them, see `made_of.choose`.

    Raises:
        InputError: if there is no such dataset, it is damaged, or it cannot be built.
    """
    name, data_dir = config.dataset, config.data_dir
    folder = expand(data_dir) if data_dir else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"config.data_dir is {data_dir!r}: a folder is needed, this is a file")
    if name == ARRAYS:
        raise InputError(
            "the dataset were arrays, given in Python: give an open one (Dataset.from_arrays), or "
            "the name of another (config.dataset)"
        )
    if not _NAME.fullmatch(name):
        raise _unknown(name, *_builders())
    if config.manual_dir:
        if ":" in name:
            raise InputError(
                f"config.dataset is {name!r}, a version that is built, and config.manual_dir "
                f"{config.manual_dir!r}: give one of the two"
            )
        return _build(name, folder, config.manual_dir)
    try:
        found = read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        return _build(name, folder, "")
    except Exception as error:  # its description is read by many parsers
        raise _damaged(name, folder, error) from error
    newer = _newer_version(name, found)
    if newer is None:
        return found
    print(
        f"{name}: version {found.version} is there, {newer} is other data and is used; for the "
        f"former give config.dataset={name}:{found.version}",
        flush=True,
    )
    return _build(name, folder, "")


def video_shape(config: Config) -> tuple[int, int, int, int] | None:
    """Returns [T, H, W, C] of a dataset's videos, as built or as its builder says; builds nothing.

    Returns:
        None if that depends on files which are not there, videos are of different lengths, or there
        is no such dataset.
    """
    folder = expand(config.data_dir) if config.data_dir else None
    try:
        builder = read_only_builder.builder_from_files(config.dataset, data_dir=folder)
    except Exception:  # as in `is_built`
        try:
            builder = _builder(config.dataset, folder, "")
        except InputError:
            return None
    features = builder.info.features
    shape: Any = features["frames"].shape if features else (None,)
    return None if None in shape else shape


def is_built(config: Config) -> bool:
    """Whether `find_or_build` would find a dataset without building anything."""
    folder = expand(config.data_dir) if config.data_dir else None
    try:
        if config.manual_dir:
            dataset, _, name = config.dataset.partition("/")
            builder_class = _builder_class(dataset, _builders()[0])
            return is_there(builder_class(config=name, data_dir=folder), config.manual_dir)
        found = read_only_builder.builder_from_files(config.dataset, data_dir=folder)
    except Exception:  # its description is read by many parsers; what is damaged is not there
        return False
    return _newer_version(config.dataset, found) is None


def _newer_version(name: str, found: tfds.core.DatasetBuilder) -> tfds.core.Version | None:
    """The builder's version, if what is built is of a former major one, whose data were others.

    A name with a version means that version, and a dataset without a builder has one alone.
    """
    dataset = name.partition("/")[0]
    root, known = _builders()
    if ":" in name or dataset not in known:
        return None
    now = _builder_class(dataset, root).VERSION
    return now if now.major > found.version.major else None


def _builder_class(dataset: str, root: Path) -> type[tfds.core.DatasetBuilder]:
    """Imports a builder by the name that TFDS and the builders know it by."""
    if str(root) not in sys.path:
        sys.path.append(str(root))
    datasets.importable()  # what builders of another folder share with those of the library
    name = f"{dataset}.{dataset}_dataset_builder"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        hidden = _hidden(str(error.name).partition(".")[0], root)
        if hidden is None:
            raise
        raise hidden from error
    if hidden := _hidden(dataset, root):
        raise hidden
    return module.Builder


def _hidden(package: str, root: Path) -> InputError | None:
    """What is wrong if another module goes by the name of a builder's package."""
    file = getattr(sys.modules.get(package), "__file__", None)
    folders = {Path(folder, package).resolve() for folder in (root, datasets.FOLDER)}
    if file is None or Path(file).resolve().parent in folders:
        return None
    return InputError(
        f"{file} hides {root / package}, a part of the builders of datasets: rename that file"
    )


def _build(name: str, folder: Path | None, manual_dir: str) -> tfds.core.DatasetBuilder:
    """Builds a dataset that has a builder, or finds the one that was made of a folder's files."""
    builder = _builder(name, folder, manual_dir)
    try:
        if manual_dir:
            there, builder = choose(builder, manual_dir)
            if there is not None:
                return _open(there)
        return prepare(builder, name, manual_dir)
    except InputError:
        raise
    except ValueError as error:  # of the files it is made of
        hint = "" if manual_dir else " (config.manual_dir=FOLDER names it)"
        # Of several files each has a line of its own.
        raise InputError(f"cannot build {name}: {error}{hint}") from error
    except OSError as error:
        raise InputError(f"cannot build {name} in {builder.data_dir}: {error}") from error


def _builder(name: str, folder: Path | None, manual_dir: str) -> tfds.core.DatasetBuilder:
    """What builds a dataset."""
    dataset, _, config = name.partition("/")
    root, known = _builders()
    if dataset not in known and manual_dir:
        raise InputError(
            f"config.manual_dir is {manual_dir!r}: there is no builder of {name} in {root} that "
            "could read it; leave it out if the dataset is built"
        )
    if dataset not in known:
        raise _unknown(name, root, known)
    builder_class = _builder_class(dataset, root)
    configs = list(builder_class.builder_configs)
    if config not in configs:
        raise InputError(
            f"config.dataset is {name!r}: {dataset} has the configs {', '.join(configs)}; "
            f"write {dataset}/CONFIG"
        )
    try:
        return builder_class(config=config, data_dir=folder)
    except Exception as error:  # as above
        raise _damaged(name, folder, error) from error


def prepare(
    builder: tfds.core.DatasetBuilder, name: str, manual_dir: str = ""
) -> tfds.core.DatasetBuilder:
    """Builds a dataset, one process at a time; those that wait find it built.

    TFDS builds in a folder called `incomplete.*` and renames it at the end: what a kill leaves is
    never taken for a dataset. Such folders in which nothing has changed for a day are removed.

    Args:
        builder: what builds it.
        name: what it is called.
        manual_dir: folder of the files that it is made of, if it is made of any.

    Returns:
        The dataset, opened anew: a builder does not notice what another process has built.

    Raises:
        InputError: if its folder is there, but is not whole.
    """
    folder = Path(builder.data_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.parent / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"Another process builds {name}: waiting for it", flush=True)
        held = lock.acquire()
    with held:
        _remove_abandoned(folder.parent)
        if not folder.exists():
            print(f"Building {name} in {folder}", flush=True)
            _generate(builder, folder, manual_dir)
    return _open(folder)


def _generate(builder: tfds.core.DatasetBuilder, folder: Path, manual_dir: str) -> None:
    settings, start = tfds.download.DownloadConfig(manual_dir=manual_dir or None), time.monotonic()
    try:
        with _without_lines_of_tfds():
            builder.download_and_prepare(download_config=settings)
        print(f"Built in {time.monotonic() - start:.0f} s", flush=True)
    except Exception:
        # See docs/decisions/0012-data-on-disk.md.
        # A `tfds build` of the user's, which knows nothing of the lock, may have overtaken it.
        if not folder.exists() or _missing(folder):
            raise


@contextlib.contextmanager
def _without_lines_of_tfds() -> Iterator[None]:
    """Leaves out that data of unknown size are downloaded: these are made, or lie in a folder."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        for line in said.getvalue().splitlines():
            if not any(words in line for words in _OF_TFDS):
                print(line, flush=True)


def _open(folder: Path) -> tfds.core.DatasetBuilder:
    if missing := _missing(folder):
        raise InputError(
            f"dataset {folder} is not whole: {' and '.join(missing)} missing, as after a copy that "
            f"was interrupted. {REBUILD}"
        )
    try:
        return read_only_builder.builder_from_directory(folder)
    except Exception as error:  # its description is read by many parsers
        raise InputError(
            f"dataset {folder} is damaged: {_line(error).rstrip('.')}. {REBUILD}"
        ) from error


def _missing(folder: Path) -> list[str]:
    return [name for name in _DESCRIPTION if not (folder / name).is_file()]


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob("incomplete.*"):
        if time.time() - _last_change(path) > _DAY:
            shutil.rmtree(path, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """When anything in a folder was changed; now, if something vanishes: another is at work."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return time.time()


def _builders() -> tuple[Path, list[str]]:
    """The folder of builders, and what they are called."""
    root = expand(os.environ.get("RSF_DATASETS") or datasets.FOLDER)
    return root, sorted(p.parent.name for p in root.glob("*/*_dataset_builder.py"))


def _unknown(name: str, root: Path, known: list[str]) -> InputError:
    return InputError(
        f"config.dataset is {name!r}, which is neither built nor has a builder in {root}: "
        f"choose one of {', '.join(known) or '(none found)'}, or set RSF_DATASETS to the "
        "folder of builders"
    )


def _damaged(name: str, data_dir: Path | None, error: Exception) -> InputError:
    where = data_dir or "TFDS's data directory"
    return InputError(
        f"dataset {name} in {where} is damaged: {_line(error).rstrip('.')}. Delete the folder of "
        f"its version in {name}; the next run builds it anew"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
