"""The training loop: updates, validation and saving, in their order."""

import enum
import math
from collections.abc import Callable
from pathlib import Path

import jax

from rsf_jax.config.config import Config, settings_that_count
from rsf_jax.data.batches import evaluation_batches, training_batches
from rsf_jax.data.dataset import Dataset
from rsf_jax.errors import InputError
from rsf_jax.parallel.processes import failing_together, here
from rsf_jax.scoring.scorer import Summary, summarize
from rsf_jax.scoring.splits import ScoringStopped
from rsf_jax.training.diagnostics import diagnose
from rsf_jax.training.disk import disk_errors
from rsf_jax.training.journal import Journal
from rsf_jax.training.progress import Meter
from rsf_jax.training.setup import Setup, build_setup
from rsf_jax.training.state import TrainState
from rsf_jax.training.stop import StopRequest
from rsf_jax.typing import Array


class TrainingDiverged(InputError):
    """The loss is no longer a number."""


class Outcome(enum.Enum):
    """How a call of `train` ended."""

    FINISHED = "finished"
    EXPLODED = "exploded"  # the loss; the best checkpoint is kept
    STOPPED = "stopped"  # saved, to be resumed


def train(config: Config, dataset: Dataset, workdir: Path) -> Outcome:
    """Trains a model, resuming what `workdir` holds of the same run.

    The latest checkpoint is resumed exactly: parameters, optimizer and position in the data, so
    that a run which was killed ends with the same parameters, bitwise, as one that was not.
    The best checkpoint on validation videos is kept beside it. If the latest is
    damaged, it is moved out of the way, and the one before it resumed.

    Of several processes (see `processes.connect`) all have to call it. Each reads its part of every
    batch; the main process alone writes to `workdir`.

    Args:
        config: the run.
        dataset: an open dataset.
        workdir: folder for checkpoints and TensorBoard events.

    Returns:
        Whether the run is finished, was ended because its validation loss had exploded (see
        `config.explosion`), or was stopped by a signal or by `config.max_minutes`.

    Raises:
        InputError: if the folder holds another run or damaged checkpoints alone, or another
            process trains in it.
        TrainingDiverged: if the loss is NaN or infinite.
    """
    processes = here()
    with (
        failing_together(processes),
        disk_errors(workdir),
        StopRequest(config.max_minutes, config.save_minutes) as stop,
    ):
        processes.agree("settings", settings_that_count(config))
        setup = build_setup(config, dataset, processes)
        with Journal(setup, workdir) as journal:
            return _Loop(setup, journal, stop).run(journal.state)


