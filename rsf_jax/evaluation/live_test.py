"""The live test of a model: a still camera, and streams under many policies; `live.json`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from rsf_jax.config.config import Config
from rsf_jax.data.dataset import Dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.evaluation.live import (
    LENGTH,
    STREAMS,
    LiveScore,
    print_scores,
    score_streams,
    streams_to_test,
)
from rsf_jax.evaluation.still import FRAMES as REPEATS
from rsf_jax.evaluation.still import VIDEOS, StillCamera, still_camera, still_numbers
from rsf_jax.evaluation.sweep import cap_steps
from rsf_jax.evaluation.testing import name_suffix
from rsf_jax.figures.live import Strip, save_live, save_still
from rsf_jax.json_files import number, plain, write_json
from rsf_jax.policies import (
    NEVER,
    DistanceHalting,
    FixedSchedule,
    StepPolicy,
    parse_policy,
    policy_name,
)
from rsf_jax.run_folder import RunFolder
from rsf_jax.trained.model import Trained

# Of T-Pathfinder, whose scenes are thin lines: in 36x36 pixels up to 2 that differ are none, more
# than 60 another scene. See docs/decisions/0022-gates.md.
GATE = "gate:0.0023:0.046"
_MOVEMENTS = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07)
_REFRESHES = (4, 8, 16, 32)
_SHOWN = 24  # frames of the picture
_PRINTED = (1, 10, 60, 300, 1000)  # repeats, in the table
FAMILIES = ("schedules", "refresh", "halting", "skipping alone", "gate", "gate and halting")
TOLD = "told what happens"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is tested.

    Attributes:
        policies: for streams; empty for those of `families`.
        kinds: of `families`, by name; empty for all.
        still_policies: for the still camera; empty for the schedule of training.
        gate: text of the gate of `families`.
        noise: standard deviations of noise; white is 1.
        streams: how many.
        frames: of each.
        repeats: of the still camera's frame; 0 for no still camera.
        split: "test" or "validation", whose videos are shown.
        seed: of the streams.
    """

    policies: tuple[StepPolicy, ...] = ()
    kinds: tuple[str, ...] = ()
    still_policies: tuple[StepPolicy, ...] = ()
    gate: str = GATE
    noise: tuple[float, ...] = (0.0, 0.05)
    streams: int = STREAMS
    frames: int = LENGTH
    repeats: int = REPEATS
    split: str = "test"
    seed: int = 0


def live_test(
    trained: Trained, dataset: Dataset, workdir: Path, settings: Settings = Settings()
) -> dict[str, Any]:
    """Tests a model on a still camera and on live streams, and writes what was found.

    Files in `workdir`: `live.json`, `live.png` and `still.png`; whatever is not the run's own is
    added to their names, see `name_suffix`, and so is the split if it is not the test's.

    Args:
        trained: the model.
        dataset: an open dataset; streams are composed of its videos, unless they are streams.
        workdir: folder for the results.
        settings: what is tested.

    Returns:
        What `live.json` holds.

    Raises:
        InputError: if the model carries no state, or a policy or number is unfit.
    """
    if not trained.model.recurrent:
        raise InputError("this model has no recurrent steps: every frame is its first")
    videos = getattr(dataset, settings.split)
    groups = _families(trained.config, settings)
    still = _still(trained, videos, settings)
    streams, scores = {}, {}
    for noise in settings.noise:
        found = streams_to_test(
            videos, settings.streams, settings.frames, seed=settings.seed, noise=noise
        )
        streams[noise] = found
        scores[noise] = {
            family: list(score_streams(trained, found, policies, told=family == TOLD))
            for family, policies in groups.items()
        }
    results = plain(
        {
            "preset": trained.config.name,
            "update": trained.update,
            "split": settings.split,
            "seed": settings.seed,
            "streams": settings.streams,
            "frames": settings.frames,
            "device": jax.devices()[0].device_kind,
            "data": dataset.identity and dataclasses.asdict(dataset.identity),
            "still": [still_numbers(found) for found in still],
            "live": [
                {"noise": noise, "family": family, **dataclasses.asdict(score)}
                for noise, of_noise in scores.items()
                for family, group in of_noise.items()
                for score in group
            ],
        }
    )
    suffix = name_suffix(trained, dataset) + of_split(settings.split)
    write_json(RunFolder(workdir).live(suffix), results)
    _save_pictures(trained, streams, scores, still, RunFolder(workdir), suffix)
    return results


def of_split(split: str) -> str:
    """What the names of files say of the split that was tested: nothing of the test's."""
    return "" if split == "test" else f"_{split}"


def _families(config: Config, settings: Settings) -> dict[str, list[StepPolicy]]:
    """What streams are tested with, by kind."""
    if settings.policies:
        return {"given": list(settings.policies)}
    found = families(config, settings.gate)
    unknown = set(settings.kinds) - found.keys()
    if unknown:
        raise InputError(f"kind {min(unknown)!r} is none of {', '.join(found)}")
    return {name: found[name] for name in settings.kinds or found}


