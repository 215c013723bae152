"""A still camera: what a model makes of a frame that it is shown again and again.

A model that is to run on live video must hold there. Trained on short videos alone, it drifts.
"""

import dataclasses
from functools import partial
from typing import Any

import grain
import jax
import jax.numpy as jnp
import numpy as np

from rsf_jax.arguments import check_share, whole
from rsf_jax.checks import as_prepared, check_policy
from rsf_jax.data.batch import check_labels, stack
from rsf_jax.evaluation.live_settings import REPEATS
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.models.base import Prepared
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import StepPolicy, policy_name
from rsf_jax.scoring.frames import score_frames
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained
from rsf_jax.typing import Array

# Of the best mIoU so far: a model that falls below has lost what it saw.
HOLD = 0.95
VIDEOS = 64
SHOWN = (1, 3, 10, 30, 60, 120, 300, 1000)


@dataclasses.dataclass(frozen=True)
class StillCamera:
    """What became of a scene that did not change.

    Attributes:
        policy: its text.
        noise: standard deviation of the sensor's noise; white is 1.
        videos: how many, each shown by its last frame.
        miou: at every repeat, mean over the videos; NaN, in a file None, where nothing is labeled.
        steps: recurrent steps at every repeat, likewise.
    """

    __repr__ = in_a_line

    policy: str
    noise: float
    videos: int
    miou: list[float | None]
    steps: list[float]

    @property
    def worst(self) -> float:
        """The lowest share of the best mIoU so far; NaN where nothing is labeled."""
        miou, best = self._with_best()
        # As long as nothing was found there is nothing to lose.
        return float(np.where(best == 0, 1, miou / np.where(best == 0, 1, best)).min())

    @property
    def holds(self) -> bool:
        """Whether the mIoU never falls below `HOLD` of its best so far."""
        return self.worst >= HOLD

    @property
    def lasts(self) -> int:
        """Frames before it first falls below; all of them if it holds."""
        miou, best = self._with_best()
        lost = np.flatnonzero(miou < HOLD * best)
        return int(lost[0]) if len(lost) else len(miou)

    def _with_best(self) -> tuple[np.ndarray, np.ndarray]:
        """The mIoU at every repeat, and the best so far."""
        miou = np.asarray(self.miou, float)
        return miou, np.maximum.accumulate(miou)

    def shown(self) -> dict[int, float | None]:
        """The mIoU at a few repeats, counted from 1."""
        return {n: self.miou[n - 1] for n in SHOWN if n <= len(self.miou)}


def still_numbers(found: StillCamera) -> dict[str, Any]:
    """Returns what files say of a still camera: all of it, and whether the model held."""
    summary = {"worst": found.worst, "holds": found.holds, "lasts": found.lasts}
    return {**dataclasses.asdict(found), **summary}


def still_camera(
    trained: Trained,
    videos: grain.MapDataset,
    policy: StepPolicy | None = None,
    *,
    frames: int = REPEATS,
    noise: float = 0.0,
    seed: int = 0,
) -> StillCamera:
    """Shows a model the last frame of each video again and again.

    Memory does not grow with the number of frames.

    Args:
        trained: the model.
        videos: of any length, computed together.
        policy: recurrent steps of every frame; None for the schedule of training.
        frames: how often a frame is shown.
        noise: standard deviation of the noise that is added to every frame; white is 1, which is
            the most.
        seed: of the noise, 0 or above.

    Raises:
        InputError: if a number is none of these, the policy is unfit, or masks have a class that
            the model has not.
    """
    frames, seed = whole("frames", frames), whole("seed", seed, 0)
    check_share("noise", noise)
    policy = policy or trained.schedule
    check_policy(policy)
    last = [{name: video[name][-1] for name in ("frames", "masks")} for video in videos]
    batch = stack(last)
    check_labels(batch, trained.config.classes)
    prepared = as_prepared(trained.model, trained.variables, batch.frames.shape[1:3])
    iou, steps = _show(
        prepared,
        policy,
        batch.frames,
        batch.masks.astype(np.int32),
        jnp.float32(noise),
        jax.random.key(seed),
        frames,
        trained.config.stateful,
    )
    return StillCamera(
        policy=policy_name(policy),
        noise=noise,
        videos=len(last),
        miou=np.asarray(mean_of_labeled(np.asarray(iou), 1), float).tolist(),
        steps=np.asarray(steps, float).mean(1).tolist(),
    )


@partial(jax.jit, static_argnames=("length", "stateful"))
def _show(
    prepared: Prepared,
    policy: StepPolicy,
    frames: Array,
    labels: Array,
    noise: Array,
    key: Array,
    length: int,
    stateful: bool,
) -> tuple[Array, Array]:
    """IoU and steps at every repeat, [T, B]."""
    seen = as_float(frames)

    def read(n: Array) -> tuple[Array, Array]:
        # Without noise too: one program for all.
        drawn = jax.random.normal(jax.random.fold_in(key, n), seen.shape)
        return jnp.clip(seen + noise * drawn, 0, 1), labels

    return score_frames(prepared, policy, jnp.arange(length), read, stateful=stateful)