class _Loop:
    """Updates, each followed by what is due then."""

    def __init__(self, setup: Setup, journal: Journal, stop: StopRequest) -> None:
        self._setup, self._journal, self._stop = setup, journal, stop

    def run(self, state: TrainState) -> Outcome:
        """Trains from a state to the end of the run, or until it is stopped."""
        setup, journal, done = self._setup, self._journal, int(state.step)
        if journal.has_exploded(done):
            return Outcome.EXPLODED
        state = setup.devices.replicate(state)
        if journal.is_unvalidated(done) and (ended := self._validate(state, done)):
            return ended
        choose_step = setup.compile_steps()
        if done < setup.total:
            journal.say("Compiling the training step")
        readings = Readings(self._read, setup.config.batch_size)
        batches = training_batches(setup.dataset, setup.config, done, setup.processes)
        for update, batch in zip(range(done + 1, setup.total + 1), batches):
            state, metrics = choose_step(update)(state, setup.devices.shard(batch))
            readings.add(update, metrics)
            reason = self._reason()
            if reason or self._saves(update):
                readings.finish()  # nothing is saved of an update that has diverged
                journal.save(setup.devices.unreplicate(state))
                self._stop.saved()
            if setup.validates(update) and (ended := self._validate(state, update)):
                return ended
            if reason and update < setup.total:
                return self._stopped(update, reason)
        # The test, which takes its time, is for the next call too.
        reason = self._reason()
        return self._stopped(setup.total, reason) if reason else Outcome.FINISHED

    def _reason(self) -> str | None:
        """Why to stop now, in one of the processes."""
        return self._setup.processes.any_reason(self._stop.reason)

    def _saves(self, update: int) -> bool:
        return self._setup.saves(update) or self._setup.processes.any(self._stop.wants_save)

    def _stopped(self, update: int, reason: str) -> Outcome:
        total = self._setup.total
        self._journal.say(
            f"Stopped after update {update} of {total}: {reason}. Run again to resume"
        )
        return Outcome.STOPPED

    def _read(self, update: int, metrics: dict[str, Array], videos_per_second: float) -> None:
        """Waits for an update; reports its metrics, once it is sure that they are numbers."""
        setup = self._setup
        values = {k: float(v) for k, v in setup.devices.unreplicate(metrics).items()}
        if not math.isfinite(values["loss"]) or not math.isfinite(values["grad_norm"]):
            raise self._diverged(update, values)
        if setup.reports(update):
            rate = self._learning_rate(update)
            speed = {"learning_rate": rate, "videos_per_second": videos_per_second}
            self._journal.report(update, values | speed)

    def _learning_rate(self, update: int) -> float:
        return float(self._setup.learning_rate(update - 1))

    def _diverged(self, update: int, values: dict[str, float]) -> TrainingDiverged:
        last = self._journal.last_saved()
        kept = f"the last good checkpoint is of update {last}" if last else "none was saved yet"
        rate = self._learning_rate(update)
        return TrainingDiverged(
            f"loss {values['loss']} and gradient norm {values['grad_norm']} in update {update} "
            f"at learning rate {rate:.3g}: {kept}. Lower config.learning_rate, or set "
            "config.clip_norm, in a new folder"
        )

    def _validate(self, state: TrainState, update: int) -> Outcome | None:
        """Validates what was saved; returns how the run ends, if it does."""
        try:
            summary = self._score(state, lambda: self._reason() is not None)
        except ScoringStopped:
            reason = self._stop.reason or "another process stops"
            return self._stopped(update, f"{reason}, in validation")
        alone = self._setup.devices.unreplicate(state)
        found = {"loss": summary.loss, "miou": summary.miou}
        self._journal.add_validation(update, lambda: found | self._diagnose(alone))
        return Outcome.EXPLODED if self._journal.has_exploded(update) else None

    def _score(self, state: TrainState, stops: Callable[[], bool]) -> Summary:
        """Scores the validation videos, each in one of the processes."""
        setup, processes, variables = self._setup, self._setup.processes, state.variables
        if setup.own_devices is not setup.devices:
            alone = jax.device_get(setup.devices.unreplicate(variables))
            variables = setup.own_devices.replicate(alone)
        videos = setup.dataset.validation
        scores = setup.scorer(variables, processes.shard(videos), setup.policy, stops)
        summary = summarize(processes.gather(scores, len(videos)))
        if math.isnan(summary.miou):
            raise InputError("no validation video has a label: no checkpoint can be chosen by them")
        return summary

    def _diagnose(self, state: TrainState) -> dict[str, float]:
        """Means over the frames of a few validation videos, if they are asked for."""
        setup, config = self._setup, self._setup.config
        if not config.diagnostics:
            return {}
        count = min(config.batch_size, len(setup.dataset.validation))
        found = diagnose(
            setup.model,
            state.variables,
            next(evaluation_batches(setup.dataset.validation, count)),
            setup.schedule,
            stateful=config.stateful,
            objective=setup.objective,
            terms=config.neumann_terms,
            guard=config.neumann_guard,
            bound=config.penalty_bound,
        )
        return {name: float(value.mean()) for name, value in vars(found).items()}


# A `float()` after every update would make the devices wait: see
# docs/decisions/0011-resuming-exactly.md.
class Readings:
    """Reads the metrics of every update while the next one runs, so that no device waits for it.

    Args:
        read: takes an update's number, its metrics on the device, and videos per second.
        batch_size: videos per update.
    """

    def __init__(
        self, read: Callable[[int, dict[str, Array], float], None], batch_size: int
    ) -> None:
        self._read, self._meter = read, Meter(batch_size)
        self._running: tuple[int, dict[str, Array]] | None = None

    def add(self, update: int, metrics: dict[str, Array]) -> None:
        """Takes the metrics of an update that has begun; reads those of the one before."""
        self.finish()
        self._running = update, metrics

    def finish(self) -> None:
        """Waits for the update that runs."""
        if self._running is not None:
            update, metrics = self._running
            self._running = None
            jax.block_until_ready(metrics)
            self._read(update, metrics, self._meter.rate())
