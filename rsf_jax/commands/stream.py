"""Runs a trained model on videos: python launch/stream.py --workdir=runs/quickstart --inputs=a.mp4.

Inputs are video files, folders of images, stream addresses and cameras, several at once. Ctrl-C
ends it: frames that wait are computed, and the files are complete.
"""

from pathlib import Path

from absl import flags

from rsf_jax.commands import choices, opening, shared
from rsf_jax.media import outputs, play, run
from rsf_jax.run_folder import writable_folder
from rsf_jax.training.stop import StopRequest

_INPUTS = flags.DEFINE_list(
    "inputs", [], "video files, folders of images, stream addresses, cameras (camera:0)"
)
_OUT = flags.DEFINE_string("out", "streamed", "folder for what is written")
_WRITE = flags.DEFINE_list(
    "write", [outputs.OVERLAY], f"what is written of each input: {', '.join(outputs.KINDS)}"
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "replace files of an earlier call")
_POLICY = choices.policy_or_calibrated()
_SIZE = choices.frame_size("resized to those of training")
_SLOTS = flags.DEFINE_integer(
    "slots", 0, "frames computed together; 0 for as many as inputs, up to 8", 0
)
_BUDGET = flags.DEFINE_float(
    "budget_ms", None, "time from a frame to its result, after which it is read out as it is"
)
_MAX_FRAMES = flags.DEFINE_integer("max_frames", 0, "frames of each input; 0 for all", 0)


def main() -> None:
    trained, workdir = opening.open_trained()
    policy = choices.chosen(_POLICY.value, trained, workdir)
    settings = run.Settings(
        inputs=_INPUTS.value,
        folder=writable_folder(Path(_OUT.value)),
        write=tuple(_WRITE.value),
        overwrite=_OVERWRITE.value,
        frame_size=shared.frame_size(_SIZE.value) if _SIZE.value else None,
        slots=_SLOTS.value,
        budget=None if _BUDGET.value is None else _BUDGET.value / 1000,
        max_frames=_MAX_FRAMES.value,
    )
    with StopRequest(ending="streams end after the frames in hand") as request:
        summary = run.run(trained, policy, settings, lambda: request.reason)
    play.save_summary(summary, settings.folder)
    print(play.summary_text(summary))
    print(f"What was written is in {settings.folder}")
