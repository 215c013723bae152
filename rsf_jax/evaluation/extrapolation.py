"""Whether more steps solve larger problems than those of training: mIoU by steps, by dataset."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rsf_jax.arguments import several, whole
from rsf_jax.data.dataset import first_videos, open_dataset
from rsf_jax.errors import InputError
from rsf_jax.evaluation.counted import counted
from rsf_jax.evaluation.per_frame import score_each
from rsf_jax.json_files import plain
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.policies import FixedSchedule, parse_policy
from rsf_jax.trained.model import Trained

_TOGETHER = 50  # videos


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a model is tested on.

    Attributes:
        datasets: names, each of the kind that the model was trained on.
        counts: recurrent steps on every frame.
        halting: texts of policies, such as "pattern:rtol=0.01:256".
        videos: of each dataset, the first ones of its test split.

    Raises:
        InputError: if one of them is none of these.
    """

    datasets: tuple[str, ...]
    counts: tuple[int, ...] = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
    halting: tuple[str, ...] = ()
    videos: int = 100

    def __post_init__(self) -> None:
        """Checks all of it before anything is computed."""
        several("datasets", self.datasets, "a list of names is needed", least=1)
        for count in several("counts", self.counts, "a list of whole numbers is needed", least=1):
            whole("counts", count)
        for text in several("halting", self.halting, "a list of texts of policies is needed"):
            parse_policy(text)
        whole("videos", self.videos)


def extrapolate(
    trained: Trained, settings: Settings, tell: Callable[[str], Any] = lambda _: None
) -> dict[str, Any]:
    """Tests a model on other datasets with more steps.

    Args:
        trained: a recurrent model.
        settings: what it is tested on.
        tell: called with a line for each result.

    Returns:
        Values for JSON: for each dataset its frame size, the number of videos, and `rows` of
        policy, mIoU, and steps per frame: mean and 95th percentile.

    Raises:
        InputError: if the model has no steps, or a dataset cannot be opened.
    """
    if not trained.model.recurrent:
        raise InputError("this model has no recurrent steps: it cannot be given more of them")
    tested = {}
    for name in settings.datasets:
        dataset = open_dataset(trained.config.replace(dataset=name))
        videos = first_videos(dataset.test, min(settings.videos, len(dataset.test)))
        most = max(settings.counts)
        schedules = [counted(FixedSchedule(n, n), most) for n in settings.counts]
        rules = [parse_policy(text) for text in settings.halting]
        scores = [
            *score_each(trained, videos, schedules, batch_size=_TOGETHER),
            *score_each(trained, videos, rules, batch_size=1),
        ]
        texts = [*(f"s{n}f{n}" for n in settings.counts), *settings.halting]
        rows = [_row(text, *score) for text, score in zip(texts, scores, strict=True)]
        for row in rows:
            tell(f"{name}: {row['policy']}: mIoU {row['miou']:.3f} at {row['steps']:.1f} steps")
        tested[name] = {
            "videos": len(videos),
            "size": list(dataset.frame_shape),
            "data": dataset.identity and dataclasses.asdict(dataset.identity),
            "rows": rows,
        }
    device = jax.devices()[0].device_kind
    told = {"preset": trained.config.name, "update": trained.update, "device": device}
    return plain({**told, "datasets": tested})


def _row(policy: str, iou: np.ndarray, steps: np.ndarray) -> dict[str, Any]:
    return {
        "policy": policy,
        "miou": float(mean_of_labeled(iou)),
        "steps": float(steps.mean()),
        "steps_95": float(np.percentile(steps, 95)),
    }
