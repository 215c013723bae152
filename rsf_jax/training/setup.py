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
)
from rsf_jax.config.config import Config
from rsf_jax.data.batches import updates_per_epoch
from rsf_jax.data.dataset import Dataset, class_weights
from rsf_jax.measures.losses import Objective
from rsf_jax.models.base import VideoModel
from rsf_jax.parallel.devices import Devices, devices_for
from rsf_jax.parallel.processes import Processes
from rsf_jax.policies import FixedSchedule
from rsf_jax.scoring.scorer import Scorer
from rsf_jax.training.state import (
    TrainState,
    build_optimizer,
    create_state,
    learning_rate_schedule,
    total_updates,
)
from rsf_jax.training.step import TrainStep, make_train_step


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
        schedule: of validation.
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
        return create_state(self.model, self.optimizer, self.config.seed, self.dataset.frame_shape)

    def compile_steps(self) -> Callable[[int], TrainStep]:
        """Returns a function from an update's number to what makes it.

        Which of several schedules it is made with depends on seed and number alone, so that a run
        that is resumed is the same.
        """
        steps = [
            self.devices.compile(self._train_step(schedule), donate_first=True)
            for schedule in build_training_schedules(self.config)
        ]

        def choose(update: int) -> TrainStep:
            return steps[np.random.default_rng((self.config.seed, update)).integers(len(steps))]

        return choose

    def _train_step(self, schedule: FixedSchedule) -> TrainStep:
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


def build_setup(config: Config, dataset: Dataset, processes: Processes) -> Setup:
    """Returns all that a run needs and that does not change while it trains."""
    devices = devices_for(config, everywhere=True)
    own_devices = devices if processes.count == 1 else devices_for(config)
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
