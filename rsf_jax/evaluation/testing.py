"""Tests a trained model: scores, speed, a table, a picture and `results.json`."""

import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.table import Table

from rsf_jax.checks import check_policy
from rsf_jax.config.build import training_policy
from rsf_jax.config.config import FREE_ON_RESUME, Config
from rsf_jax.console import table_console
from rsf_jax.data.batches import evaluation_batches
from rsf_jax.data.dataset import Dataset, check_dataset
from rsf_jax.evaluation.circumstances import carried, of_test, of_training
from rsf_jax.evaluation.playback import playback
from rsf_jax.figures.runs import save_predictions
from rsf_jax.figures.segmentation import save_confusion, save_segmentations
from rsf_jax.json_files import number, plain, write_json
from rsf_jax.measures.foreground import BINARY, foreground, foreground_iou, is_scored
from rsf_jax.measures.images import class_iou
from rsf_jax.models.base import count_parameters
from rsf_jax.policies import StepPolicy, entry, file_suffix, policy_name
from rsf_jax.run_folder import RunFolder, writable_folder
from rsf_jax.scoring.scorer import SegmentationSummary, measures, summarize
from rsf_jax.scoring.speed import beginning, excerpt, measure_speeds
from rsf_jax.scoring.trivial import score_trivial
from rsf_jax.trained.appearance import Appearance, appearance_of
from rsf_jax.trained.model import Trained
from rsf_jax.training.loading import load_trained

__all__ = ["Trained", "evaluate", "load_trained", "name_suffix", "print_results"]

# Settings that decide nothing of a test, and those that file names have in another form.
_TOLD_OTHERWISE = (*FREE_ON_RESUME, "name", "dataset", "slow_steps", "fast_steps")
_PICTURED = 2  # videos
_MOST_ROWS = 30  # of a table by frames


def name_suffix(trained: Trained, dataset: Dataset, policy: StepPolicy | None = None) -> str:
    """Returns what the names of files say of all that decides what is in them.

    Nothing of what is the run's own: its dataset, its settings, its best checkpoint and the
    schedule of its training.

    Args:
        trained: the model in use.
        dataset: what it is tested on.
        policy: what it is tested with, if it is with one.
    """
    config, saved, parts = trained.config, trained.saved, []
    if config.dataset != saved.dataset:
        parts.append(config.dataset)
    elif trained.data and dataset.identity and trained.data.digest != dataset.identity.digest:
        parts.append(f"data={dataset.identity.digest[:8]}")
    if not trained.is_best:
        parts.append(f"update{trained.update}")
    for name, value in dataclasses.asdict(config).items():
        if name not in _TOLD_OTHERWISE and value != getattr(saved, name):
            parts.append(f"{name}={value}")
    if policy is not None and policy != training_policy(saved):
        parts.append(file_suffix(policy))
    return "".join(f"_{re.sub(r'[^A-Za-z0-9_.=-]', '-', part)}" for part in parts)


def evaluate(
    trained: Trained, dataset: Dataset, workdir: str | Path, policy: StepPolicy | None = None
) -> dict[str, Any]:
    """Tests a model on the test split and writes what was found.

    Files in `workdir`: `results.json`, `predictions.png` and `playback.json`, for more than two
    classes `confusion.png` too. Whatever is not the run's own is added to their names, as in
    `results_s6f2.json`: see `name_suffix`. The test loss is without the class weights of training.

    Args:
        trained: the model.
        dataset: an open dataset.
        workdir: folder for the results, made if it is missing.
        policy: recurrent steps of every frame; None for `training_policy`.

    Returns:
        What `results.json` holds; the test score is `["test"]["miou"]`. None where nothing is
        labeled.

    Raises:
        InputError: if the dataset is none, or not of the model's classes and channels; if the
            policy is none; or the folder cannot be written to.
    """
    config = trained.config
    check_dataset(dataset, config)
    policy, began = policy or training_policy(config), time.monotonic()
    check_policy(policy)
    workdir = writable_folder(workdir)
    suffix, look = name_suffix(trained, dataset, policy), _look(dataset, config)
    summary = summarize(trained.scorer()(dataset.test, policy))
    results = {
        "preset": config.name,
        **entry(policy),
        "update": trained.update,
        "weights": trained.fingerprint,
        "stateful": carried(trained),
        "parameters": count_parameters(trained.variables),
        "test": dataclasses.asdict(summary),
        "data": dataset.identity and dataclasses.asdict(dataset.identity),
        "class_names": look.class_names,
        "colors": look.colors,
        "background": look.background,
        "frame_size": list(dataset.frame_shape),
        "trivial": score_trivial(dataset.test, config.classes, config.eval_batch_size),
        "frames_per_second": _speeds(trained, dataset, policy),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "config": dataclasses.asdict(config),
        "training": of_training(trained),
        "tested": of_test(time.monotonic() - began),
    }
    results = plain(results)
    write_json(RunFolder(workdir).results(suffix), results)
    _save_pictures(trained, dataset, policy, look, RunFolder(workdir), suffix)
    if isinstance(summary, SegmentationSummary):
        path = RunFolder(workdir).confusion(suffix)
        save_confusion(path, np.array(summary.confusion), look.class_names, look.colors)
    return results


