"""Runs what is missing of a list, within a time, and keeps a record of each run."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rsf_jax import experiment
from rsf_jax.analysis.contraction import spectral_radius
from rsf_jax.config.config import Config
from rsf_jax.config.presets import get_config
from rsf_jax.data.dataset import open_dataset
from rsf_jax.errors import InputError
from rsf_jax.evaluation.equal_terms import MANY, compare_on_equal_terms
from rsf_jax.evaluation.equal_terms import Settings as Terms
from rsf_jax.evaluation.extrapolation import Settings as Sizes
from rsf_jax.evaluation.extrapolation import extrapolate
from rsf_jax.evaluation.live_settings import Settings
from rsf_jax.evaluation.live_test import live_test, of_split
from rsf_jax.evaluation.recorder import make_record
from rsf_jax.evaluation.testing import evaluate
from rsf_jax.json_files import plain, write_json
from rsf_jax.policies import parse_policy, renamed
from rsf_jax.pretrained import pretrained_names, read_card
from rsf_jax.run_folder import RunFolder, writable_folder
from rsf_jax.trained.model import Trained
from rsf_jax.trained.records import Record, plain_config, read_record
from rsf_jax.training.imports import import_pretrained
from rsf_jax.training.integrity import sealed_steps
from rsf_jax.training.loading import load_trained
from rsf_jax.training.loop import Outcome

# What is left of the time has to be enough to start, compile and save.
LEAST_MINUTES = 0.5
_RADII = 8  # frames


@dataclasses.dataclass(frozen=True)
class Job:
    """One run and the policies it is tested with.

    Attributes:
        config: the run.
        policies: beside that of training.
        title: what the run is called, if not after its settings.
        begins: name of the job whose best weights it begins with; none if it has its own way.
        live: tests on live streams, one for each split: `records/live/NAME.json`, of another split
            than the test's `records/live/NAME_SPLIT.json`.
        terms: on which rules of halting are compared, `records/halting/NAME.json`; None if not.
        sizes: larger problems that it is tested on, `records/sizes/NAME.json`; None if not.
    """

    config: Config
    policies: tuple[str, ...]
    title: str = ""
    begins: str = ""
    live: tuple[Settings, ...] = ()
    terms: Terms | None = None
    sizes: Sizes | None = None

    @property
    def name(self) -> str:
        """What the run's folder and its record are called."""
        if self.title:
            return self.title
        preset = dataclasses.asdict(get_config(self.config.name))
        changes = [
            f"{name}={value}"
            for name, value in plain_config(self.config).items()
            if name != "seed" and value != preset[name]
        ]
        return "-".join([self.config.name, *changes, f"seed{self.config.seed}"]).replace("/", "_")


def run_jobs(jobs: list[Job], runs: Path, records: Path, minutes: float) -> bool:
    """Trains and tests what has not been, in order, resuming what was begun.

    Args:
        jobs: what to run.
        runs: folder for the runs, one in each `runs/NAME`.
        records: folder for the records, `records/NAME.json`, renewed whenever a run stops.
        minutes: after which the run at hand is saved and left; 0 for no limit.

    Returns:
        Whether everything has been run.

    Raises:
        InputError: if a setting, a dataset or a folder cannot be used.
    """
    records = writable_folder(records)
    end = time.monotonic() + minutes * 60 if minutes else None
    for job in jobs:
        path = records / f"{job.name}.json"
        if not (path.exists() and is_done(job, read_record(path), records)):
            left = 0.0 if end is None else (end - time.monotonic()) / 60
            if end is not None and left < LEAST_MINUTES:
                return False
            print(f"{job.name}: {left:.1f} minutes left" if end else job.name, flush=True)
            if _run_and_record(job, runs, records, left) is Outcome.STOPPED:
                return False
        for path, test in _tests(job, records).items():
            if not path.exists():
                write_json(path, test(load_trained(_weights_of(job.name, job, runs))))
    return True


def is_done(job: Job, record: Record, records: Path) -> bool:
    """Whether a run has been tested with all policies and on all streams that it should be."""
    tested = {record.schedule, *map(renamed, job.policies)} <= record.tests.keys()
    live = (live_record(records, job.name, settings.split) for settings in job.live)
    return tested and all(path.exists() for path in live)


def live_record(records: Path, name: str, split: str) -> Path:
    """Where the test of a run on streams is kept, of the videos of a split."""
    return writable_folder(records / "live") / f"{name}{of_split(split)}.json"


def _tests(job: Job, records: Path) -> dict[Path, Callable[[Trained], dict[str, Any]]]:
    """Tests besides that of the run itself, each by the record that is kept of it."""
    tell = partial(print, flush=True)
    tests: dict[Path, Callable[[Trained], dict[str, Any]]] = {}
    if job.terms:
        tests[_record(records, "halting", job.name)] = partial(_compared, job.terms)
    if job.sizes:
        path = _record(records, "sizes", job.name)
        tests[path] = partial(extrapolate, settings=job.sizes, tell=tell)
    return tests


def _record(records: Path, test: str, name: str) -> Path:
    return writable_folder(records / test) / f"{name}.json"


def _compared(terms: Terms, trained: Trained) -> dict[str, Any]:
    """What rules of halting get, and whether steps contract where they have come to."""
    dataset = open_dataset(trained.config)
    first = np.stack([np.asarray(video["frames"][0]) for video in dataset.test[:_RADII]])
    found = compare_on_equal_terms(trained, dataset, terms, partial(print, flush=True))
    radius = spectral_radius(trained.model, trained.variables, first, MANY)
    return plain({**found, "radius": radius.tolist()})


def _run_and_record(job: Job, runs: Path, records: Path, minutes: float) -> Outcome:
    outcome = _run(job, runs, minutes)
    write_json(records / f"{job.name}.json", make_record(runs / job.name))
    if outcome is not Outcome.STOPPED:
        for settings in job.live:
            tested = RunFolder(runs / job.name).live(of_split(settings.split))
            shutil.copy(tested, live_record(records, job.name, settings.split))
    return outcome


def _run(job: Job, runs: Path, minutes: float) -> Outcome:
    config, workdir = job.config.replace(max_minutes=minutes), runs / job.name
    if job.begins:
        config = config.replace(init_from=str(_weights_of(job.begins, job, runs)))
    outcome = experiment.run(config, workdir)
    if outcome is not Outcome.STOPPED and (job.policies or job.live):
        trained = load_trained(workdir)
        dataset = open_dataset(trained.config)
        for policy in job.policies:
            evaluate(trained, dataset, workdir, parse_policy(policy))
        for settings in job.live:
            live_test(trained, dataset, workdir, settings, partial(print, flush=True))
    return outcome


def _weights_of(title: str, job: Job, runs: Path) -> Path:
    """A run that a job needs; made of weights that come with the library if it is gone."""
    folder = runs / title
    if sealed_steps(RunFolder(folder).checkpoints):
        return folder
    name = title.removesuffix(f"-seed{job.config.seed}")
    if name in pretrained_names() and read_card(name).record.seed == job.config.seed:
        return import_pretrained(name, folder)
    raise InputError(
        f"{job.name} needs the weights of {title}: {folder} has none, and none of that name come "
        "with the library. Delete its record, and it is trained again"
    )
