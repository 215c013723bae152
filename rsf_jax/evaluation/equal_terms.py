"""Rules of halting, solvers and starts on equal terms: the same weights, frames and evaluations."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grain
import jax
import numpy as np

from rsf_jax.arguments import flag, whole
from rsf_jax.config.config import Config
from rsf_jax.data.dataset import Dataset, check_dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.evaluation.counted import counted
from rsf_jax.evaluation.live import streams_to_test
from rsf_jax.evaluation.live_settings import LENGTH
from rsf_jax.evaluation.per_frame import score_each
from rsf_jax.evaluation.usual_policies import GATE, check_gate, learned
from rsf_jax.json_files import plain
from rsf_jax.measures.foreground import mean_of_labeled
from rsf_jax.measures.ranks import rank_correlation
from rsf_jax.policies import StepPolicy, parse_policy, policy_name
from rsf_jax.scoring.speed import excerpt, measure_speeds
from rsf_jax.trained.model import Trained

PLAIN, ANDERSON = "plain", "anderson:5"
SOLVERS = (PLAIN, ANDERSON)
COUNTS = (1, 2, 3, 4, 6, 8, 12, 24)
MANY = 24  # steps after which a start should not matter anymore
# More steps for a video's first frame, as the paper has them.
_PAIRS = ((3, 1), (6, 1), (8, 1), (12, 1), (4, 2), (8, 2), (12, 2), (8, 4), (12, 4), (24, 4))
_MOVEMENTS = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)
_RATIOS = (0.6, 0.8, 0.9, 1.0)
_READOUTS = (
    *(f"entropy:{t}" for t in (0.3, 0.2, 0.1, 0.05)),
    *(f"flips:{t}" for t in (0.02, 0.01, 0.003, 0.001)),
    *(f"news:{t}" for t in (0.005, 0.003, 0.0015, 0.0)),
)
# The same with as many steps before they count: news of a frame takes some to be seen at all.
_LATE = (
    *(("distance", f"pattern:rtol={r}") for r in (0.1, 0.07, 0.05)),
    *(("readout", f"readout:flips:{t}") for t in (0.005, 0.003)),
    *(("readout", f"readout:news:{t}") for t in (0.0015, 0.0)),
)
_TOGETHER = 25  # videos of one length in steps


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is compared.

    Attributes:
        videos: test videos, the first ones; 0 for none.
        streams: live streams of 60 frames of test videos; 0 for none.
        cap: the most steps of what halts.
        gate: text of the gate that is put around all rules, in an arm of its own.
        timed: whether frames are timed at batch 1; for quiet machines.

    Raises:
        InputError: if one of them is none of these.
    """

    videos: int = 200
    streams: int = 16
    cap: int = 12
    gate: str = GATE
    timed: bool = False

    def __post_init__(self) -> None:
        """Checks all of it before anything is computed."""
        for name, least in (("videos", 0), ("streams", 0), ("cap", 1)):
            whole(name, getattr(self, name), least)
        check_gate(self.gate)
        flag("timed", self.timed)


@dataclasses.dataclass(frozen=True)
class Case:
    """One way to spend steps.

    Attributes:
        family: "fixed", "distance", "ratio" (the paper's rule), "readout" or "learned".
        solver: one of `SOLVERS`.
        warm: whether a frame begins with the state that the one before has left.
        gated: whether there is a gate in front.
        policy: all of it.
    """

    family: str
    solver: str
    warm: bool
    gated: bool
    policy: StepPolicy


@dataclasses.dataclass(frozen=True)
class Row:
    """What a case gets.

    Attributes:
        family, solver, warm, gated: as in `Case`.
        policy: its text.
        miou: mean IoU of the images.
        steps: evaluations of the step per frame, of frames that got none 0.
        steps_95: 95th percentile of them.
        follows: rank correlation of steps with the distance that news has to travel, over later
            frames with any; None if the data do not say, or all have the same number of steps.
        by_distance: mean steps of these frames by the steps that they need, at a kernel's reach
            in each, as `[needed, mean, frames]`.
        by_video: mean IoU of every video, for paired tests.
        milliseconds: of a frame at batch 1, median; None if it was not timed.
    """

    family: str
    solver: str
    warm: bool
    gated: bool
    policy: str
    miou: float
    steps: float
    steps_95: float
    follows: float | None
    by_distance: list[list[float]]
    by_video: list[float]
    milliseconds: float | None = None


