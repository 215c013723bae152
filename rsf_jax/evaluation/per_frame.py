"""IoU and recurrent steps of every frame of videos, under one policy after another."""

from collections.abc import Iterable, Iterator

import grain
import jax
import numpy as np

from rsf_jax.checks import as_prepared, checked_policies, on_device
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.evaluation.told import Told
from rsf_jax.policies import StepPolicy
from rsf_jax.scoring.frames import score_batch_by_frame
from rsf_jax.trained.model import Trained


def score_each(
    trained: Trained,
    videos: grain.MapDataset,
    policies: Iterable[StepPolicy],
    *,
    batch_size: int,
    stateful: bool | None = None,
    events: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields IoU, float32 [V, T], and recurrent steps, int32 [V, T], of each policy in turn.

    Compiled once for each kind of policy.

    Args:
        trained: the model.
        videos: V of them, of one length.
        policies: each is run on all videos.
        batch_size: videos computed together.
        stateful: whether frames begin with the state that the one before has left; None for what
            the model's settings say.
        events: of `data.streams.EVENTS` [V, T], which policies are told instead of finding them.

    Raises:
        InputError: if masks have a class that the model has not, or a policy is none.
    """
    policies = checked_policies(policies)
    shape = videos[0]["frames"].shape[1:3]
    prepared = as_prepared(trained.model, trained.variables, shape)
    size = min(batch_size, len(videos))
    batches = list(evaluation_batches(videos, size, trained.config.classes))
    ends = np.cumsum([len(batch.weights) for batch in batches])[:-1]
    told = [None] * len(batches) if events is None else np.split(events, ends)
    stateful = trained.config.stateful if stateful is None else stateful
    for policy in policies:
        used = on_device(policy)
        scored = [
            _score(
                trained.model,
                prepared,
                batch,
                used if e is None else Told(e, used),
                stateful=stateful,
            )
            for batch, e in zip(batches, told, strict=True)
        ]
        yield (
            np.concatenate([np.asarray(scores.iou) for scores in scored]),
            np.concatenate([np.asarray(scores.steps) for scores in scored]),
        )


_score = jax.jit(score_batch_by_frame, static_argnames=("model", "stateful"))