def _look(dataset: Dataset, config: Config) -> Appearance:
    """What the dataset says of its classes, numbers and a palette where it says nothing."""
    colors = [] if dataset.colors is None else dataset.colors.tolist()
    names, size = dataset.class_names or [], dataset.frame_shape
    return appearance_of(config.classes, names, colors, size, dataset.background)


def print_results(results: dict[str, Any]) -> None:
    """Prints the table of one evaluation; a row for each frame fits a page of any width.

    Of long videos a row is the mean of several frames.
    """
    test, frames = results["test"], len(results["test"]["miou_by_frame"])
    table = Table(title=f"{results['preset']} tested with {results['policy']}")
    table.add_column("", no_wrap=True)
    for title in ("mIoU", "recurrent steps"):
        table.add_column(title, justify="right", no_wrap=True)
    together = -(-frames // _MOST_ROWS)
    for first in range(0, frames, together):
        last = min(first + together, frames)
        name = f"frame {last}" if together == 1 else f"frames {first + 1} to {last}"
        scored = [s for s in test["miou_by_frame"][first:last] if s is not None]
        score = float(np.mean(scored)) if scored else None
        steps = np.mean(test["steps_by_frame"][first:last])
        table.add_row(name, number(score), f"{steps:.2f}")
    table.add_section()
    mean = f"{test['steps_per_video'] / frames:.2f}"
    table.add_row("this model, all frames", number(test["miou"]), mean)
    for name, score in results["trivial"].items():
        table.add_row(name.replace("_", " "), number(score), "")
    console = table_console()
    console.print(table)
    console.print(_details(results), highlight=False, soft_wrap=True)
    speeds = ", ".join(
        f"{fps:.1f} at batch {size}" for size, fps in results["frames_per_second"].items()
    )
    console.print(
        f"{test['videos']} test videos, {results['parameters']:,} parameters, "
        f"{test['steps_per_video']:.1f} steps per video; frames per second: {speeds} "
        f"({results['device']})",
        highlight=False,
        soft_wrap=True,
    )


def _details(results: dict[str, Any]) -> str:
    """What there is to say besides mIoU and steps."""
    test = results["test"]
    found = measures(test).items()
    told = ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in found)
    if "confusion" not in test:
        return f"foreground: {told}"
    of_classes = (f"{n} {number(iou)}" for n, iou in zip(results["class_names"], test["iou"]))
    return f"IoU: {', '.join(of_classes)}\n{told}"


def _speeds(trained: Trained, dataset: Dataset, policy: StepPolicy) -> dict[str, float]:
    """Frames per second, by batch size."""
    size = min(trained.config.eval_batch_size, len(dataset.test))
    batch = next(evaluation_batches(dataset.test, size))
    frames, stateful = batch.frames, trained.config.stateful
    # One at a time, several: how long a video takes may depend on what is in it.
    cases = {1: excerpt(frames), size: beginning(frames)}
    return {
        str(count): 1
        / measure_speeds(
            trained.model, trained.variables, videos, [policy], count, stateful=stateful
        )[policy_name(policy)].seconds
        for count, videos in cases.items()
    }


def _save_pictures(
    trained: Trained,
    dataset: Dataset,
    policy: StepPolicy,
    look: Appearance,
    folder: RunFolder,
    suffix: str,
) -> None:
    """Draws the first test videos, and keeps them for the report."""
    path = folder.predictions(suffix)
    # Not the first ones: clips that follow each other show the same scene.
    spread = dataset.test[:: -(-len(dataset.test) // _PICTURED)]
    batch = next(evaluation_batches(spread, len(spread)))
    write_json(folder.playback(suffix), playback(trained, batch, policy, look))
    predicted = np.asarray(trained.run(batch.frames, policy).logits.argmax(-1))
    if trained.config.classes > BINARY or trained.config.input_channels > 1:
        iou = np.asarray(class_iou(predicted, batch.masks.astype(np.int32), len(look.colors)))
        save_segmentations(path, batch.frames, batch.masks, predicted, iou, look)
        return
    found, truth = (np.asarray(foreground(x, batch.masks)) for x in (predicted, batch.masks))
    iou = np.asarray(foreground_iou(found, truth, is_scored(batch.masks)))
    save_predictions(path, batch.frames, truth, found, iou)