def cases(config: Config, settings: Settings) -> list[Case]:
    """Returns everything that is compared, for a model of these settings."""
    found = [
        Case(family, solver, warm, False, _within(solver, text))
        for solver in SOLVERS
        for warm in (True, False)
        for family, text in _counted(settings.cap)
        # Of one step nothing is left to a solver.
        if (solver, text) != (ANDERSON, "s1f1")
    ]
    alone = [*_pairs(), *_alone(config, settings.cap)]
    found += [Case(family, PLAIN, True, False, parse_policy(text)) for family, text in alone]
    gated = [*_counted(settings.cap), *alone]
    return [
        *found,
        *(Case(f, PLAIN, True, True, parse_policy(f"{settings.gate}+{t}")) for f, t in gated),
    ]


def _counted(cap: int) -> list[tuple[str, str]]:
    """What every solver and start is tried with."""
    fixed = [("fixed", f"s{n}f{n}") for n in COUNTS]
    return fixed + [("distance", f"pattern:rtol={r}:{cap}") for r in _MOVEMENTS]


def _pairs() -> list[tuple[str, str]]:
    return [("fixed", f"s{slow}f{fast}") for slow, fast in _PAIRS]


def _alone(config: Config, cap: int) -> list[tuple[str, str]]:
    """Rules that are tried with plain steps from the state before alone."""
    rules = [("ratio", f"l2:{ratio}:{cap}") for ratio in _RATIOS]
    rules += [("readout", f"readout:{rule}:{cap}") for rule in _READOUTS]
    least, first = max(cap // 12, 1), max(cap // 3, 1)
    rules += [
        (family, f"{rule}:{cap}:min_steps={least}:min_first_steps={first}")
        for family, rule in _LATE
    ]
    return rules + [("learned", policy_name(policy)) for policy in learned(config)]


def _within(solver: str, text: str) -> StepPolicy:
    return parse_policy(text if solver == PLAIN else f"{solver}+{text}")


def compare_on_equal_terms(
    trained: Trained,
    dataset: Dataset,
    settings: Settings,
    tell: Callable[[str], Any] = lambda _: None,
) -> dict[str, Any]:
    """Tests a model under every case, on clips and on live streams.

    Args:
        trained: a recurrent model.
        dataset: an open dataset, whose test videos are used.
        settings: what is compared.
        tell: called with a line for each result.

    Returns:
        Values for JSON: `clips` and `live` hold `rows` (`Row`), `pixels` (how changed pixels follow
        the distance, as `follows`) and how many videos and frames there are.

    Raises:
        InputError: if the model has no steps to spend, the dataset is none of its classes, or there
            are too few videos.
    """
    check_dataset(dataset, trained.config)
    if not trained.model.recurrent:
        raise InputError("this model has no recurrent steps: there is nothing to halt")
    parts = {}
    if settings.videos:
        parts["clips"] = first_videos(dataset.test, min(settings.videos, len(dataset.test)))
    if settings.streams:
        parts["live"] = streams_to_test(dataset.test, settings.streams, LENGTH)
    found = cases(trained.config, settings)
    return plain(
        {
            "preset": trained.config.name,
            "update": trained.update,
            "settings": dataclasses.asdict(settings),
            "device": jax.devices()[0].device_kind,
            "data": dataset.identity and dataclasses.asdict(dataset.identity),
            **{name: _part(trained, v, found, settings, tell, name) for name, v in parts.items()},
        }
    )


def _part(
    trained: Trained,
    videos: grain.MapDataset,
    found: Sequence[Case],
    settings: Settings,
    tell: Callable[[str], Any],
    name: str,
) -> dict[str, Any]:
    needs = _needs(videos, trained.config.kernel_size - 1)
    scored: dict[Case, Row] = {}
    for case, iou, steps in _scored(trained, videos, found):
        scored[case] = row = _row(case, iou, steps, needs)
        start = "warm" if row.warm else "cold"
        tell(f"{name}: {row.policy}, {start}: mIoU {row.miou:.3f} at {row.steps:.2f} steps")
    rows = [scored[case] for case in found]
    if settings.timed:
        shown = excerpt(np.stack([np.asarray(v["frames"]) for v in videos[:8]]))
        rows = _timed(trained, shown, found, rows)
    return {
        "videos": len(videos),
        "frames": len(videos[0]["frames"]),
        "pixels": None if needs is None else needs.pixels,
        "rows": [dataclasses.asdict(row) for row in rows],
    }


def _scored(
    trained: Trained, videos: grain.MapDataset, found: Sequence[Case]
) -> Iterator[tuple[Case, np.ndarray, np.ndarray]]:
    """Cases with IoU and steps of every frame, those together that are computed alike."""
    for warm in (True, False):
        for halts in (True, False):
            group = [c for c in found if c.warm == warm and _halts(c) == halts]
            # What halts is computed one by one: together videos wait for each other's frames.
            size = 1 if halts and jax.default_backend() == "cpu" else _TOGETHER
            policies = [counted(case.policy, MANY) for case in group]
            each = score_each(trained, videos, policies, batch_size=size, stateful=warm)
            for case, (iou, steps) in zip(group, each, strict=True):
                yield case, iou, steps


def _halts(case: Case) -> bool:
    return case.gated or case.family != "fixed"


@dataclasses.dataclass(frozen=True)
class _Needs:
    """What is known of frames [V, T] in which news travels, a video's first left out."""

    there: np.ndarray
    distance: np.ndarray
    needed: np.ndarray
    pixels: dict[str, Any]


def _needs(videos: grain.MapDataset, reach: int) -> _Needs | None:
    """What videos say of distances; of two convolutions news travels `reach` pixels a step."""
    if "distance" not in videos[0]:
        return None
    distance = np.stack([np.asarray(v["distance"]) for v in videos])
    there = distance > 0
    there[:, 0] = False
    frames = np.stack([np.asarray(v["frames"]) for v in videos])
    changed = np.zeros(distance.shape)
    changed[:, 1:] = (frames[:, 1:] != frames[:, :-1]).any(-1).mean((2, 3))
    needed = -(-distance // reach)
    told = {
        "follows": _or_none(rank_correlation(changed[there], distance[there])),
        "by_distance": _by(needed[there], changed[there]),
    }
    return _Needs(there, distance, needed, told)


def _row(case: Case, iou: np.ndarray, steps: np.ndarray, needs: _Needs | None) -> Row:
    follows, by = None, []
    if needs is not None:
        spent = steps[needs.there]
        follows = _or_none(rank_correlation(spent, needs.distance[needs.there]))
        by = _by(needs.needed[needs.there], spent)
    of_videos = mean_of_labeled(iou, 1)
    return Row(
        case.family,
        case.solver,
        case.warm,
        case.gated,
        policy_name(case.policy),
        float(mean_of_labeled(iou)),
        float(steps.mean()),
        float(np.percentile(steps, 95)),
        follows,
        by,
        [round(float(value), 4) for value in of_videos],
    )


def _by(needed: np.ndarray, values: np.ndarray) -> list[list[float]]:
    """Means of values by the steps that a frame needs."""
    kinds = [(n, needed == n) for n in np.unique(needed)]
    return [[float(n), float(values[of].mean()), float(of.sum())] for n, of in kinds]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _timed(
    trained: Trained, shown: np.ndarray, found: Sequence[Case], rows: Sequence[Row]
) -> list[Row]:
    """Rows with milliseconds; all of a start in turns."""
    speeds: dict[bool, Mapping[str, Any]] = {
        warm: measure_speeds(
            trained.model,
            trained.variables,
            shown,
            [case.policy for case in found if case.warm == warm],
            stateful=warm,
        )
        for warm in (True, False)
    }
    return [
        dataclasses.replace(row, milliseconds=1e3 * speeds[row.warm][row.policy].seconds)
        for row in rows
    ]
