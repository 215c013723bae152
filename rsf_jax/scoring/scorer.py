"""Scores a model on a set of videos, each counted once."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from rsf_jax.measures.foreground import MEASURES, mean_of_labeled
from rsf_jax.measures.losses import FOCAL, Objective
from rsf_jax.measures.segmentation import SegmentationScores, mean_iou
from rsf_jax.measures.segmentation import scores as segmentation_scores
from rsf_jax.models.base import VideoModel
from rsf_jax.parallel.devices import Devices
from rsf_jax.scoring.batch_scores import Scores, score_batch
from rsf_jax.scoring.splits import OverSplit
from rsf_jax.shown import in_a_line


@dataclasses.dataclass(frozen=True)
class Summary:
    """Scores over a set of videos; frames without a label count nowhere but in the steps.

    NaN where nothing is left to take a mean over.

    Attributes:
        loss: mean over the videos that have labels.
        miou: mean IoU, of the foreground or over classes, as the subclasses say.
        miou_by_frame: the same for each frame position.
        miou_deviation: standard deviation of the videos' own mean IoU.
        steps_by_frame: mean recurrent steps for each frame position.
        steps_per_video: mean recurrent steps of a whole video.
        videos: number of videos.
    """

    __repr__ = in_a_line

    loss: float
    miou: float
    miou_by_frame: list[float]
    miou_deviation: float
    steps_by_frame: list[float]
    steps_per_video: float
    videos: int


# Scores of two classes, all means over videos and frames: `Summary` and `metrics.MEASURES`.
ForegroundSummary = dataclasses.make_dataclass(
    "ForegroundSummary", [(name, float) for name in MEASURES], bases=(Summary,), frozen=True
)


@dataclasses.dataclass(frozen=True)
class SegmentationSummary(SegmentationScores, Summary):
    """Scores of more classes, of the confusion matrix of all frames: `SegmentationScores` and more.

    Attributes:
        flicker: share of the pixels with the same true class as in the frame before whose
            predicted class changes; NaN where there are none.
        confusion: pixels by true and predicted class.
    """

    __repr__ = in_a_line

    flicker: float
    confusion: list[list[int]]


def measures(test: Mapping[str, Any]) -> dict[str, float | None]:
    """Returns the single scores besides mIoU in what results hold of a test, by name.

    Args:
        test: the values of a `Summary` of two or more classes, as in `results.json`.
    """
    shared = {field.name for field in dataclasses.fields(Summary)}
    return {
        name: value
        for name, value in test.items()
        if name not in shared and not isinstance(value, list)
    }


class Scorer(OverSplit):
    """Scores variables on videos; compiled once for each kind of policy, whatever its thresholds.

    Args:
        model: the model.
        devices: where to compute.
        batch_size: videos computed together, over all devices.
        stateful: carry the hidden state across frames.
        objective: the loss of an image.
    """

    def __init__(
        self,
        model: VideoModel,
        devices: Devices,
        batch_size: int,
        *,
        stateful: bool = True,
        objective: Objective = FOCAL,
    ) -> None:
        score = partial(score_batch, stateful=stateful, objective=objective)
        super().__init__(model, devices, batch_size, score)


def summarize(scores: Scores) -> Summary:
    """Returns the scores of all videos together; IoU of classes is that of all their pixels."""
    shared: dict[str, Any] = {
        "loss": float(mean_of_labeled(scores.loss)),
        "steps_by_frame": scores.steps.mean(0).tolist(),
        "steps_per_video": float(scores.steps.sum(1).mean()),
        "videos": len(scores.loss),
    }
    if scores.confusion is not None:
        return SegmentationSummary(**shared, **_of_classes(scores))
    found = scores.foreground
    return ForegroundSummary(
        **shared,
        miou=float(mean_of_labeled(found.iou)),
        miou_by_frame=mean_of_labeled(found.iou, 0).tolist(),
        miou_deviation=_deviation(mean_of_labeled(found.iou, 1)),
        **{name: float(mean_of_labeled(getattr(found, name))) for name in MEASURES},
    )


def _of_classes(scores: Scores) -> dict[str, Any]:
    by_video = scores.confusion.astype(np.int64)  # [V, T, K, K]
    total = by_video.sum((0, 1))
    changed, counted = scores.flicker.astype(np.int64).sum(0)
    found = dataclasses.asdict(segmentation_scores(total))
    return found | {
        "miou_by_frame": [segmentation_scores(matrix).miou for matrix in by_video.sum(0)],
        "miou_deviation": _deviation(np.asarray(mean_iou(by_video.sum(1)))),
        "flicker": float(changed / counted) if counted else float("nan"),
        "confusion": total.tolist(),
    }


def _deviation(by_video: np.ndarray) -> float:
    """Standard deviation of the videos that have a score; NaN if none has."""
    scored = by_video[~np.isnan(by_video)]
    return float(scored.std()) if len(scored) else float("nan")
