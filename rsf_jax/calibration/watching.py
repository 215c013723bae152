"""Whether a calibrated policy keeps its guarantee where it is used: shadow frames, and an alarm."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import grain
import numpy as np

from rsf_jax.calibration.alarm import Alarm
from rsf_jax.calibration.risk import upper_bound
from rsf_jax.errors import InputError
from rsf_jax.measures.images import image_iou
from rsf_jax.policies import StepPolicy, read_policy
from rsf_jax.scoring.frames import MOST_BYTES, shadow_batch
from rsf_jax.shown import in_a_line, short
from rsf_jax.streaming import Shadow
from rsf_jax.trained.model import Trained
from rsf_jax.typing import Array

SHARE, LEVEL, TOGETHER = 0.02, 0.01, 10


@dataclasses.dataclass(frozen=True)
class Watch:
    """What watches a calibrated policy in use.

        results = calibration.load_calibration(folder, trained)
        watch = calibration.watch(results)
        engine = trained.engine(read_policy(results), shadow=watch.shadow)
        ...
        watch.alarm.alarm  # whether the policy is to be calibrated anew

    Attributes:
        alarm: fed with the shadow frames of one engine, or of several.
        shadow: for the engines.
    """

    __repr__ = in_a_line

    alarm: Alarm
    shadow: Shadow

    def __str__(self) -> str:
        """Returns what was seen so far in words."""
        alarm = self.alarm
        if not alarm.count:
            return "No frame was compared with the reference so far"
        raised = f"ALARM after {alarm.raised_at}" if alarm.alarm else "no alarm"
        return (
            f"{alarm.count} frames were compared with the reference: they disagree by "
            f"{alarm.mean:.4f} on average, at most {alarm.limit:.4f} was guaranteed: {raised}"
        )


def watch(
    results: dict[str, Any],
    *,
    share: float = SHARE,
    level: float = LEVEL,
    together: int = TOGETHER,
    seed: int = 0,
    on_alarm: Callable[[Alarm], Any] = lambda alarm: None,
) -> Watch:
    """Returns what watches a calibrated policy where it is used.

    The alarm says that frames have come to disagree with their shadows by more than the calibration
    has bounded, because the video is another than the policy was calibrated on. A false alarm has a
    probability of at most `level` over all time, and of the error of calibration besides, if the
    expected loss is within the bound whatever was before: see `alarm`.

    Args:
        results: what `load_calibration` returned.
        share: of the frames that are compared.
        level: probability of a false alarm.
        together: frames that are compared whose mean counts as one loss, see `Alarm`.
        seed: by which frames are chosen.
        on_alarm: called once, when the alarm is raised.

    Raises:
        InputError: if it was no calibration for a disagreement, or a value is none of these.
    """
    if not isinstance(results, Mapping):
        raise InputError(
            f"results are {short(results)}: what calibrate or load_calibration returned is needed"
        )
    if not results.get("shadow"):
        raise InputError(
            "this policy was not calibrated for a disagreement: there is no bound to watch"
        )
    alarm = Alarm(results["shadow"]["bound"], level, together)

    def take(loss: float) -> None:
        before = alarm.alarm
        if alarm.update(loss) and not before:
            on_alarm(alarm)

    reference = read_policy(results, "reference")
    return Watch(alarm, Shadow(reference, share, take, disagreement, seed))


def disagreement(policy: Array, reference: Array) -> Array:
    """1 less the mIoU of each image, the classes of the reference taken for labels, [B]."""
    return 1 - image_iou(policy, reference.argmax(-1))


def shadow_bound(
    trained: Trained,
    policy: StepPolicy,
    reference: StepPolicy,
    videos: grain.MapDataset,
    level: float,
) -> dict[str, float]:
    """Bounds what an alarm watches: the disagreement of frames with their shadows.

    Where a policy is used nobody runs the reference over all that came before. A shadow frame is
    one from which the reference starts where the policy does; see `shadow.advance_with_shadow`.
    That is another number than the disagreement that was calibrated, mostly a smaller one, so that
    it has a bound of its own.

    Args:
        trained: a recurrent model.
        policy: that was chosen.
        reference: with what it is compared.
        videos: calibration videos.
        level: probability that the bound does not hold. If the policy was chosen by the same
            videos, that of each of those it was chosen among.

    Returns:
        "mean" over the videos, and the "bound" of the expected disagreement.
    """
    score = trained.over_split(partial(shadow_batch, reference=reference), MOST_BYTES)
    scores = score(videos, policy)
    losses = 1 - np.asarray(scores.iou, float).mean(1)
    return {"mean": float(losses.mean()), "bound": upper_bound(losses, level)}
