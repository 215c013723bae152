"""The training loop: a composition of state, data, step, validation and checkpoints."""

import contextlib
import enum
import math
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from rsf_jax.batches import evaluation_batches, training_batches, updates_per_epoch
from rsf_jax.build import (
    build_model,
    build_objective,
    build_penalty,
    build_schedule,
    build_training_schedules,
)
from rsf_jax.config import Config, settings_that_count
from rsf_jax.data import Dataset, class_weights
from rsf_jax.devices import devices_for
from rsf_jax.errors import InputError
from rsf_jax.growing import check_growth, grow
from rsf_jax.policies import FixedSchedule
from rsf_jax.processes import Processes, failing_together, here
from rsf_jax.scoring import Scorer, ScoringStopped, Summary, summarize
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.diagnostics import diagnose
from rsf_jax.training.disk import disk_errors
from rsf_jax.training.progress import Meter, ProgressReport
from rsf_jax.training.state import (
    TrainState,
    build_optimizer,
    create_state,
    learning_rate_schedule,
    total_updates,
)
from rsf_jax.training.step import TrainStep, make_train_step
from rsf_jax.training.stop import StopRequest
from rsf_jax.training.trained import load_trained
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

    The latest checkpoint is resumed exactly: parameters, optimiser and position in the data, so
    that a run which was killed ends with the same parameters, to the bit, as one that was not.
    The checkpoint with the lowest validation loss is kept beside it. If the latest is
    damaged, it is moved out of the way, and the one before it resumed.

    Of several processes (see `processes.join`) all have to call it. Each reads its part of every
    batch; the first alone writes to `workdir`.

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
        contextlib.ExitStack() as files,
    ):
        processes.agree("settings", settings_that_count(config))
        run = _Run(config, dataset, processes)
        state = run.resume_or_create(workdir, files)
        return run.train(state, stop)


