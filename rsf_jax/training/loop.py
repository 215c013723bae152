"""The training loop: a composition of state, data, step, validation and checkpoints."""

import collections
import enum
import math
import statistics
import time
from pathlib import Path

from rsf_jax.build import build_model, build_objective, build_penalty, build_schedule
from rsf_jax.config import Config
from rsf_jax.data import (
    Dataset,
    class_weights,
    evaluation_batches,
    training_batches,
    updates_per_epoch,
)
from rsf_jax.errors import InputError
from rsf_jax.scoring import Scorer, summarize
from rsf_jax.training.checkpoints import Checkpoints
from rsf_jax.training.diagnostics import diagnose
from rsf_jax.training.disk import disk_errors
from rsf_jax.training.parallel import devices_for
from rsf_jax.training.progress import ProgressReport
from rsf_jax.training.state import (
    TrainState,
    build_optimizer,
    create_state,
    learning_rate_schedule,
)
from rsf_jax.training.step import TrainStep, make_train_step
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

    The latest checkpoint is resumed exactly: parameters, optimiser and position in the data, so
    that a run which was killed ends with the same parameters, to the bit, as one that was not.
    The checkpoint with the lowest validation loss is kept beside it. If the latest is
    damaged, it is moved out of the way, and the one before it resumed.

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
    with (
        disk_errors(workdir),
        StopRequest(config.max_minutes) as stop,
        Checkpoints(workdir, create=True) as checkpoints,
    ):
        run = _Run(config, dataset, checkpoints)
        state = run.resume_or_create()
        with ProgressReport(workdir, run.total, int(state.step)) as report:
            return run.train(state, report, stop)


class _Run:
    """What stays the same while a run trains."""

    def __init__(self, config: Config, dataset: Dataset, checkpoints: Checkpoints) -> None:
        self.config, self.dataset, self.checkpoints = config, dataset, checkpoints
        self.devices = devices_for(config)
        self.model = build_model(config)
        self.schedule = build_schedule(config)
        per_epoch = updates_per_epoch(dataset, config)
        self.total = config.epochs * per_epoch
        self.validate_every = config.validate_every or per_epoch
        self.learning_rate = learning_rate_schedule(config, per_epoch)
        self.optimizer = build_optimizer(config, per_epoch)
        self.objective = build_objective(config, class_weights(dataset, config))
        self.scorer = Scorer(
            self.model,
            self.devices,
            config.eval_batch_size,
            stateful=config.stateful,
            objective=self.objective,
        )

    def resume_or_create(self) -> TrainState:
        state = create_state(self.model, self.optimizer, self.config.seed, self.dataset.frame_shape)
        step = self.checkpoints.latest_step()
        if step is not None:
            return self.checkpoints.restore(step, state, self.config)
        return self._initialize(state) if self.config.init_from else state

    def _initialize(self, state: TrainState) -> TrainState:
        """Takes the best weights of another run."""
        with Checkpoints(self.config.init_from) as others:
            step = others.best_step()
            if step is None:
                raise InputError(
                    f"config.init_from is {self.config.init_from!r}: {others.folder} has no "
                    "checkpoint; name the folder of a run"
                )
            variables = dict(others.restore_variables(step, state, self.config))
        print(f"Begins with the weights of update {step} in {self.config.init_from}")
        params = variables.pop("params")
        return TrainState(state.step, params, variables, state.opt_state)

    def train(self, state: TrainState, report: ProgressReport, stop: StopRequest) -> Outcome:
        first = int(state.step)
        if self._has_exploded(first):
            return Outcome.EXPLODED
        state = self.devices.replicate(state)
        train_step = self._compile_step()
        meter = _Meter(self.config.batch_size)
        batches = training_batches(self.dataset, self.config, first)
        for step, batch in zip(range(first + 1, self.total + 1), batches):
            state, metrics = train_step(state, self.devices.share(batch))
            numbers = self._numbers(step, metrics, meter)
            if step % self.config.log_every == 0 or step == self.total:
                report.update(step, numbers)
            ending = stop.reason
            if step % self.validate_every == 0 or step == self.total:
                self._validate_and_save(state, report)
                if self._has_exploded(step):
                    return Outcome.EXPLODED
            elif step % self.config.save_every == 0 or ending:
                self.checkpoints.save(self.devices.unreplicate(state), self.config)
            if ending and step < self.total:
                print(f"Stopped after update {step} of {self.total}: {ending}. Run again to resume")
                return Outcome.STOPPED
        return Outcome.FINISHED

    def _compile_step(self) -> TrainStep:
        step = make_train_step(
            self.model,
            self.schedule,
            self.optimizer,
            stateful=self.config.stateful,
            objective=self.objective,
            penalty=build_penalty(self.config),
            axis_name=self.devices.axis_name,
        )
        return self.devices.compile(step, donate_first=True)

    def _numbers(self, step: int, metrics: dict[str, Array], meter: "_Meter") -> dict[str, float]:
        """The metrics of an update as numbers, once it is sure that they are numbers."""
        values = {k: float(v) for k, v in self.devices.unreplicate(metrics).items()}
        rate = float(self.learning_rate(step - 1))
        if not math.isfinite(values["loss"]) or not math.isfinite(values["grad_norm"]):
            last = self.checkpoints.latest_step()
            kept = f"the last good checkpoint is of update {last}" if last else "none was saved yet"
            raise TrainingDiverged(
                f"loss {values['loss']} and gradient norm {values['grad_norm']} in update {step} "
                f"at learning rate {rate:.3g}: {kept}. Lower --config.learning_rate, or set "
                "--config.clip_norm, in a new --workdir"
            )
        return {**values, "learning_rate": rate, "videos_per_second": meter.rate()}

    def _validate_and_save(self, state: TrainState, report: ProgressReport) -> None:
        summary = summarize(self.scorer(state.variables, self.dataset.validation, self.schedule))
        metrics = {"loss": summary.loss, "miou": summary.miou}
        state = self.devices.unreplicate(state)
        if self.config.diagnostics:
            metrics |= self._diagnose(state)
        self.checkpoints.save(state, self.config, metrics)
        step = int(state.step)
        report.validated(step, metrics, self.checkpoints.best_step() == step)

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
        best = self.checkpoints.best_step()
        if not self.config.explosion or step not in self.checkpoints.steps() or best is None:
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


class _Meter:
    """Videos a second: the median over the last updates, which a validation does not disturb."""

    def __init__(self, batch_size: int, window: int = 20) -> None:
        self._batch_size = batch_size
        self._seconds: collections.deque[float] = collections.deque(maxlen=window)
        self._last = time.monotonic()

    def rate(self) -> float:
        """Call once an update."""
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last = now
        return self._batch_size / statistics.median(self._seconds)
