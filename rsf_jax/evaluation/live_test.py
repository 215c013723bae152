"""The live test of a model: a still camera, and streams under many policies; `live.json`."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from rich.table import Table

from rsf_jax.config.config import Config
from rsf_jax.console import table_console
from rsf_jax.data.dataset import Dataset, check_dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.evaluation.circumstances import carried
from rsf_jax.evaluation.kept import Kept
from rsf_jax.evaluation.live import LiveScore, print_scores, score_streams, streams_to_test
from rsf_jax.evaluation.live_settings import Settings
from rsf_jax.evaluation.still import VIDEOS, StillCamera, still_camera, still_numbers
from rsf_jax.evaluation.testing import name_suffix
from rsf_jax.evaluation.usual_policies import TOLD, families
from rsf_jax.figures.live import Strip, save_live, save_still
from rsf_jax.json_files import number, plain, write_json
from rsf_jax.policies import StepPolicy, parse_policy, policy_name, to_spec
from rsf_jax.run_folder import RunFolder, writable_folder
from rsf_jax.trained.model import Trained

_USUAL = Settings()
_SHOWN = 24  # frames of the picture
_PRINTED = (1, 10, 60, 300, 1000)  # repeats, in the table


def live_test(
    trained: Trained,
    dataset: Dataset,
    workdir: str | Path,
    settings: Settings = _USUAL,
    tell: Callable[[str], Any] | None = None,
) -> dict[str, Any]:
    """Tests a model on a still camera and on live streams, and writes what was found.

    Files in `workdir`: `live.json`, `live.png` and `still.png`; whatever is not the run's own is
    added to their names, see `name_suffix`, and so is the split if it is not the test's. Until the
    end results are kept in `live.partial.jsonl`: a test that was interrupted, with the same model,
    data and settings, goes on where it was.

    Args:
        trained: the model.
        dataset: an open dataset; streams are composed of its videos, unless they are streams.
        workdir: folder for the results, made if it is missing.
        settings: what is tested.
        tell: called with a line for each result; nobody is told unless given.

    Returns:
        What `live.json` holds.

    Raises:
        InputError: if the model carries no state, the dataset is none of its classes, a policy or
            number is unfit, or the folder cannot be written to.
    """
    check_dataset(dataset, trained.config)
    if not trained.model.recurrent:
        raise InputError("this model has no recurrent steps: every frame is its first")
    videos = getattr(dataset, settings.split)
    groups = _families(trained.config, settings)
    workdir = writable_folder(workdir)
    suffix = name_suffix(trained, dataset) + of_split(settings.split)
    identity = dataset.identity and dataclasses.asdict(dataset.identity)
    kept = Kept(RunFolder(workdir).live_partial(suffix), _test_of(trained, identity, settings))
    tell = tell or (lambda _: None)
    still = _still(trained, videos, settings, kept, tell)
    streams, scores = {}, {}
    for noise in settings.noise:
        found = streams_to_test(
            videos, settings.streams, settings.frames, seed=settings.seed, noise=noise
        )
        streams[noise] = found
        scores[noise] = {
            family: _scored(
                trained, found, policies, (noise, family), kept, tell, dataset.event_names or ()
            )
            for family, policies in groups.items()
        }
    results = _told(trained, settings, identity, still, scores)
    write_json(RunFolder(workdir).live(suffix), results)
    _save_pictures(trained, streams, scores, still, RunFolder(workdir), suffix)
    kept.end()
    return results


def _told(
    trained: Trained,
    settings: Settings,
    identity: Any,
    still: list[StillCamera],
    scores: dict[float, dict[str, list[LiveScore]]],
) -> dict[str, Any]:
    """What `live.json` holds."""
    return plain(
        {
            "preset": trained.config.name,
            "update": trained.update,
            "weights": trained.fingerprint,
            "stateful": carried(trained),
            "split": settings.split,
            "seed": settings.seed,
            "streams": settings.streams,
            "frames": settings.frames,
            "device": jax.devices()[0].device_kind,
            "data": identity,
            "still": [still_numbers(found) for found in still],
            "live": [
                {"noise": noise, "family": family, **dataclasses.asdict(score)}
                for noise, of_noise in scores.items()
                for family, group in of_noise.items()
                for score in group
            ],
        }
    )


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


def _test_of(trained: Trained, data: Any, settings: Settings) -> dict[str, Any]:
    """What every result depends on, beside its policy and noise."""
    numbers = ("streams", "frames", "repeats", "split", "seed")
    told = {name: getattr(settings, name) for name in numbers}
    model = {
        "config": dataclasses.asdict(trained.config),
        "weights": trained.fingerprint,
    }
    return {**told, "data": data, **model}


def _still(
    trained: Trained,
    videos: grain.MapDataset,
    settings: Settings,
    kept: Kept,
    tell: Callable[[str], Any],
) -> list[StillCamera]:
    if not settings.repeats:
        return []
    shown = first_videos(videos, min(VIDEOS, len(videos)))
    runs = []
    for policy in settings.still_policies or (trained.schedule,):
        for noise in settings.noise:

            def make(policy: StepPolicy = policy, noise: float = noise) -> dict[str, Any]:
                run = still_camera(
                    trained,
                    shown,
                    policy,
                    frames=settings.repeats,
                    noise=noise,
                    seed=settings.seed,
                )
                return dataclasses.asdict(run)

            run = StillCamera(**kept.found(["still", noise, to_spec(policy)], make))
            end = number(plain(run.miou[-1]))
            tell(f"still camera, {run.policy}, noise {noise:g}: mIoU {end} at the end")
            runs.append(run)
    return runs


def _scored(
    trained: Trained,
    streams: grain.MapDataset,
    policies: list[StepPolicy],
    of: tuple[float, str],
    kept: Kept,
    tell: Callable[[str], Any],
    event_names: Sequence[str],
) -> list[LiveScore]:
    """Scores of a family of policies; only what is not kept is computed."""
    keys = [[*of, to_spec(policy)] for policy in policies]
    left = [(key, policy) for key, policy in zip(keys, policies) if key not in kept]
    if left:
        scores = score_streams(
            trained,
            streams,
            [policy for _, policy in left],
            told=of[1] == TOLD,
            event_names=event_names,
        )
        for (key, _), score in zip(left, scores, strict=True):
            kept.add(key, dataclasses.asdict(score))
            tell(
                f"{score.policy}, {of[1]}, noise {of[0]:g}: mIoU {score.miou:.3f} at "
                f"{score.steps:.2f} steps per frame"
            )
    return [LiveScore.of(kept[key]) for key in keys]


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
    return max((decides or [scores[TOLD]])[-1], key=lambda score: score.miou).policy


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
        trained.appearance,
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
        held = "no label" if run.miou[-1] is None else held
        row = (number(run.miou[n - 1]) for n in repeats)
        table.add_row(run.policy, f"{run.noise:g}", *row, held)
    table_console().print(table)


def _fields(run: dict[str, Any]) -> dict[str, Any]:
    return {field.name: run[field.name] for field in dataclasses.fields(StillCamera)}
