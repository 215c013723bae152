"""A run on one page: an HTML file that needs nothing else."""

import json
import tempfile
from pathlib import Path
from typing import Any

import jinja2

from rsf_jax.data.streams import EVENTS
from rsf_jax.errors import InputError
from rsf_jax.evaluation.report_pictures import Embedded, Embedder
from rsf_jax.evaluation.report_words import explained, facts, headlines
from rsf_jax.figures.runs import CURVES, save_curve
from rsf_jax.policies import renewed
from rsf_jax.run_folder import RunFolder, read_json
from rsf_jax.scoring.scorer import measures
from rsf_jax.trained.appearance import appearance_in, class_label
from rsf_jax.training import curves

# Pictures of `analysis.analyze`, with what each shows.
_ANALYSIS = {
    "correlation": "How far the hidden state moves between frames, against how far the drive does.",
    "trajectory": "One video's hidden state through all its recurrent steps, on its two principal "
    "components.",
    "steps_vs_change": "Recurrent steps under halting, against how much the frame changed.",
    "distance_ratios": "Movement of each step over that of the step before.",
    "long_run": "One frame for fifty steps: movement of the state, and IoU of its readout.",
    "still_camera": "The same frame shown again and again: whether the model keeps what it found.",
    "reaction_time": "How uncertain the readout is after each step, and the area under that curve.",
}
# Pictures of `live_test.live_test`.
_LIVE = {
    "live": "A live stream with the recurrent steps of each frame, and mIoU against steps.",
    "still": "A frame that is shown again and again.",
}
_SWEEP = "mIoU against recurrent steps and against frames per second."


def write_report(workdir: str | Path) -> Path:
    """Puts all that a run's folder holds on one page.

    Its most important numbers, training curves, tests, predictions and a player of them, the
    trade-off, the calibrated policy, the test on live streams, the analysis of hidden states, and
    every policy in words; what is missing is named with what makes it.

    Args:
        workdir: folder of a run.

    Returns:
        The page, `workdir/report.html`; its pictures are inside it.

    Raises:
        InputError: if the folder holds no tested run, or a file of it is damaged.
    """
    files = RunFolder(workdir)
    folder, tests = files.path, [_read(path) for path in files.tests()]
    if not tests:
        raise InputError(f"{folder} has no results: train first, or test what is trained")
    content = {
        "workdir": str(folder),
        "run": tests[0],
        "tests": tests,
        "sweep": _read(files.sweep()),
        "calibration": _read(files.policy),
        "live": _read(files.live()),
        "events": EVENTS,
        "analysis": _read(files.analysis()),
        "playback": _read(files.playback()),
    }
    try:
        content |= _renewed(content)
        content |= _told(content) | _all_pictures(files)
        page = _template().render(content)
    except (jinja2.UndefinedError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise InputError(
            f"a JSON file in {folder} is not what this version writes ({error}): make results, "
            "sweep, policy, live test and analysis anew"
        ) from error
    path = files.report
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
    return path


def missing(workdir: str | Path) -> list[str]:
    """Returns which of "sweep" and "analysis" a run's folder lacks."""
    files = RunFolder(workdir)
    needed = {"sweep": files.sweep(), "analysis": files.analysis()}
    return [name for name, path in needed.items() if not path.exists()]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rsf_jax.evaluation", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _read(path: Path) -> dict[str, Any] | None:
    return read_json(path, "delete it and make it anew") if path.exists() else None


def _renewed(content: dict[str, Any]) -> dict[str, Any]:
    """What is shown of policies and scores, whichever version has written it."""
    sweep, calibration = content["sweep"], content["calibration"]
    live = content["live"]
    if sweep:
        sweep = sweep | {"points": list(map(renewed, sweep["points"]))}
    if calibration:
        calibration = renewed(renewed(calibration), "reference")
        calibration["tested"] = list(map(renewed, calibration["tested"]))
    if live:
        live = live | {"live": list(map(renewed, live["live"]))}
    tests = list(map(renewed, content["tests"]))
    return {
        "tests": tests,
        "run": tests[0],
        "measures": list(measures(tests[0]["test"])),
        "sweep": sweep,
        "calibration": calibration,
        "live": live,
    }


def _told(content: dict[str, Any]) -> dict[str, Any]:
    """What is made of the files: sentences, and what scripts and style sheets read."""
    run, playback = content["run"], content["playback"]
    columns = len(run["test"]["miou_by_frame"]) + 1 + len(content["measures"])
    # Inside of a script nothing is escaped but what would end it.
    data = json.dumps(playback, separators=(",", ":")).replace("<", "\\u003c")
    return {
        "headlines": headlines(run, content["sweep"]),
        "facts": facts(run),
        "words": explained(content),
        "columns": columns + len(run["frames_per_second"]),
        "playback_data": data,
        "keys": _keys(run),
    }


def _keys(run: dict[str, Any]) -> list[dict[str, str]]:
    """Names and colors of the classes that maps show."""
    look = appearance_in(run, len(run["class_names"]))
    return [
        {"name": class_label(name), "color": "rgb({}, {}, {})".format(*color)}
        for k, (name, color) in enumerate(zip(look.class_names, look.colors.tolist()))
        if k != look.background
    ]


def _all_pictures(files: RunFolder) -> dict[str, Any]:
    embedder, folder = Embedder(), files.path
    return {
        "curves": _curves(folder, embedder),
        "predictions": embedder.embed_all(
            {path: f"Some test videos{_test_of(path)}." for path in files.pictures("predictions")}
        ),
        "confusion": embedder.embed_all(
            {
                path: f"What the pixels of each true class were taken for{_test_of(path)}."
                for path in files.pictures("confusion")
            }
        ),
        "sweep_picture": embedder.embed(files.sweep(kind="svg"), _SWEEP),
        "live_pictures": _captioned(folder, _LIVE, embedder),
        "analysis_pictures": _captioned(folder, _ANALYSIS, embedder),
        "left_out": embedder.left_out,
    }


def _test_of(path: Path) -> str:
    """Which test a picture is of, unless it is the run's own."""
    test = path.stem.partition("_")[2]
    return f", test {test}" if test else ""


def _curves(folder: Path, embedder: Embedder) -> list[Embedded]:
    """The training curves, a picture each."""
    recorded = curves.read(folder)
    if not recorded:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        known = {
            name for points in recorded.values() for point in points.values() for name in point
        }
        pictures = {Path(scratch, f"{name}.svg"): "" for name in CURVES if name in known}
        for picture in pictures:
            save_curve(picture, recorded, picture.stem)
        return embedder.embed_all(pictures)


def _captioned(folder: Path, captions: dict[str, str], embedder: Embedder) -> list[Embedded]:
    """Those that are there of some pictures."""
    return embedder.embed_all({folder / f"{name}.png": text for name, text in captions.items()})