class _Run:
    """What stays the same while a run trains.

    Attributes:
        checkpoints: in the first process alone, as `report`.
        devices: for training, of all processes.
        own: for all else, of this process.
    """

    checkpoints: Checkpoints
    report: ProgressReport | None = None

    def __init__(self, config: Config, dataset: Dataset, processes: Processes) -> None:
        self.config, self.dataset, self.processes = config, dataset, processes
        self.devices = devices_for(config, everywhere=True)
        self.own = self.devices if processes.count == 1 else devices_for(config)
        self.model = build_model(config)
        self.schedule = build_schedule(config)
        per_epoch = updates_per_epoch(dataset, config)
        self.total = total_updates(config, per_epoch)
        self.validate_every = config.validate_every or per_epoch
        self.learning_rate = learning_rate_schedule(config, per_epoch)
        self.optimizer = build_optimizer(config, per_epoch)
        self.objective = build_objective(config, class_weights(dataset, config))
        self.scorer = Scorer(
            self.model,
            self.own,
            config.eval_batch_size,
            stateful=config.stateful,
            objective=self.objective,
        )

    def resume_or_create(self, workdir: Path, files: contextlib.ExitStack) -> TrainState:
        state = create_state(self.model, self.optimizer, self.config.seed, self.dataset.frame_shape)

        def resume() -> None:
            nonlocal state
            self.checkpoints = files.enter_context(
                Checkpoints(workdir, create=True, data=self.dataset.identity)
            )
            step = self.checkpoints.latest_step()
            if step is not None:
                state = self.checkpoints.restore(step, state, self.config)
                self._keep_origin(self.checkpoints.config(step).init_from)
            elif self.config.init_from:
                state = self._initialize(state)
            report = ProgressReport(workdir, self.total, int(state.step))
            self.report = files.enter_context(report)

        self.processes.first_does(resume)
        return self.processes.first_says(state)

    def _keep_origin(self, begun_from: str) -> None:
        """What a run has begun with stays on record, whatever is given when it is resumed."""
        given = self.config.init_from
        if given and Path(given).name != Path(begun_from).name:
            began = begun_from or "nothing"
            print(f"This run began with {began}: config.init_from={given} is not looked at again")
        self.config = self.config.replace(init_from=begun_from)

    def _initialize(self, state: TrainState) -> TrainState:
        """Takes the best weights of another run."""
        other = load_trained(self.config.init_from)
        check_growth(other.saved, self.config)
        variables = grow(other.variables, state.variables)
        print(f"Begins with the weights of update {other.update} in {self.config.init_from}")
        params = variables.pop("params")
        return TrainState(state.step, params, variables, state.opt_state)

    def train(self, state: TrainState, stop: StopRequest) -> Outcome:
        first = int(state.step)
        if self._has_exploded(first):
            return Outcome.EXPLODED
        state = self.devices.replicate(state)
        if self._is_unvalidated(first) and (ended := self._validate(state, first, stop)):
            return ended
        choose_step = self._compile_steps()
        if first < self.total:
            self._say("Compiling the training step")
        readings = _Readings(self)
        batches = training_batches(self.dataset, self.config, first, self.processes)
        for step, batch in zip(range(first + 1, self.total + 1), batches):
            state, metrics = choose_step(step)(state, self.devices.share(batch))
            readings.add(step, metrics)
            reason = self.processes.any_reason(stop.reason)
            if reason or self._saves(step, stop):
                readings.finish()  # nothing is saved of an update that has diverged
                self._save(state)
                stop.saved()
            if self._validates(step) and (ended := self._validate(state, step, stop)):
                return ended
            if reason and step < self.total:
                return self._stopped(step, reason)
        # The test, which takes its time, is for the next call too.
        reason = self.processes.any_reason(stop.reason)
        return self._stopped(self.total, reason) if reason else Outcome.FINISHED

    def _validates(self, step: int) -> bool:
        return step % self.validate_every == 0 or step == self.total

    def _saves(self, step: int, stop: StopRequest) -> bool:
        """Whether an update is saved: what is validated is, before that takes its time."""
        due = self._validates(step) or step % self.config.save_every == 0
        return due or self.processes.any(stop.wants_save)

    def _is_unvalidated(self, step: int) -> bool:
        """Whether a run was stopped in the validation of the update that it is resumed from."""
        missing = step > 0 and self._validates(step) and self.processes.is_first
        missing = missing and "loss" not in self.checkpoints.metrics(step)
        return bool(self.processes.first_says(np.bool_(missing)))

    def _stopped(self, step: int, reason: str) -> Outcome:
        self._say(f"Stopped after update {step} of {self.total}: {reason}. Run again to resume")
        return Outcome.STOPPED

    def _compile_steps(self) -> Callable[[int], TrainStep]:
        """Returns a function from an update's number to what makes it.

        Which of several schedules it is made with depends on seed and number alone, so that a run
        that is resumed is the same.
        """
        steps = [
            self.devices.compile(self._make_step(schedule), donate_first=True)
            for schedule in build_training_schedules(self.config)
        ]

        def choose(update: int) -> TrainStep:
            return steps[np.random.default_rng((self.config.seed, update)).integers(len(steps))]

        return choose

    def _make_step(self, schedule: FixedSchedule) -> TrainStep:
        return make_train_step(
            self.model,
            schedule,
            self.optimizer,
            stateful=self.config.stateful,
            objective=self.objective,
            penalty=build_penalty(self.config),
            gradient_frames=self.config.gradient_frames,
            axis_name=self.devices.axis_name,
        )

    def read(self, step: int, metrics: dict[str, Array], meter: Meter) -> None:
        """Waits for an update; reports its metrics, once it is sure that they are numbers."""
        values = {k: float(v) for k, v in self.devices.unreplicate(metrics).items()}
        videos_per_second = meter.rate()
        if not math.isfinite(values["loss"]) or not math.isfinite(values["grad_norm"]):
            raise self._diverged(step, values)
        if self.report and (step % self.config.log_every == 0 or step == self.total):
            rate = float(self.learning_rate(step - 1))
            speed = {"learning_rate": rate, "videos_per_second": videos_per_second}
            self.report.update(step, values | speed)

    def _diverged(self, step: int, values: dict[str, float]) -> TrainingDiverged:
        rate = float(self.learning_rate(step - 1))
        last = self.checkpoints.latest_step() if self.processes.is_first else None
        kept = f"the last good checkpoint is of update {last}" if last else "none was saved yet"
        return TrainingDiverged(
            f"loss {values['loss']} and gradient norm {values['grad_norm']} in update {step} "
            f"at learning rate {rate:.3g}: {kept}. Lower --config.learning_rate, or set "
            "--config.clip_norm, in a new --workdir"
        )

    def _save(self, state: TrainState) -> None:
        state = self.devices.unreplicate(state)
        self.processes.first_does(lambda: self.checkpoints.save(state, self.config))

    def _validate(self, state: TrainState, step: int, stop: StopRequest) -> Outcome | None:
        """Validates what was saved; returns how the run ends, if it does."""

        def stops() -> bool:
            return self.processes.any_reason(stop.reason) is not None

        try:
            summary = self._score(state, stops)
        except ScoringStopped:
            return self._stopped(step, f"{stop.reason or 'another process stops'}, in validation")
        metrics = {"loss": summary.loss, "miou": summary.miou}
        state = self.devices.unreplicate(state)

        def note() -> None:
            if self.config.diagnostics:
                metrics.update(self._diagnose(state))
            self.checkpoints.add_metrics(step, metrics)
            if self.report:
                self.report.validated(step, metrics, self.checkpoints.best_step() == step)

        self.processes.first_does(note)
        return Outcome.EXPLODED if self._has_exploded(step) else None

    def _score(self, state: TrainState, stops: Callable[[], bool]) -> Summary:
        """Scores the validation videos, each in one of the processes."""
        variables = state.variables
        if self.own is not self.devices:
            variables = self.own.replicate(jax.device_get(self.devices.unreplicate(variables)))
        videos = self.dataset.validation
        scores = self.scorer(variables, self.processes.share(videos), self.schedule, stops)
        summary = summarize(self.processes.join(scores, len(videos)))
        if math.isnan(summary.miou):
            raise InputError("no validation video has a label: no checkpoint can be chosen by them")
        return summary

    def _diagnose(self, state: TrainState) -> dict[str, float]:
        """Means over the frames of a few validation videos."""
        count = min(self.config.batch_size, len(self.dataset.validation))
        found = diagnose(
            self.model,
            state.variables,
            next(evaluation_batches(self.dataset.validation, count)),
            self.schedule,
            stateful=self.config.stateful,
            objective=self.objective,
            terms=self.config.neumann_terms,
            guard=self.config.neumann_guard,
            bound=self.config.penalty_bound,
        )
        return {name: float(value.mean()) for name, value in vars(found).items()}

    def _has_exploded(self, step: int) -> bool:
        """Whether the loss of the validated checkpoint `step` is far above the lowest; says so."""
        if not self.config.explosion:
            return False
        found = self.processes.is_first and self._find_explosion(step)
        return bool(self.processes.first_says(np.bool_(found)))

    def _find_explosion(self, step: int) -> bool:
        best = self.checkpoints.best_step()
        if step not in self.checkpoints.steps() or best is None:
            return False
        loss, lowest = (self.checkpoints.metrics(s).get("loss", 0.0) for s in (step, best))
        if loss <= self.config.explosion * lowest:
            return False
        print(
            f"Ended after update {step} of {self.total}: the validation loss, {loss:.5f}, is more "
            f"than {self.config.explosion:g} times the lowest, {lowest:.5f} of update {best}, "
            "whose checkpoint is kept and tested. Raise --config.explosion to train on; or lower "
            "--config.learning_rate, in a new --workdir"
        )
        return True

    def _say(self, text: str) -> None:
        if self.processes.is_first:
            print(text)


class _Readings:
    """Reads the metrics of every update while the next one runs, so that no device waits for it."""

    def __init__(self, run: _Run) -> None:
        self._run, self._meter = run, Meter(run.config.batch_size)
        self._running: tuple[int, dict[str, Array]] | None = None

    def add(self, step: int, metrics: dict[str, Array]) -> None:
        """Takes the metrics of an update that has begun; reads those of the one before."""
        self.finish()
        self._running = step, metrics

    def finish(self) -> None:
        """Waits for the update that runs."""
        if self._running is not None:
            self._run.read(*self._running, self._meter)
            self._running = None
