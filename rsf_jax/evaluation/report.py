"""A run on one page: an HTML file that needs nothing else."""

import base64
import tempfile
from pathlib import Path
from typing import Any

import jinja2

from rsf_jax.data.streams import EVENTS
from rsf_jax.errors import InputError
from rsf_jax.figures.runs import save_curves
from rsf_jax.policies import renewed
from rsf_jax.run_folder import RunFolder, read_json
from rsf_jax.scoring.scorer import measures
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
}
# Pictures of `live_test.live_test`.
_LIVE = {
    "live": "A live stream with the recurrent steps of each frame, and mIoU against steps.",
    "still": "A frame that is shown again and again.",
}
_MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}


def write_report(workdir: str | Path) -> Path:
    """Puts all that a run's folder holds on one page.

    Training curves, tests, predictions, the trade-off, the calibrated policy, the test on live
    streams and the analysis of hidden states; what is missing is named with what makes it.

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
        "curves": _curves(folder),
        "predictions": _pictures(files.pictures("predictions")),
        "confusion": _pictures(files.pictures("confusion")),
        "sweep": _read(files.sweep()),
        "sweep_picture": _embed(files.sweep(kind="svg")),
        "calibration": _read(files.policy),
        "live": _read(files.live()),
        "events": EVENTS,
        "live_pictures": _captioned(folder, _LIVE),
        "analysis": _read(files.analysis()),
        "analysis_pictures": _captioned(folder, _ANALYSIS),
    }
    try:
        page = _template().render(content | _renewed(content))
    except (jinja2.UndefinedError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise InputError(
            f"a JSON file in {folder} is not what this version writes ({error}): make results, "
            "sweep, policy, live test and analysis anew"
        ) from error
    path = files.report
    try:
        path.write_text(page)
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
    if sweep:
        sweep = sweep | {"points": list(map(renewed, sweep["points"]))}
    if calibration:
        calibration = renewed(renewed(calibration), "reference")
        calibration["tested"] = list(map(renewed, calibration["tested"]))
    return {
        "tests": list(map(renewed, content["tests"])),
        "measures": list(measures(content["run"]["test"])),
        "sweep": sweep,
        "calibration": calibration,
    }


def _curves(folder: Path) -> str | None:
    """The training curves as an embedded picture."""
    recorded = curves.read(folder)
    if not recorded:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch, "curves.svg")
        save_curves(picture, recorded)
        return _embed(picture)


def _pictures(paths: list[Path]) -> list[tuple[str, str]]:
    """Names and embedded pictures."""
    found = ((path.stem.replace("_", " "), _embed(path)) for path in paths)
    return [(name, embedded) for name, embedded in found if embedded]


def _captioned(folder: Path, captions: dict[str, str]) -> list[tuple[str, str]]:
    """Captions and embedded pictures, of those that are there."""
    found = ((text, _embed(folder / f"{name}.png")) for name, text in captions.items())
    return [(text, embedded) for text, embedded in found if embedded]


def _embed(path: Path) -> str | None:
    """A picture as the address of itself."""
    if not path.exists():
        return None
    data = base64.b64encode(path.read_bytes()).decode()
    return f"data:{_MEDIA[path.suffix]};base64,{data}"
