"""Runs a trained feedforward network with reuse across frames.

python launch/reuse.py --workdir=runs/quickstart_ff6 --max_miou_drop=0.01

Without labels, on video of one's own:

python launch/reuse.py --workdir=runs/quickstart_ff6 --inputs=door.mp4 --max_error=0.15
"""

from typing import Any

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, shared
from rsf_jax.reuse import METHODS
from rsf_jax.run_folder import writable_folder
from rsf_jax.trained.model import Trained

_DROP = flags.DEFINE_float(
    "max_miou_drop", 0.01, "take the largest thresholds with a mIoU at most this much below dense"
)
_INPUTS = flags.DEFINE_list(
    "inputs",
    [],
    "choose thresholds for these instead: video files, folders of images, stream addresses, "
    "cameras",
)
_ERROR = flags.DEFINE_float(
    "max_error",
    None,
    "with --inputs, take the quickest thresholds whose outputs are at most this far from dense "
    "(root of the mean square, in units of what outputs of different scenes deviate by)",
    lower_bound=0.0,
)
_FRAMES = flags.DEFINE_integer("max_frames", 0, "frames of each of --inputs; 0 for 120", 0)
_SIZE = choices.frame_size("those of --inputs are resized to those of training")
_CONFIDENCE = choices.confidence()
_METHOD = flags.DEFINE_enum("method", METHODS[0], METHODS, "method of reuse")
_VIDEOS = choices.videos("most calibration and test videos")
_OF_INPUTS = ("max_error", "max_frames", "frame_size")
_OF_LABELS = ("max_miou_drop", "confidence", "videos")


def main() -> None:
    _check_flags()
    trained, folder = opening.open_trained()
    if _INPUTS.value:
        _on_inputs(trained, folder)
    else:
        _on_labels(trained, folder)


def _check_flags() -> None:
    """A flag that would do nothing is a mistake."""
    for name in _OF_LABELS if _INPUTS.value else _OF_INPUTS:
        if flags.FLAGS[name].present:
            use = "is not used with --inputs" if _INPUTS.value else "is used with --inputs alone"
            raise rsf.InputError(f"--{name} {use}: leave it out")
    if _INPUTS.value and _ERROR.value is None:
        raise rsf.InputError("--inputs is used with an error that is allowed: --max_error=0.15")


def _on_inputs(trained: Trained, folder: Any) -> None:
    from rsf_jax.calibration import reuse_clips

    folder = writable_folder(folder)
    found, milliseconds = reuse_clips.calibrate_on(
        trained,
        _INPUTS.value,
        folder,
        max_error=float(_ERROR.value or 0),
        method=_METHOD.value,
        frames=_FRAMES.value or reuse_clips.FRAMES,
        frame_size=shared.frame_size(_SIZE.value) if _SIZE.value else None,
    )
    reuse_clips.print_choice(found, milliseconds)
    print(f"Figures and thresholds are in {folder / reuse_clips.FILE}")


def _on_labels(trained: Trained, folder: Any) -> None:
    from rsf_jax.calibration import check_data
    from rsf_jax.calibration.reuse_trial import FILE, print_trial, trial
    from rsf_jax.data.dataset import open_dataset

    check_data(trained)
    folder = writable_folder(folder)
    results = trial(
        trained,
        open_dataset(trained.config),
        folder,
        max_drop=_DROP.value,
        confidence=_CONFIDENCE.value,
        method=_METHOD.value,
        videos=_VIDEOS.value,
    )
    print_trial(results)
    print(f"Figures and thresholds are in {folder / FILE}")
