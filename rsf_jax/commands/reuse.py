"""Runs a trained feedforward network with reuse across frames.

python launch/reuse.py --workdir=runs/quickstart_ff6 --max_miou_drop=0.01
"""

from absl import flags

from rsf_jax.commands import choices, opening
from rsf_jax.reuse import METHODS
from rsf_jax.run_folder import writable_folder

_DROP = flags.DEFINE_float(
    "max_miou_drop", 0.01, "take the largest thresholds with a mIoU at most this much below dense"
)
_CONFIDENCE = choices.confidence()
_METHOD = flags.DEFINE_enum("method", METHODS[0], METHODS, "method of reuse")
_VIDEOS = choices.videos("most calibration and test videos")


def main() -> None:
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
