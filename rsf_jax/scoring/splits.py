"""A function of a batch of videos, over a whole split."""

from collections.abc import Callable
from functools import partial
from typing import Any

import grain
import jax
import numpy as np

from rsf_jax.checks import check_policy, on_device
from rsf_jax.data.batch import Batch, pad_batch
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.models.base import Prepared, VideoModel, prepare
from rsf_jax.parallel.devices import Devices
from rsf_jax.policies import StepPolicy
from rsf_jax.typing import Variables

# (model, prepared, batch, policy) -> a pytree of arrays with B in front; traceable.
OfBatch = Callable[[VideoModel, Prepared, Batch, StepPolicy], Any]

# Frames of a video from which on a CPU takes one at a time: those that are computed together wait
# at every frame for the one with the most steps, of which there is nearly always one. Live streams
# under a gate take half the time (60 frames, 36x36 pixels); of clips of 5 frames the dealing out
# would cost a third more.
_LONG = 20


class ScoringStopped(Exception):
    """Scoring was asked to end before it was done."""


class OverSplit:
    """Applies a function to all videos of a split, each once, in batches.

    It is compiled once for each kind of policy, whatever its thresholds.

    Args:
        model: the model.
        devices: where to compute.
        batch_size: videos computed together, over all devices.
        function: of a batch.
        most_bytes: of the frames that are computed together, where videos may be long; None for
            any.
        classes: of the model, which the videos' must be; None if nothing is compared with masks.
    """

    def __init__(
        self,
        model: VideoModel,
        devices: Devices,
        batch_size: int,
        function: OfBatch,
        *,
        most_bytes: int | None = None,
        classes: int | None = None,
    ) -> None:
        def apply(variables: Variables, batch: Batch, policy: StepPolicy) -> Any:
            prepared = prepare(model, variables, batch.frames.shape[2:4])
            return function(model, prepared, batch, policy)

        self._apply = devices.compile(apply)
        self._devices, self._batch_size = devices, batch_size
        self._most_bytes, self._classes = most_bytes, classes
        # Padding would change the statistics of a batch.
        self._pads = model.norm_statistics != "batch"

    def __call__(
        self,
        variables: Any,
        videos: grain.MapDataset,
        policy: StepPolicy,
        stops: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Applies the function to every video of a split.

        Args:
            variables: replicated variables.
            videos: the split.
            policy: recurrent steps of every frame.
            stops: asked before every batch.

        Returns:
            What the function returns, NumPy arrays with one entry per video, in the order of the
            split.

        Raises:
            ScoringStopped: as soon as `stops` says so.
            InputError: if masks have a class that the model has not, or the policy is none.
        """
        check_policy(policy)
        batch_size = min(self._batch_size, len(videos), self._fitting(videos))
        # On every device, as the variables are: a policy's thresholds are arrays too.
        policy = self._devices.replicate(on_device(policy))
        found = []
        for batch in evaluation_batches(videos, batch_size, self._classes):
            if stops():
                raise ScoringStopped
            found.append(self._batch(variables, batch, policy, batch_size))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *found)

    def _fitting(self, videos: grain.MapDataset) -> int:
        """How many videos are computed together at most; all where they change each other."""
        if self._most_bytes is None or not self._pads:
            return self._batch_size
        frames, devices = videos[0]["frames"], self._devices.devices
        if devices[0].platform == "cpu" and len(frames) >= _LONG:
            return len(devices)
        return max(1, self._most_bytes // int(frames.nbytes))

    def _batch(self, variables: Any, batch: Batch, policy: Any, batch_size: int) -> Any:
        size = len(batch.weights)
        if self._pads:
            batch = pad_batch(batch, batch_size)
        found = self._apply(variables, self._devices.shard(batch), policy)
        return jax.tree.map(partial(_first, size), self._devices.gather(found))


def _first(count: int, values: np.ndarray) -> np.ndarray:
    return values[:count]
