"""The small training run that faults are tried on, and what it must end as."""

import dataclasses
import itertools
import os
import sys
import time
from pathlib import Path

import jax
import numpy as np

import rsf_jax as rsf
from rsf_jax.run_folder import RunFolder
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.integrity import DELETED, find_damaged, sealed_steps
from rsf_jax.training.state import build_optimizer, create_state
from tests import launching

_SETTINGS = {
    "dataset": "t_pathfinder/drill",
    "validation_share": 0.1,
    "channels": 2,
    "kernel_size": 3,
    "slow_steps": 1,
    "batch_size": 4,
    "epochs": 6,
    "validate_every": 7,
    "save_every": 3,
    "log_every": 1,
    "eval_batch_size": 4,
    "devices": 1,
}
UPDATES = 54
_PATIENCE = 300.0  # seconds for anything, on a machine with much else to do


class Lost(AssertionError):
    """Something that was saved is gone, or a run has ended otherwise than it should."""


class Scene:
    """A dataset, the end of a run that nothing disturbed, and runs of the same settings.

    Args:
        folder: an empty folder, or that of an earlier scene.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        data_dir = folder / "data"
        if not data_dir.exists():
            _build(data_dir)
        self.config = rsf.get_config("quickstart").replace(**_SETTINGS, data_dir=str(data_dir))
        self._names = itertools.count()
        unbroken = folder / "unbroken"
        if not unbroken.exists():
            self.finish(unbroken)
        self._expected = self._end(unbroken)

    def new_workdir(self) -> Path:
        """Returns the name of a folder for another run; it does not exist."""
        return self.folder / f"run{os.getpid()}_{next(self._names)}"

    def start(self, workdir: Path) -> launching.Launched:
        """Starts training, or resumes it, in a process of its own."""
        settings = dataclasses.asdict(self.config)
        flags = [f"--config.{name}={settings[name]}" for name in (*_SETTINGS, "data_dir")]
        return launching.start(
            self.folder / "output" / f"{os.getpid()}_{next(self._names)}",
            "train",
            "--config=quickstart",
            f"--workdir={workdir}",
            *flags,
            xla_flags=os.environ.get("XLA_FLAGS", ""),
        )

    def finish(self, workdir: Path) -> launching.Launched:
        """Trains to the end.

        Raises:
            Lost: if that fails.
        """
        process = self.start(workdir).wait(_PATIENCE)
        if process.returncode != 0:
            raise Lost(f"exit code {process.returncode}: {process.stdout}{process.stderr}")
        return process

    def check_end(self, workdir: Path) -> None:
        """Checks that a run has ended as the one that nothing disturbed, bitwise.

        Raises:
            Lost: if not.
        """
        end = self._end(workdir)
        if end.keys() != self._expected.keys():
            raise Lost(f"{workdir} has other arrays: {end.keys() ^ self._expected.keys()}")
        different = [name for name in end if end[name].tobytes() != self._expected[name].tobytes()]
        if different:
            raise Lost(f"{workdir} has ended otherwise: {different}")

    def _end(self, workdir: Path) -> dict[str, np.ndarray]:
        """Parameters, optimizer and place of the last checkpoint, and which one is the best."""
        model, optimizer = rsf.build_model(self.config), build_optimizer(self.config, 9)
        with Checkpoints(workdir) as checkpoints:
            step = checkpoints.latest_step()
            if step != UPDATES or not (workdir / "results.json").exists():
                raise Lost(f"{workdir} is not finished: {step} updates")
            like = create_state(model, optimizer, 0, (8, 8))
            state = checkpoints.restore(step, like, self.config)
            best = checkpoints.best_step()
            scores = {"best": best, **checkpoints.metrics(best)}
        arrays = {name: np.asarray(value) for name, value in _leaves(state)}
        return arrays | {name: np.float64(value) for name, value in scores.items()}


def saved(workdir: Path) -> int:
    """Returns the updates of the latest checkpoint that is whole, 0 if there is none."""
    return max(sealed_steps(RunFolder(workdir).checkpoints), default=0)


def is_saving(workdir: Path) -> bool:
    """Returns whether a checkpoint is being written, or was when its process died."""
    folder = RunFolder(workdir).checkpoints
    names = {path.name for path in folder.glob("*")} if folder.exists() else set()
    return bool(names - {str(step) for step in sealed_steps(folder)} - {DELETED})


def check_nothing_lost(workdir: Path, before: int) -> None:
    """Checks that what had been saved is there and whole.

    Raises:
        Lost: if not.
    """
    folder = RunFolder(workdir).checkpoints
    if saved(workdir) < before:
        raise Lost(f"{workdir}: update {before} had been saved, {saved(workdir)} is left")
    if folder.exists() and (damaged := find_damaged(folder)):
        raise Lost(f"{workdir}: damaged {damaged}")


def wait_until_saved(workdir: Path, process: launching.Launched, update: int) -> None:
    """Waits for a checkpoint of that update or of a later one."""
    deadline = time.monotonic() + _PATIENCE
    while saved(workdir) < update:
        if process.returncode is not None or time.monotonic() > deadline:
            raise Lost(f"no checkpoint: {process.stdout}{process.stderr}")
        time.sleep(0.002)


def _build(data_dir: Path) -> None:
    sys.path.insert(0, str(launching.ROOT / "datasets"))
    from t_pathfinder import t_pathfinder_dataset_builder as t_pathfinder
    from t_pathfinder.subsets import SUBSETS

    subset = dataclasses.replace(
        SUBSETS["quickstart"], train_videos=40, test_videos=10, calibration_videos=5
    )
    config = t_pathfinder.SubsetConfig(name="drill", subset=subset)
    t_pathfinder.Builder(config=config, data_dir=data_dir).download_and_prepare()


def _leaves(tree: object) -> list[tuple[str, object]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree.leaves_with_path(tree)]
