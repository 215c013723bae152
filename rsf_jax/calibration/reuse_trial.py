"""A trained feedforward network with reuse: thresholds for an accuracy, and what they save."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
from rich.table import Table

from rsf_jax.calibration.truncation import Calibrated, calibrate, run
from rsf_jax.config.cost import cost
from rsf_jax.console import table_console
from rsf_jax.data.dataset import Dataset, check_dataset, first_videos
from rsf_jax.errors import InputError
from rsf_jax.json_files import write_json
from rsf_jax.measures.foreground import (
    BINARY,
    foreground,
    foreground_iou,
    is_scored,
    mean_of_labeled,
)
from rsf_jax.measures.losses import is_labeled
from rsf_jax.measures.segmentation import confusion_matrix, mean_iou
from rsf_jax.models.base import prepare
from rsf_jax.ops.pixels import as_float
from rsf_jax.policies import FixedSchedule
from rsf_jax.reuse.network import ReuseNetwork, frame_network
from rsf_jax.run_folder import writable_folder
from rsf_jax.trained.model import Trained
from rsf_jax.typing import Array
from rsf_jax.unroll import run_frame

FILE = "reuse.json"
_TIMED = 8  # videos


@dataclasses.dataclass(frozen=True)
class Row:
    """One way of running the network, on the test videos.

    Attributes:
        name: the way.
        miou: mean over videos of the foreground's IoU, or of that of the classes.
        multiply_adds: millions, a frame after the first.
        milliseconds: a frame at batch 1, the same.
    """

    name: str
    miou: float
    multiply_adds: float
    milliseconds: float


def trial(
    trained: Trained,
    dataset: Dataset,
    workdir: str | Path,
    *,
    max_drop: float,
    confidence: float = 0.95,
    method: str = "region",
    videos: int = 0,
) -> dict[str, Any]:
    """Calibrates truncation on calibration videos and tests it on test videos.

    Writes `reuse.json`.

    Args:
        trained: a network without recurrence that looks at one frame.
        dataset: an open dataset, the one it was trained on.
        workdir: folder for the results.
        max_drop: of the mIoU, in the mean over videos.
        confidence: of the guarantee.
        method: of reuse.
        videos: most calibration and test videos; 0 for all.

    Returns:
        What `reuse.json` holds.

    Raises:
        InputError: if there are no calibration videos, the network looks at several frames, or
            nothing can be guaranteed.
    """
    check_dataset(dataset, trained.config)
    if dataset.calibration is None:
        raise InputError(
            f"dataset {trained.config.dataset} has no calibration videos: train with "
            "config.calibration_share=0.1"
        )
    network, workdir = frame_network(trained.model), writable_folder(workdir)
    reuse = ReuseNetwork(network, trained.variables, method=method)
    classes = trained.config.classes
    clips, masks = _clips(first_videos(dataset.calibration, videos), classes)
    score = _score(masks, classes)
    found = calibrate(reuse, clips, score, max_drop=max_drop, confidence=confidence)
    results = {
        "preset": trained.config.name,
        "dataset": trained.config.dataset,
        "method": method,
        "max_miou_drop": max_drop,
        "confidence": confidence,
        "calibration_videos": len(clips),
        "scale": found.scale,
        "thresholds": found.thresholds,
        "tested": [candidate._asdict() for candidate in found.tested],
        "test": [
            dataclasses.asdict(row)
            for row in _test(trained, reuse, found, first_videos(dataset.test, videos))
        ],
    }
    write_json(Path(workdir, FILE), results)
    return results


def print_trial(results: dict[str, Any]) -> None:
    """Prints the calibration and the test."""
    tested = Table(title=f"truncation on {results['calibration_videos']} calibration videos")
    for heading in ("scale", "mIoU", "drop", "bound", "p-value", "work"):
        tested.add_column(heading, justify="right")
    for each in results["tested"]:
        mark = " <" if each["scale"] == results["scale"] else ""
        numbers = (f"{each[k]:.4f}" for k in ("score", "drop", "bound", "p_value"))
        tested.add_row(f"{each['scale']:g}{mark}", *numbers, f"{each['work']:.0%}")
    shown = Table(title=f"{results['preset']} on test videos")
    for heading in ("", "mIoU", "multiply-adds per frame", "ms per frame"):
        shown.add_column(heading, justify="right" if heading else "left")
    for row in results["test"]:
        adds, ms = f"{row['multiply_adds']:.1f} M", f"{row['milliseconds']:.2f}"
        shown.add_row(row["name"], f"{row['miou']:.4f}", adds, ms)
    table_console().print(tested, shown)


def _clips(videos: grain.MapDataset, classes: int) -> tuple[list[Array], list[np.ndarray]]:
    """Frames and masks of the videos in which a class is labeled."""
    examples = [videos[i] for i in range(len(videos))]
    examples = [e for e in examples if np.asarray(is_labeled(e["masks"], classes)).any()]
    if not examples:
        raise InputError("none of these videos has a label: there is nothing to score")
    frames: list[Array] = [np.asarray(as_float(e["frames"]))[:, None] for e in examples]
    return frames, [e["masks"] for e in examples]


def _score(masks: Sequence[np.ndarray], classes: int) -> Callable[[list[Any], int], float]:
    """Scores a video: mean foreground IoU of its frames, or mIoU of the classes in all of them."""

    def score(outputs: list[Any], i: int) -> float:
        predicted, labels = np.concatenate(outputs).argmax(-1), masks[i]
        if classes > BINARY:
            pixels = np.asarray(confusion_matrix(predicted, labels, classes)).sum(0)
            return float(mean_iou(pixels))
        found, truth = foreground(predicted, labels), foreground(labels, labels)
        iou = foreground_iou(found, truth, is_scored(labels))
        return float(mean_of_labeled(np.asarray(iou)))

    return score


def _test(
    trained: Trained, reuse: ReuseNetwork, found: Calibrated, videos: grain.MapDataset
) -> list[Row]:
    clips, masks = _clips(videos, trained.config.classes)
    score = _score(masks, trained.config.classes)
    shape = (clips[0].shape[2], clips[0].shape[3])
    adds = cost(trained.config, shape, len(clips[0]))
    whole = (adds.per_step + adds.per_frame) / 1e6
    dense = _dense(trained, shape)
    outputs = [[dense(frame) for frame in clip] for clip in clips]
    miou = float(np.mean([score(o, i) for i, o in enumerate(outputs)]))
    rows = [Row("dense", miou, whole, _milliseconds(clips, lambda _: dense))]
    chosen = np.array(list(found.thresholds.values()))
    for name, thresholds in (("reuse", 0.0), (f"reuse, scale {found.scale:g}", chosen)):
        runs = [run(reuse, clip, thresholds) for clip in clips]
        miou = float(np.mean([score(o, i) for i, (o, _) in enumerate(runs)]))
        work = float(np.mean([share for _, share in runs]))
        start = partial(_stepping, reuse, thresholds)
        rows.append(Row(name, miou, work * whole, _milliseconds(clips, start)))
    return rows


def _dense(trained: Trained, shape: tuple[int, int]) -> Callable[[Array], Any]:
    model, one = trained.model, FixedSchedule(1, 1)
    prepared, start = prepare(model, trained.variables, shape), model.initial_state(1, shape)
    apply = jax.jit(lambda prepared, frame: run_frame(model, prepared, start, frame, one)[1].logits)
    return lambda frame: jax.device_get(apply(prepared, frame))


def _stepping(
    reuse: ReuseNetwork, thresholds: np.ndarray | float, frame: Array
) -> Callable[[Array], Any]:
    """A function that takes one frame after the other of a sequence that begins with `frame`."""
    state = reuse.init(frame)

    def step(frame: Array) -> Any:
        nonlocal state
        state, output = reuse.step(state, frame, thresholds)
        return jax.device_get(output)

    return step


def _milliseconds(
    clips: Sequence[Array], start: Callable[[Array], Callable[[Array], Any]]
) -> float:
    """Median time of a frame after a clip's first one, with which `start` begins."""
    times = []
    for clip in clips[:_TIMED]:
        step = start(clip[0])
        for frame in clip[1:]:
            begin = time.perf_counter()
            step(frame)
            times.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(times))
