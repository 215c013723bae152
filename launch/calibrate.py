"""Chooses a halting rule with a guarantee.

python launch/calibrate.py --workdir=runs/hard_s8f8 --max_miou_drop=0.01
python launch/evaluate.py --workdir=runs/hard_s8f8 --policy=calibrated
"""

from collections.abc import Callable, Sequence

import launcher
from absl import flags

import rsf_jax as rsf
from rsf_jax import calibration
from rsf_jax.data.dataset import open_dataset
from rsf_jax.evaluation import sweep as tradeoff
from rsf_jax.run_folder import writable_folder

flags.adopt_module_key_flags(launcher)

_DROP = flags.DEFINE_float(
    "max_miou_drop", None, "take the fewest steps with a mIoU at most this much below --reference"
)
_STEPS = flags.DEFINE_float(
    "mean_steps", None, "take the highest mIoU with at most so many recurrent steps per frame"
)
_CONFIDENCE = flags.DEFINE_float("confidence", 0.95, "probability that the guarantee holds")
_REFERENCE = flags.DEFINE_string(
    "reference", None, "policy that a drop is measured against; the schedule of training if none"
)
_CANDIDATES: dict[str, Callable[[rsf.Config], Sequence[rsf.StepPolicy]]] = {
    "all": tradeoff.default_policies,
    "halting": tradeoff.halting_rules,
    "schedules": tradeoff.schedules,
}
_KIND = flags.DEFINE_enum("candidates", "all", list(_CANDIDATES), "kind of policies to choose from")
_POLICIES = flags.DEFINE_list("policies", [], "candidates of your own, separated by commas")
_VIDEOS = flags.DEFINE_integer("videos", 0, "calibration videos; 0 for all", lower_bound=0)
_RESPLITS = flags.DEFINE_integer(
    "resplits", 0, "try the guarantee on so many random divisions of held-out videos", lower_bound=0
)
_CHECKPOINT = flags.DEFINE_integer(
    "checkpoint", None, "number of updates; the best on validation unless given"
)


def main() -> None:
    target = _target()
    policies = [rsf.parse_policy(text) for text in _POLICIES.value]
    reference = rsf.parse_policy(_REFERENCE.value) if _REFERENCE.value else None
    trained, folder = launcher.open_trained(_CHECKPOINT.value)
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


if __name__ == "__main__":
    launcher.run(main)
