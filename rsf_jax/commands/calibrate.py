"""Chooses a halting rule with a guarantee.

python launch/calibrate.py --workdir=runs/hard_s8f8 --max_miou_drop=0.01
python launch/evaluate.py --workdir=runs/hard_s8f8 --policy=calibrated
"""

from collections.abc import Callable, Sequence

from absl import flags

import rsf_jax as rsf
from rsf_jax import calibration
from rsf_jax.commands import choices, opening
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.run_folder import writable_folder

_DROP = flags.DEFINE_float(
    "max_miou_drop", None, "take the fewest steps with a mIoU at most this much below --reference"
)
_STEPS = flags.DEFINE_float(
    "mean_steps", None, "take the highest mIoU with at most so many recurrent steps per frame"
)
_CONFIDENCE = choices.confidence()
_REFERENCE = flags.DEFINE_string(
    "reference", None, "policy that a drop is measured against; the schedule of training if none"
)
_CANDIDATES: dict[str, Callable[[rsf.Config], Sequence[rsf.StepPolicy]]] = {
    "all": tradeoff.default_policies,
    "halting": tradeoff.halting_rules,
    "schedules": tradeoff.schedules,
}
_KIND = flags.DEFINE_enum("candidates", "all", list(_CANDIDATES), "kind of policies to choose from")
_POLICIES = choices.policy_list("candidates of your own")
_VIDEOS = choices.videos("calibration videos")
_RESPLITS = flags.DEFINE_integer(
    "resplits", 0, "try the guarantee on so many random divisions of held-out videos", lower_bound=0
)
_CHECKPOINT = choices.checkpoint()


def main() -> None:
    target = _target()
    policies = [rsf.parse_policy(text) for text in _POLICIES.value]
    reference = choices.parsed(_REFERENCE.value)
    trained, folder = opening.open_trained(_CHECKPOINT.value)
    calibration.check_data(trained)
    folder = writable_folder(folder)
    dataset = open_dataset(trained.config)
    results = calibration.calibrate(
        trained,
        dataset,
        folder,
        target,
        reference=reference,
        policies=policies or _CANDIDATES[_KIND.value](trained.config),
        videos=_VIDEOS.value,
    )
    calibration.print_calibration(results)
    if _RESPLITS.value:
        print(calibration.resplit(trained, dataset, folder, results, _RESPLITS.value))
    print(f"The policy is in {folder / calibration.FILE}; test it with --policy=calibrated")


def _target() -> calibration.Target:
    drop, steps = _DROP.value, _STEPS.value
    if drop is not None and steps is None:
        return calibration.Target("miou_drop", drop, _CONFIDENCE.value)
    if steps is not None and drop is None:
        return calibration.Target("steps", steps, _CONFIDENCE.value)
    raise rsf.InputError("give --max_miou_drop=0.01 or --mean_steps=4, one of the two")
