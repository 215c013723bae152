"""What stays the same while a run trains: a pure function of settings and data."""

import dataclasses
from collections.abc import Callable

import numpy as np
import optax

from rsf_jax.config.build import (
    build_model,
    build_objective,
    build_penalty,
    build_schedule,
    build_training_schedules,
    training_policy,
)
from rsf_jax.config.config import Config
from rsf_jax.data.batches import updates_per_epoch
from rsf_jax.data.chunks import plan_of
from rsf_jax.data.dataset import Dataset, class_weights
from rsf_jax.errors import InputError
from rsf_jax.measures.losses import Objective
from rsf_jax.models.base import VideoModel
from rsf_jax.parallel.devices import Devices, devices_for
from rsf_jax.parallel.processes import Processes
from rsf_jax.policies import FixedSchedule, StepPolicy
from rsf_jax.scoring.scorer import Scorer
from rsf_jax.training.pondering import build_pondering
from rsf_jax.training.state import (
    TrainState,
    build_optimizer,
    create_state,
    learning_rate_schedule,
    total_updates,
)
from rsf_jax.training.step import TrainStep, make_train_step
from rsf_jax.training.streams import nothing_left


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """What stays the same while a run trains.

    Attributes:
        config: the settings.
        dataset: an open dataset.
        processes: that train together.
        devices: for training, of all processes.
        own_devices: for all else, of this process.
        model: what is trained.
        schedule: of the diagnostics of validation.
        policy: of validation.
        total: updates of the whole run.
        validate_every: updates between two validations.
        learning_rate: as a function of the updates done.
        optimizer: what an update is made by.
        objective: the loss of an image.
        scorer: of validation.
    """

    config: Config
    dataset: Dataset
    processes: Processes
    devices: Devices
    own_devices: Devices
    model: VideoModel
    schedule: FixedSchedule
    policy: StepPolicy
    total: int
    validate_every: int
    learning_rate: optax.Schedule
    optimizer: optax.GradientTransformation
    objective: Objective
    scorer: Scorer

    def validates(self, update: int) -> bool:
        """Whether an update is followed by a validation."""
        return update % self.validate_every == 0 or update == self.total

    def saves(self, update: int) -> bool:
        """Whether an update is saved: what is validated is, before that takes its time."""
        return self.validates(update) or update % self.config.save_every == 0

    def reports(self, update: int) -> bool:
        """Whether the metrics of an update are shown and recorded."""
        return update % self.config.log_every == 0 or update == self.total

    def initial_state(self) -> TrainState:
        """Returns the state before the first update."""
        config, frame_shape = self.config, self.dataset.frame_shape
        left = ()
        if config.chunk_frames:
            sizes = config.stream_groups, config.batch_size
            left = nothing_left(self.model, *sizes, frame_shape)
        return create_state(self.model, self.optimizer, config.seed, frame_shape, left)

    def compile_steps(self) -> Callable[[int], TrainStep]:
        """Returns a function from an update's number to what makes it.

        Which of several schedules it is made with depends on seed and number alone, so that a run
        that is resumed is the same.
        """
        steps = [self._compiled(schedule) for schedule in build_training_schedules(self.config)]

        def choose(update: int) -> TrainStep:
            drawn = np.random.default_rng((self.config.seed, update)).integers(len(steps))
            return steps[drawn](update)

        return choose

    def _compiled(self, schedule: FixedSchedule) -> Callable[[int], TrainStep]:
        """Returns a function from an update's number to what makes it by a schedule."""

        def compiled(continues: bool | None) -> TrainStep:
            step = self._train_step(schedule, continues)
            return self.devices.compile(step, donate_first=True)

        if not self.config.chunk_frames:
            of_videos = compiled(None)
            return lambda update: of_videos
        plan = plan_of(self.config)
        begin, go_on = compiled(False), compiled(True)
        return lambda update: begin if plan.position(update - 1).begins else go_on

    def _train_step(self, schedule: FixedSchedule, continues: bool | None) -> TrainStep:
        return make_train_step(
            self.model,
            schedule,
            self.optimizer,
            stateful=self.config.stateful,
            objective=self.objective,
            penalty=build_penalty(self.config),
            pondering=build_pondering(self.config),
            gradient_frames=self.config.gradient_frames,
            continues=continues,
            axis_name=self.devices.axis_name,
        )


def build_setup(config: Config, dataset: Dataset, processes: Processes) -> Setup:
    """Returns all that a run needs and that does not change while it trains."""
    devices = devices_for(config, everywhere=True)
    own_devices = devices if processes.count == 1 else devices_for(config)
    _check_shares(config, len(devices.devices) * processes.count)
    per_epoch = updates_per_epoch(dataset, config)
    model = build_model(config)
    objective = build_objective(config, class_weights(dataset, config))
    return Setup(
        config=config,
        dataset=dataset,
        processes=processes,
        devices=devices,
        own_devices=own_devices,
        model=model,
        schedule=build_schedule(config),
        policy=training_policy(config),
        total=total_updates(config, per_epoch),
        validate_every=config.validate_every or per_epoch,
        learning_rate=learning_rate_schedule(config, per_epoch),
        optimizer=build_optimizer(config, per_epoch),
        objective=objective,
        scorer=Scorer(
            model,
            own_devices,
            config.eval_batch_size,
            stateful=config.stateful,
            objective=objective,
        ),
    )


def _check_shares(config: Config, devices: int) -> None:
    """Raises InputError if streams, which have states of their own, would have to be padded."""
    if config.chunk_frames and config.batch_size % devices:
        raise InputError(
            f"config.batch_size is {config.batch_size}: {devices} devices share the streams of a "
            f"batch, give a multiple of {devices}, or config.devices"
        )
