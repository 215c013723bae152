"""What a run leaves and resumes from: checkpoints, curves, and what a person sees.

The main process alone reads and writes them; every method of `Journal` is called by all processes,
in the same order.
"""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rsf_jax.config.config import Config
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_json
from rsf_jax.paths import expand
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained.growing import check_growth, grow
from rsf_jax.trained.places import pretrained_names
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.integrity import check_own, sealed_steps
from rsf_jax.training.loading import load_trained
from rsf_jax.training.progress import ProgressReport
from rsf_jax.training.setup import Setup
from rsf_jax.training.state import TrainState

_T = TypeVar("_T")


class Journal(contextlib.AbstractContextManager["Journal"]):
    """The journal of a run.

    Attributes:
        state: what the run goes on from: that of the latest checkpoint, or of a run that begins.

    Args:
        setup: of the run.
        workdir: folder of the run.

    Raises:
        InputError: if the folder holds another run or damaged checkpoints alone, or another
            process trains in it.
    """

    def __init__(self, setup: Setup, workdir: Path) -> None:
        self._processes, self._files = setup.processes, contextlib.ExitStack()
        self._main: _Main | None = None
        fresh = setup.initial_state()

        def begin() -> None:
            self._main = _Main(setup, workdir, fresh, self._files)

        try:
            self._processes.on_main(begin)
            self.state = self._processes.broadcast(self._main.state if self._main else fresh)
        except BaseException:
            self._files.close()
            raise

    def __exit__(self, *exception: object) -> None:
        self._files.close()

    def save(self, state: TrainState) -> None:
        """Saves a state as a checkpoint."""
        self._ask(lambda main: main.save(state))

    def add_validation(self, update: int, metrics: Callable[[], Mapping[str, float]]) -> None:
        """Adds what validation has found to the checkpoint of an update.

        Args:
            update: its number.
            metrics: computes it, in the main process.
        """
        self._ask(lambda main: main.add_validation(update, metrics()))

    def is_unvalidated(self, update: int) -> bool:
        """Whether a run was stopped before the validation of the update that it is resumed from."""
        return self._says(lambda main: main.is_unvalidated(update))

    def has_exploded(self, update: int) -> bool:
        """Whether the loss of a validated checkpoint is far above the lowest; says so."""
        return self._says(lambda main: main.has_exploded(update))

    def report(self, update: int, metrics: Mapping[str, float]) -> None:
        """Shows and records the metrics of an update; the other processes need not call it."""
        if self._main is not None:
            self._main.progress.update(update, metrics)

    def last_saved(self) -> int | None:
        """Returns the number of the latest checkpoint, None in other processes."""
        return None if self._main is None else self._main.checkpoints.latest_step()

    def say(self, text: str) -> None:
        """Prints a line, once for all processes."""
        if self._main is not None:
            print(text)

    def _says(self, work: "Callable[[_Main], bool]") -> bool:
        return bool(self._processes.broadcast(np.bool_(self._ask(work, False))))

    def _ask(self, work: "Callable[[_Main], _T]", otherwise: Any = None) -> "_T":
        """Has the main process do something; the others go on with a value of the same kind."""
        done = [otherwise]

        def ask() -> None:
            assert self._main is not None  # in this process
            done[0] = work(self._main)

        self._processes.on_main(ask)
        return done[0]


class _Main:
    """The journal in the main process."""

    def __init__(
        self, setup: Setup, workdir: Path, fresh: TrainState, files: contextlib.ExitStack
    ) -> None:
        self._setup, self._config = setup, setup.config
        self.checkpoints = files.enter_context(
            Checkpoints(
                workdir,
                create=True,
                data=setup.dataset.identity,
                best_by=setup.config.best_by,
            )
        )
        self.state = self._resume(fresh)
        # Nothing is written before it is sure that the folder holds this run.
        write_json(RunFolder(workdir).config, self._config)
        progress = ProgressReport(workdir, setup.total, int(self.state.step))
        self.progress = files.enter_context(progress)

    def _resume(self, fresh: TrainState) -> TrainState:
        update, state = self.checkpoints.latest_step(), fresh
        if update is not None:
            state = self.checkpoints.restore(update, fresh, self._config)
            self._config = _with_origin(self._config, self.checkpoints.config(update).init_from)
        elif self._config.init_from:
            state = _begun_with(self._config, fresh)
        return state

    def save(self, state: TrainState) -> None:
        self.checkpoints.save(state, self._config)

    def add_validation(self, update: int, metrics: Mapping[str, float]) -> None:
        self.checkpoints.add_metrics(update, dict(metrics))
        self.progress.validated(update, metrics, self.checkpoints.best_step() == update)

    def is_unvalidated(self, update: int) -> bool:
        validated = self._setup.validates(update)
        return validated and update > 0 and "loss" not in self.checkpoints.metrics(update)

    def has_exploded(self, update: int) -> bool:
        best, explosion = self.checkpoints.best_step(), self._config.explosion
        if not explosion or best is None or update not in self.checkpoints.steps():
            return False
        loss, lowest = (self.checkpoints.metrics(u).get("loss", 0.0) for u in (update, best))
        if loss <= explosion * lowest:
            return False
        print(
            f"Ended after update {update} of {self._setup.total}: the validation loss, {loss:.5f}, "
            f"is more than {explosion:g} times that of update {best}, {lowest:.5f}, whose "
            "checkpoint is kept and tested. Raise config.explosion to train on; or lower "
            "config.learning_rate, in a new folder"
        )
        return True


def _with_origin(config: Config, begun_from: str) -> Config:
    """What a run has begun with stays on record, whatever is given when it is resumed."""
    given = config.init_from
    if given and Path(given).name != Path(begun_from).name:
        began = begun_from or "nothing"
        print(f"This run began with {began}: config.init_from={given} is not looked at again")
    return config.replace(init_from=begun_from)


def check_beginning(config: Config, workdir: Path) -> None:
    """Checks that a run can begin in a folder, unless it has begun already.

    Args:
        config: uses `init_from`.
        workdir: folder of the run.

    Raises:
        InputError: if `config.init_from` names no folder with checkpoints, or weights and a card,
            or the folder has checkpoints or settings that are somebody else's.
    """
    check_own(RunFolder(workdir))
    begins = config.init_from and not sealed_steps(RunFolder(workdir).checkpoints)
    if not begins:
        return
    given = RunFolder(expand(config.init_from))
    if given.card.exists() or given.checkpoints.is_dir():  # as `load_trained` takes them
        return
    hint = "name the folder of a trained model"
    if config.init_from in pretrained_names():
        hint += "; weights that come with the library are named by the flag `pretrained`"
    raise InputError(f"config.init_from: there are no checkpoints in {config.init_from}: {hint}")


def _begun_with(config: Config, fresh: TrainState) -> TrainState:
    """Takes the best weights of another run."""
    other = load_trained(config.init_from)
    check_growth(other.saved, config)
    variables = grow(other.variables, fresh.variables)
    print(f"Begins with the weights of update {other.update} in {config.init_from}")
    params = variables.pop("params")
    return TrainState(fresh.step, params, variables, fresh.opt_state, fresh.streams)
