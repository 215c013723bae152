"""Parallel generation: examples of an index range, in order, made by several processes."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import joblib

Example = dict[str, Any]
Make = Callable[[Any, int, int], Example]  # settings, seed and index to an example

BATCH = 20  # examples made per task: large enough that starting a task does not count
TASKS = 4  # for each process, at least: where examples are few, a task has fewer of them
PATIENCE = 1.0  # seconds after which workers notice that they are alone
WORKERS_VARIABLE = "T_PATHFINDER_WORKERS"


def worker_count() -> int:
    """Processes to use: the environment variable T_PATHFINDER_WORKERS, else one per core.

    Raises:
        ValueError: when the variable is not a whole number of at least 1.
    """
    text = os.environ.get(WORKERS_VARIABLE, "")
    if not text:
        return joblib.cpu_count()
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"{WORKERS_VARIABLE}={text!r} is not possible: it must be a whole number of at least "
            f"1; unset it to use all {joblib.cpu_count()} cores."
        )
    return int(text)


def generate(
    make: Make, settings: Any, seed: int, indices: range, workers: int | None = None
) -> Iterator[Example]:
    """Yields the examples of `indices` in order; the number of workers never changes a byte.

    Args:
        make: makes one example, such as `generator.video`.
        settings: settings of the subset.
        seed: seed of the subset.
        indices: consecutive indices.
        workers: processes; None asks `worker_count`. With 1 no other process is started.

    Yields:
        Examples as `make` returns them.
    """
    workers = worker_count() if workers is None else workers
    if workers == 1:
        for index in indices:
            yield make(settings, seed, index)
        return
    size = min(BATCH, max(1, len(indices) // (TASKS * workers)))
    tasks = (
        joblib.delayed(_chunk)(make, settings, seed, first, min(first + size, indices.stop))
        for first in range(indices.start, indices.stop, size)
    )
    # One thread a worker: the work is not linear algebra, and the cores are taken already.
    with _package_on_path(), joblib.parallel_config("loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_jobs=workers, batch_size=1, return_as="generator")
        batches = pool(tasks)
        try:
            for batch in batches:
                yield from batch
        finally:
            # A reader may stop early (`--max_examples_per_split`); joblib would complain.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                batches.close()


def _chunk(make: Make, settings: Any, seed: int, first: int, last: int) -> list[Example]:
    """Examples `first` to `last - 1`: the unit of work of one process."""
    _end_with_parent()
    return [make(settings, seed, index) for index in range(first, last)]


@functools.cache  # once a process
def _end_with_parent() -> None:
    """Ends this process when the one that builds is gone: killed, it cannot end its workers."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PATIENCE)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _package_on_path() -> Iterator[None]:
    """Lets worker processes, which inherit `sys.path`, import this package.

    `tfds build` has the package's folder on the path only while it imports the builder.
    """
    folder = str(pathlib.Path(__file__).resolve().parents[1])
    missing = folder not in sys.path
    if missing:
        sys.path.append(folder)
    try:
        yield
    finally:
        if missing and folder in sys.path:
            sys.path.remove(folder)
