"""Runs a trained model on videos: python launch/stream.py --workdir=runs/quickstart --inputs=a.mp4.

Inputs are video files, folders of images, stream addresses and cameras, several at once. Ctrl-C
ends it: frames that wait are computed, and the files are complete.
With exit code 2 an input could not be read or written to its end; the others are whole.
"""

import sys
from pathlib import Path
from typing import Any

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, program, shared
from rsf_jax.media.kinds import ANNOTATIONS, KINDS, OVERLAY
from rsf_jax.run_folder import writable_folder
from rsf_jax.training.stop import StopRequest

_INPUTS = choices.inputs(
    "video files, folders of images, stream addresses, cameras (camera:0), - for the standard input"
)
_OUT = flags.DEFINE_string("out", "streamed", "folder for what is written")
_WRITE = flags.DEFINE_list("write", [OVERLAY], f"what is written of each input: {', '.join(KINDS)}")
_ANNOTATIONS = flags.DEFINE_list(
    "annotations",
    list(ANNOTATIONS),
    "what the video has below its frames: a chart of their recurrent steps, a caption, a legend of "
    "the classes; nothing for none",
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "replace files of an earlier call")
_POLICY = choices.policy_or_calibrated()
_SIZE = choices.frame_size("resized to those of training")
_FIT = flags.DEFINE_string(
    "fit",
    "squeeze",
    "how frames of another shape become those of the model: squeeze; letterbox (black bars); crop "
    "(the middle alone); tiles (model-sized, overlapping, each with a state of its own); tiles:2 "
    "(the frame made smaller first, such that two cover its shorter side)",
)
_SOUND = flags.DEFINE_boolean("sound", False, "give overlays the sound of the files")
_SLOTS = flags.DEFINE_integer(
    "slots", 0, "frames computed together; 0 for as many as inputs, up to 8", 0
)
_BUDGET = flags.DEFINE_float(
    "budget_ms", None, "time from a frame to its result, after which it is read out as it is"
)
_RATE = flags.DEFINE_float(
    "images_per_second", 25.0, "at which the images of folders were taken", lower_bound=0.001
)
_TIMEOUT = flags.DEFINE_float(
    "timeout", 10.0, "seconds without data after which a camera or an address counts as gone", 0.1
)
_TRIES = flags.DEFINE_integer(
    "tries", 5, "how often a camera or an address that has gone is opened again", 0
)
_WATCH = flags.DEFINE_float(
    "watch",
    0.0,
    "with --policy=calibrated, compare this share of the frames with its reference, and raise an "
    "alarm if they come to disagree by more than was guaranteed",
    lower_bound=0.0,
    upper_bound=1.0,
)
_MAX_FRAMES = flags.DEFINE_integer("max_frames", 0, "frames of each input; 0 for all", 0)


def main() -> None:
    from rsf_jax.media import play, run
    from rsf_jax.media.targets import check_free

    if _WATCH.value and _POLICY.value != choices.CALIBRATED:
        raise rsf.InputError("--watch is used with --policy=calibrated alone: add that")
    trained, workdir = opening.open_trained()
    policy = choices.chosen(_POLICY.value, trained, workdir)
    watched = _watched(trained, workdir) if _WATCH.value else None
    folder = writable_folder(Path(_OUT.value))
    check_free(folder / play.SUMMARY, _OVERWRITE.value)
    settings = run.Settings(
        inputs=_INPUTS(),
        folder=folder,
        write=tuple(_WRITE.value),
        annotations=tuple(_ANNOTATIONS.value),
        overwrite=_OVERWRITE.value,
        frame_size=shared.frame_size(_SIZE.value) if _SIZE.value else None,
        slots=_SLOTS.value,
        budget=None if _BUDGET.value is None else _BUDGET.value / 1000,
        max_frames=_MAX_FRAMES.value,
        images_per_second=_RATE.value,
        timeout=_TIMEOUT.value,
        tries=_TRIES.value,
        shadow=watched.shadow if watched else None,
        fit=_FIT.value,
        sound=_SOUND.value,
    )
    with StopRequest(ending="streams end after the frames in hand") as request:
        summary = run.run(trained, policy, settings, lambda: request.reason, tell=_tell)
    if not any(account.read for account in summary.accounts) and not summary.whole:
        # As of a single file that is none.
        raise rsf.InputError("; ".join(a.problem for a in summary.accounts if a.problem))
    play.save_summary(summary, settings.folder)
    print(play.summary_text(summary))
    if watched:
        print(watched)
    print(f"What was written is in {settings.folder}")
    if not summary.whole:
        sys.exit(program.INCOMPLETE)


def _tell(note: str) -> None:
    print(note.replace("fit=", "--fit="), file=sys.stderr, flush=True)


def _watched(trained: "rsf.Trained", folder: Path) -> Any:
    """What watches the calibrated policy; an alarm is told at once."""
    from rsf_jax import calibration

    def tell(alarm: Any) -> None:
        print(
            f"ALARM: frames disagree with the reference by more than {alarm.limit:.4g}, which was "
            "guaranteed; calibrate anew on video such as this",
            file=sys.stderr,
        )

    found = calibration.load_calibration(folder, trained)
    return calibration.watch(found, share=_WATCH.value, on_alarm=tell)
