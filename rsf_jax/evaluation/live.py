"""Live streams: scores and steps of every frame, split by what happens at it."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import grain
import jax
import numpy as np
from rich.table import Table

from rsf_jax.arguments import check_share
from rsf_jax.checks import checked_policies
from rsf_jax.console import table_console
from rsf_jax.data.sensor import sense
from rsf_jax.data.streams import EVENTS, PAUSE, live_streams
from rsf_jax.errors import InputError
from rsf_jax.evaluation.live_settings import LENGTH, STREAMS
from rsf_jax.evaluation.per_frame import score_each
from rsf_jax.json_files import number
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.measures.ranks import rank_correlation
from rsf_jax.policies import Spec, StepPolicy, policy_name, to_spec
from rsf_jax.shown import in_a_line
from rsf_jax.trained.model import Trained


@dataclasses.dataclass(frozen=True)
class EventScore:
    """What frames of one kind get, means over them.

    Attributes:
        frames: how many.
        miou: mean IoU of the images; NaN if none has a label.
        steps: recurrent steps.
    """

    frames: int
    miou: float
    steps: float


@dataclasses.dataclass(frozen=True)
class LiveScore:
    """What streams get under one policy, means over all frames.

    Attributes:
        policy: its text.
        policy_spec: its kind and numbers.
        told: whether it was told what happens, see `Told`; the policy is then the inner one.
        miou: mean IoU of the images: of the foreground, or over the classes in an image.
        changed: the same over frames that are not those before.
        steps: recurrent steps per frame.
        steps_95: 95th percentile of them.
        by_event: of each kind of frame, by its name in `EVENTS`.
        by_kind: the same by the dataset's own, finer account of what happens; empty if it has none.
        follows: rank correlation of the steps with the distance that news has to travel, over
            frames with any; None if the dataset does not say, or all have the same number of steps.
    """

    __repr__ = in_a_line

    policy: str
    policy_spec: Spec
    told: bool
    miou: float
    changed: float
    steps: float
    steps_95: float
    by_event: dict[str, EventScore]
    by_kind: dict[str, EventScore] = dataclasses.field(default_factory=dict)
    follows: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "LiveScore":
        """Returns the score of which `dataclasses.asdict` made values."""
        scores = {
            group: {name: EventScore(**one) for name, one in values.get(group, {}).items()}
            for group in ("by_event", "by_kind")
        }
        return cls(**{**values, **scores})


def streams_to_test(
    videos: grain.MapDataset,
    count: int = STREAMS,
    length: int = LENGTH,
    *,
    seed: int = 0,
    noise: float = 0.0,
    flicker: float = 0.0,
) -> grain.MapDataset:
    """Returns streams to test with, of the videos of a split or, if those are streams, themselves.

    Args:
        videos: the split.
        count: streams.
        length: frames of each.
        seed: of how they are composed, and of the noise.
        noise: standard deviation of the sensor's noise; white is 1.
        flicker: share by which the light of each frame differs.

    Raises:
        InputError: as `data.streams.live_streams`, or if noise or flicker is no share.
    """
    for name, share in (("noise", noise), ("flicker", flicker)):
        check_share(name, share)
    streams = live_streams(videos, count, length, seed)
    if not noise and not flicker:
        return streams

    def through_camera(stream: Any, rng: np.random.Generator) -> Any:
        frames = sense(stream["frames"], rng, noise=noise, flicker=flicker)
        return {**stream, "frames": frames}

    return streams.seed(seed).random_map(through_camera)


def score_streams(
    trained: Trained,
    streams: grain.MapDataset,
    policies: Iterable[StepPolicy],
    *,
    told: bool = False,
    batch_size: int | None = None,
    event_names: Sequence[str] = (),
) -> Iterator[LiveScore]:
    """Scores a model on live streams under many policies; compiled once for each kind of policy.

    Args:
        trained: the model.
        streams: with `events`, of one length, see `streams_to_test`.
        policies: each is scored on all streams.
        told: tell the policies what happens, instead of leaving it to them.
        batch_size: streams computed together; None for one on CPUs, for all on accelerators.
        event_names: what values of `event` are called, if streams have such.

    Raises:
        InputError: if these are no streams, or a policy is none.
    """
    policies = checked_policies(policies)
    if "events" not in streams[0]:
        raise InputError("these videos are no streams: see data.streams.live_streams")
    if batch_size is None:
        # Streams that are computed together wait at every frame for the one with the most steps,
        # of which there is nearly always one: on a CPU a gate's streams took 4.5 times as long.
        batch_size = 1 if jax.default_backend() == "cpu" else STREAMS
    account = _Account.of(streams, event_names)
    scores = score_each(
        trained,
        streams,
        policies,
        batch_size=batch_size,
        events=account.events if told else None,
    )
    for policy, (iou, steps) in zip(policies, scores, strict=True):
        yield _summary(policy, told, iou, steps, account)


@dataclasses.dataclass(frozen=True)
class _Account:
    """What is known of the frames of streams, [streams, T]."""

    events: np.ndarray
    kinds: np.ndarray | None
    kind_names: Sequence[str]
    distance: np.ndarray | None

    @classmethod
    def of(cls, streams: grain.MapDataset, names: Sequence[str]) -> "_Account":
        there = streams[0].keys()

        def stacked(name: str) -> np.ndarray | None:
            return np.stack([np.asarray(s[name]) for s in streams]) if name in there else None

        events = np.stack([np.asarray(stream["events"]) for stream in streams])
        return cls(events, stacked("event") if names else None, names, stacked("distance"))

    def follows(self, steps: np.ndarray) -> float | None:
        """How steps follow the distance, over frames in which news travels."""
        if self.distance is None:
            return None
        any_news = self.distance > 0
        found = rank_correlation(steps[any_news], self.distance[any_news])
        return None if np.isnan(found) else found


def _summary(
    policy: StepPolicy, told: bool, iou: np.ndarray, steps: np.ndarray, account: _Account
) -> LiveScore:
    events = account.events
    return LiveScore(
        policy=policy_name(policy),
        policy_spec=to_spec(policy),
        told=told,
        miou=float(mean_of_labeled(iou)),
        changed=float(mean_of_labeled(iou[events != PAUSE])),
        steps=float(steps.mean()),
        steps_95=float(np.percentile(steps, 95)),
        by_event=_by_kind(iou, steps, events, EVENTS),
        by_kind={}
        if account.kinds is None
        else _by_kind(iou, steps, account.kinds, account.kind_names),
        follows=account.follows(steps),
    )


def _by_kind(
    iou: np.ndarray, steps: np.ndarray, kinds: np.ndarray, names: Sequence[str]
) -> dict[str, EventScore]:
    which = {name: kinds == number for number, name in enumerate(names)}
    return {
        name: EventScore(
            int(frames.sum()), float(mean_of_labeled(iou[frames])), float(steps[frames].mean())
        )
        for name, frames in which.items()
        if frames.any()
    }


def print_scores(rows: Iterable[Mapping[str, Any]], noise: float) -> None:
    """Prints a table, a policy a row, as wide as texts of policies are.

    Args:
        rows: values of `LiveScore`.
        noise: of the streams.
    """
    rows = list(rows)
    table = Table(title=f"Live streams, noise {noise:g}")
    table.add_column("policy", overflow="fold")
    titles = ["mIoU", "changed", "steps", "95 %"]
    known = any(row["follows"] is not None for row in rows)
    for title in [*titles, *["follows"] * known]:
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        follows = [number(row["follows"])] if known else []
        table.add_row(
            f"{row['policy']}, told" if row["told"] else row["policy"],
            number(row["miou"]),
            number(row["changed"]),
            f"{row['steps']:.2f}",
            f"{row['steps_95']:.0f}",
            *follows,
        )
    table_console().print(table)
