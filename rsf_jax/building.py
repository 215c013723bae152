"""Finds built datasets, and builds those that are missing, without TensorFlow."""

import importlib
import os
import re
import shutil
import sys
import time
from pathlib import Path

import filelock
import tensorflow_datasets as tfds
from tensorflow_datasets.core import read_only_builder

from rsf_jax.config import Config
from rsf_jax.errors import InputError
from rsf_jax.paths import expand

# NAME, NAME/CONFIG or NAME/CONFIG:VERSION; TFDS takes others for damaged.
_NAME = re.compile(r"\w+(:[\d.*]+)?(/[\w.-]+(:[\d.*]+)?)?", re.ASCII)
_DAY = 24 * 3600  # seconds
REBUILD = "Delete the folder; the next run builds it anew"


def find_or_build(config: Config) -> tfds.core.DatasetBuilder:
    """Opens a built dataset, building it first if it is missing.

    Args:
        config: uses `dataset`, `data_dir` and `manual_dir`.

    Raises:
        InputError: if there is no such dataset, it is damaged, or it cannot be built.
    """
    name, data_dir = config.dataset, config.data_dir
    folder = expand(data_dir) if data_dir else None
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"config.data_dir is {data_dir!r}: a folder is needed, this is a file")
    if not _NAME.fullmatch(name):
        raise _unknown(name, *_builders())
    try:
        return read_only_builder.builder_from_files(name, data_dir=folder)
    except tfds.core.DatasetNotFoundError:
        return _build(name, folder, config.manual_dir)
    except Exception as error:  # its description is read by many parsers
        where, why = folder or "TFDS's data directory", _line(error)
        raise InputError(f"dataset {name} in {where} is damaged: {why}. {REBUILD}") from error


def _build(name: str, folder: Path | None, manual_dir: str) -> tfds.core.DatasetBuilder:
    """Builds `datasets/NAME`, found by path: no package may be called `datasets`."""
    dataset, _, config = name.partition("/")
    root, known = _builders()
    if dataset not in known:
        raise _unknown(name, root, known)
    if str(root) not in sys.path:
        sys.path.append(str(root))
    builder_class = importlib.import_module(f"{dataset}.{dataset}_dataset_builder").Builder
    configs = [c.name for c in builder_class.BUILDER_CONFIGS]
    if config not in configs:
        raise InputError(
            f"config.dataset is {name!r}: {dataset} has the configs {', '.join(configs)}; "
            f"write {dataset}/CONFIG"
        )
    builder = builder_class(config=config, data_dir=folder)
    try:
        prepare(builder, name, manual_dir)
    except ValueError as error:  # of the files it is made of
        hint = "" if manual_dir else " (--config.manual_dir=FOLDER names it)"
        raise InputError(f"cannot build {name}: {_line(error)}{hint}") from error
    except OSError as error:
        raise InputError(f"cannot build {name} in {builder.data_dir}: {error}") from error
    return builder


def prepare(builder: tfds.core.DatasetBuilder, name: str, manual_dir: str = "") -> None:
    """Builds a dataset, one process at a time; those that wait find it built.

    TFDS builds in a folder called `incomplete.*` and renames it at the end: what a kill leaves is
    never taken for a dataset. Such folders in which nothing has changed for a day are removed.
    """
    folder = Path(builder.data_dir).parent
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"Another process builds {name}: waiting for it", flush=True)
        held = lock.acquire()
    with held:
        _remove_abandoned(folder)
        print(f"Building {name} in {builder.data_dir}", flush=True)
        settings = tfds.download.DownloadConfig(manual_dir=manual_dir or None)
        builder.download_and_prepare(download_config=settings)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob("incomplete.*"):
        newest = max(p.stat().st_mtime for p in (path, *path.rglob("*")))
        if time.time() - newest > _DAY:
            shutil.rmtree(path, ignore_errors=True)


def _builders() -> tuple[Path, list[str]]:
    """The folder of builders, and what they are called."""
    root = Path(os.environ.get("RSF_DATASETS", Path(__file__).parents[1] / "datasets"))
    return root, sorted(p.parent.name for p in root.glob("*/*_dataset_builder.py"))


def _unknown(name: str, root: Path, known: list[str]) -> InputError:
    return InputError(
        f"config.dataset is {name!r}, which is neither built nor has a builder in {root}: "
        f"choose one of {', '.join(known) or '(none found)'}, or set RSF_DATASETS to the "
        "folder of builders"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
