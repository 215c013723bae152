"""Runs a trained feedforward network with reuse across frames.

python launch/reuse.py --workdir=runs/quickstart_ff6 --max_miou_drop=0.01

Without --inputs it calibrates truncation on the videos of its dataset, and tests it. With --inputs,
video files, folders of images, addresses or cameras, it runs on these, one after the other, and
says for every frame how much was computed, how long that took, and how far it is from the dense
network.
"""

from pathlib import Path

from absl import flags

from rsf_jax.commands import choices, opening, shared
from rsf_jax.media.kinds import KINDS
from rsf_jax.reuse import METHODS
from rsf_jax.run_folder import writable_folder

_EXACT, _CALIBRATED = "exact", "calibrated"
_DROP = flags.DEFINE_float(
    "max_miou_drop", 0.01, "take the largest thresholds with a mIoU at most this much below dense"
)
_CONFIDENCE = choices.confidence()
_METHOD = flags.DEFINE_enum("method", METHODS[0], METHODS, "method of reuse")
_VIDEOS = choices.videos("most calibration and test videos")
_INPUTS = flags.DEFINE_list("inputs", [], "run on these video files, folders of images, cameras")
_TRUNCATION = flags.DEFINE_enum(
    "truncation", _EXACT, (_EXACT, _CALIBRATED), "thresholds on --inputs: none, or those found"
)
_OUT = flags.DEFINE_string("out", "reused", "folder for what is written of --inputs")
_WRITE = flags.DEFINE_list("write", [], f"what is written of each input: {', '.join(KINDS)}")
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "replace files of an earlier call")
_SIZE = choices.frame_size("resized to those of training")
_MAX_FRAMES = flags.DEFINE_integer("max_frames", 0, "frames of each input; 0 for all", 0)
_COMPARE = flags.DEFINE_integer(
    "compare_every",
    1,
    "compare every frame, or one of so many, with the dense network; 0 for none",
    0,
)


def main() -> None:
    if _INPUTS.value:
        _run_on_videos()
    else:
        _calibrate()


def _calibrate() -> None:
    from rsf_jax.calibration import check_data
    from rsf_jax.calibration.reuse_trial import FILE, print_trial, trial
    from rsf_jax.data.dataset import open_dataset

    trained, folder = opening.open_trained()
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


def _run_on_videos() -> None:
    from rsf_jax.calibration import reuse_videos
    from rsf_jax.training.stop import StopRequest

    trained, workdir = opening.open_trained()
    calibrated = _TRUNCATION.value == _CALIBRATED
    thresholds = reuse_videos.calibrated_thresholds(workdir) if calibrated else {}
    settings = reuse_videos.Settings(
        inputs=_INPUTS.value,
        folder=writable_folder(Path(_OUT.value)),
        write=tuple(_WRITE.value),
        overwrite=_OVERWRITE.value,
        frame_size=shared.frame_size(_SIZE.value) if _SIZE.value else None,
        max_frames=_MAX_FRAMES.value,
        compare_every=_COMPARE.value,
    )
    reuse = reuse_videos.network_of(trained, _METHOD.value, thresholds)
    with StopRequest(ending="the run ends after the frame in hand") as request:
        found = reuse_videos.run_on_videos(trained, reuse, settings, lambda: request.reason)
    reuse_videos.print_measured(found)
    print(f"Figures of every frame are in {settings.folder / reuse_videos.FILE}")
