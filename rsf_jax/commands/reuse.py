"""Recomputes only what has changed, for trained networks without recurrence.

python launch/reuse.py --workdir=runs/quickstart_ff6 --max_miou_drop=0.01

chooses thresholds by the labels of the network's dataset, and tests them. Without labels, on video
of one's own, an error that is allowed takes the place of the drop:

python launch/reuse.py --workdir=runs/quickstart_ff6 --inputs=door.mp4 --max_error=0.15

Without either it runs on the inputs, one after the other, and says of every frame how much was
computed, how long that took, and how far it is from the dense network:

python launch/reuse.py --workdir=runs/quickstart_ff6 --inputs=door.mp4 \
    --thresholds=runs/quickstart_ff6/reuse_thresholds.json
"""

from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, shared
from rsf_jax.media.kinds import KINDS
from rsf_jax.reuse import METHODS
from rsf_jax.run_folder import writable_folder

_DROP = flags.DEFINE_float(
    "max_miou_drop", 0.01, "take the largest thresholds with a mIoU at most this much below dense"
)
_CONFIDENCE = choices.confidence()
_VIDEOS = choices.videos("most calibration and test videos")
_METHOD = flags.DEFINE_enum("method", METHODS[0], METHODS, "method of reuse")
_INPUTS = choices.inputs("video files, folders of images, stream addresses, cameras")
_SIZE = choices.frame_size("those of --inputs are resized to those of training")
_FRAMES = flags.DEFINE_integer(
    "max_frames", 0, "frames of each of --inputs; 0 for all, with --max_error for 120", 0
)
_ERROR = flags.DEFINE_float(
    "max_error",
    None,
    "choose for --inputs the quickest thresholds whose outputs are at most this far from dense "
    "(root of the mean square, in units of what outputs of different scenes deviate by)",
    lower_bound=0.0,
)
_THRESHOLDS = flags.DEFINE_string(
    "thresholds", None, "run on --inputs with those in this file, which this command has written"
)
_OUT = flags.DEFINE_string("out", "reused", "folder for what is written of --inputs")
_WRITE = flags.DEFINE_list("write", [], f"what is written of each input: {', '.join(KINDS)}")
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "replace files of an earlier call")
_COMPARE = flags.DEFINE_integer(
    "compare_every",
    1,
    "compare every frame, or one of so many, with the dense network; 0 for none",
    0,
)

# Which flags each way of use has for itself.
_OF_LABELS = ("max_miou_drop", "confidence", "videos")
_OF_INPUTS = ("max_error", "max_frames", "frame_size")
_OF_RUNS = ("thresholds", "out", "write", "overwrite", "compare_every")


def main() -> None:
    _check_flags()
    trained, folder = opening.open_trained()
    if not _INPUTS():
        _choose_by_labels(trained, folder)
    elif _ERROR.value is not None:
        _choose_for_inputs(trained, folder, _ERROR.value)
    else:
        _run_on_inputs(trained)


def _check_flags() -> None:
    """A flag that would do nothing is a mistake."""
    if not _INPUTS():
        _refuse((*_OF_INPUTS, *_OF_RUNS), "is used with --inputs alone")
        return
    _refuse(_OF_LABELS, "is not used with --inputs")
    if _ERROR.value is not None:
        _refuse(_OF_RUNS, "is not used with --max_error, which chooses thresholds and ends")


def _refuse(names: tuple[str, ...], why: str) -> None:
    for name in names:
        if flags.FLAGS[name].present:
            raise rsf.InputError(f"--{name} {why}: leave it out")


def _choose_by_labels(trained: "rsf.Trained", folder: Path) -> None:
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


def _choose_for_inputs(trained: "rsf.Trained", folder: Path, max_error: float) -> None:
    from rsf_jax.calibration import reuse_clips

    folder = writable_folder(folder)
    found, milliseconds = reuse_clips.calibrate_on(
        trained,
        _INPUTS(),
        folder,
        max_error=max_error,
        method=_METHOD.value,
        frames=_FRAMES.value or reuse_clips.FRAMES,
        frame_size=_frame_size(),
    )
    reuse_clips.print_choice(found, milliseconds)
    print(f"Figures and thresholds are in {folder / reuse_clips.FILE}")


def _run_on_inputs(trained: "rsf.Trained") -> None:
    from rsf_jax.calibration import reuse_videos
    from rsf_jax.reuse import load_thresholds
    from rsf_jax.training.stop import StopRequest

    thresholds = load_thresholds(_THRESHOLDS.value) if _THRESHOLDS.value else {}
    settings = reuse_videos.Settings(
        inputs=_INPUTS(),
        folder=writable_folder(Path(_OUT.value)),
        write=tuple(_WRITE.value),
        overwrite=_OVERWRITE.value,
        frame_size=_frame_size(),
        max_frames=_FRAMES.value,
        compare_every=_COMPARE.value,
    )
    reuse = reuse_videos.network_of(trained, _METHOD.value, thresholds)
    with StopRequest(ending="the run ends after the frame in hand") as request:
        found = reuse_videos.run_on_videos(trained, reuse, settings, lambda: request.reason)
    reuse_videos.print_measured(found)
    print(f"Figures of every frame are in {Path(settings.folder) / reuse_videos.FILE}")


def _frame_size() -> tuple[int, int] | None:
    return shared.frame_size(_SIZE.value) if _SIZE.value else None