def families(config: Config, gate: str = GATE) -> dict[str, list[StepPolicy]]:
    """Returns policies with and without a gate around what a model was trained with, by kind.

    Args:
        config: of the model.
        gate: text of a gate, without what is inside of it.

    Raises:
        InputError: if it is none.
    """
    slow, fast = config.slow_steps, config.fast_steps
    skipping = f"{':'.join(gate.split(':')[:2])}:1"
    if not config.stateful:
        # Every frame is a first one: there is nothing to keep, to reset or to go on from.
        own = policy_name(FixedSchedule(slow, fast))
        return {
            "schedules": [FixedSchedule(slow, fast)],
            "skipping alone": [parse_policy(f"{skipping}+{own}")],
        }
    more = 2 * slow
    pairs = [(slow, fast), (more, fast), (more, fast + 1), (more + 2, fast + 1)]
    pairs += [(more + 2, fast + 2), (2 * more, fast + 2)]
    schedules = [FixedSchedule(*pair) for pair in dict.fromkeys(pairs)]
    most = max(cap_steps(config), 12)
    rules = [
        DistanceHalting("pattern", NEVER, most, rtol=r, min_first_steps=slow) for r in _MOVEMENTS
    ]
    own = policy_name(schedules[0])

    def inside(prefix: str, policies: Sequence[StepPolicy]) -> list[StepPolicy]:
        return [parse_policy(f"{prefix}+{policy_name(policy)}") for policy in policies]

    return {
        "schedules": list(schedules),
        "refresh": [parse_policy(f"refresh:{n}+{own}") for n in _REFRESHES],
        "halting": list(rules),
        "skipping alone": inside(skipping, schedules),
        "gate": inside(gate, _pairs(slow, fast)),
        "gate and halting": inside(gate, rules),
        TOLD: [*schedules, *rules],
    }


def _pairs(slow: int, fast: int) -> list[FixedSchedule]:
    """Fixed steps for a scene's first frame and for its changes: one of them for every budget."""
    firsts = [slow, slow + 1, 2 * slow, 2 * slow + 2, 4 * slow]
    pairs = [(first, fast + more) for more in range(3) for first in firsts]
    return [FixedSchedule(*pair) for pair in dict.fromkeys(pairs) if pair[1] <= pair[0]]


def _still(trained: Trained, videos: grain.MapDataset, settings: Settings) -> list[StillCamera]:
    if not settings.repeats:
        return []
    shown = first_videos(videos, min(VIDEOS, len(videos)))
    policies = settings.still_policies or (trained.schedule,)
    return [
        still_camera(
            trained, shown, policy, frames=settings.repeats, noise=noise, seed=settings.seed
        )
        for policy in policies
        for noise in settings.noise
    ]


def _save_pictures(
    trained: Trained,
    streams: dict[float, grain.MapDataset],
    scores: dict[float, dict[str, list[LiveScore]]],
    still: list[StillCamera],
    folder: RunFolder,
    suffix: str,
) -> None:
    if still:
        save_still(folder.picture("still", suffix), still)
    noise = min(streams)
    lines = {
        family: [(score.steps, score.miou) for score in group]
        for family, group in scores[noise].items()
    }
    policy = parse_policy(_pictured(scores[noise]))
    save_live(folder.picture("live", suffix), strip(trained, streams[noise][0], policy), lines)


def _pictured(scores: dict[str, list[LiveScore]]) -> str:
    """The policy of the picture: of the last family that takes decisions, the best."""
    decides = [group for family, group in scores.items() if family != TOLD]
    return max(decides[-1], key=lambda score: score.miou).policy


def strip(trained: Trained, stream: Any, policy: StepPolicy, count: int = _SHOWN) -> Strip:
    """Returns the first frames of a stream, with what a model made of them."""
    frames = np.asarray(stream["frames"][:count])
    out = trained.run(frames[None], policy)
    return Strip(
        frames,
        np.asarray(out.logits[0].argmax(-1)),
        np.asarray(out.steps[0]),
        np.asarray(stream["events"][:count]),
        policy_name(policy),
    )


def print_live(results: dict[str, Any]) -> None:
    """Prints what `live_test` has returned."""
    if results["still"]:
        _print_still([StillCamera(**_fields(run)) for run in results["still"]])
    for noise in dict.fromkeys(row["noise"] for row in results["live"]):
        print_scores([row for row in results["live"] if row["noise"] == noise], noise)


def _print_still(runs: list[StillCamera]) -> None:
    table = Table(title="Still camera: mIoU when a frame is shown for the n-th time")
    repeats = [n for n in _PRINTED if n <= len(runs[0].miou)]
    table.add_column("policy", overflow="fold")
    for title in ("noise", *map(str, repeats), "holds"):
        table.add_column(title, justify="right", no_wrap=True)
    for run in runs:
        held = "yes" if run.holds else f"for {run.lasts}"
        row = (number(run.miou[n - 1]) for n in repeats)
        table.add_row(run.policy, f"{run.noise:g}", *row, held)
    Console().print(table)


def _fields(run: dict[str, Any]) -> dict[str, Any]:
    return {field.name: run[field.name] for field in dataclasses.fields(StillCamera)}
