"""What training changes: parameters, optimizer, and the number of updates."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from rsf_jax.config.config import Config
from rsf_jax.models.base import VideoModel
from rsf_jax.models.first import first_variables
from rsf_jax.shown import in_a_line
from rsf_jax.typing import Carry, Leaf


@flax.struct.dataclass
class TrainState:
    """Everything an update reads and writes.

    There are no random keys in it: the order of the data and the flips are functions of the seed
    and the update's number.

    Attributes:
        step: int32, updates done; also the position in the training data.
        params: trainable parameters.
        model_state: what else the model learns: running statistics, or an empty dict.
        opt_state: the optimizer's state.
        streams: what streams have left, see `training.streams`; nothing where whole videos are
            trained on.
    """

    __repr__ = in_a_line

    step: Leaf
    params: Leaf
    model_state: Leaf
    opt_state: Leaf
    streams: Leaf = ()

    @property
    def variables(self) -> dict[str, Any]:
        """What the model is applied to."""
        return {"params": self.params, **self.model_state}


def total_updates(config: Config, updates_per_epoch: int) -> int:
    """Returns the number of updates of a whole run."""
    return config.updates or config.epochs * updates_per_epoch


def learning_rate_schedule(config: Config, updates_per_epoch: int) -> optax.Schedule:
    """Returns the learning rate as a function of the number of updates done.

    Source: Wang et al. 2023, section 4.2, for "steps": times 0.7 every 25 epochs.
    """
    peak, warmup = config.learning_rate, config.warmup_steps
    if config.lr_schedule == "steps":
        interval = config.lr_decay_epochs * updates_per_epoch
        schedule = optax.exponential_decay(peak, interval, config.lr_decay, staircase=True)
    elif config.lr_schedule == "cosine":
        updates = total_updates(config, updates_per_epoch)
        schedule = optax.cosine_decay_schedule(peak, max(updates - warmup, 1))
    else:
        schedule = optax.constant_schedule(peak)
    if warmup == 0:
        return schedule
    rise = optax.linear_schedule(peak / warmup, peak, warmup)
    return optax.join_schedules([rise, schedule], [warmup])


def build_optimizer(config: Config, updates_per_epoch: int) -> optax.GradientTransformation:
    """Returns Adam under the configured schedule, with optional clipping of the global norm."""
    adam = optax.adam(learning_rate_schedule(config, updates_per_epoch))
    if config.clip_norm == 0:
        return adam
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), adam)


def create_state(
    model: VideoModel,
    optimizer: optax.GradientTransformation,
    seed: int,
    frame_shape: tuple[int, int],
    streams: Carry = (),
) -> TrainState:
    """Returns the state before the first update; a function of `seed` alone.

    Args:
        model: what is trained.
        optimizer: of its parameters.
        seed: of the weights.
        frame_shape: (height, width) in pixels.
        streams: as in `TrainState`.
    """
    frames = jnp.zeros((1, 1, *frame_shape, model.input_channels), jnp.float32)
    model_state = first_variables(model, jax.random.key(seed), frames)
    params = model_state.pop("params")
    return TrainState(jnp.int32(0), params, model_state, optimizer.init(params), streams)
